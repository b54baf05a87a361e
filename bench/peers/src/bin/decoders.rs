//! JPEG decoders side by side. In: `[ROUNDS] JPEG…`. Out: a table of megapixels a second of CPU time, whole and at an
//! eighth to a half where a decoder can, in alternating rounds on one thread.

use std::error::Error;

use rustix::time::{ClockId, clock_gettime};
use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

type Decode = fn(&[u8]) -> Result<usize, Box<dyn Error>>;

/// Name, what it does to a file, and by how much it divides the sides.
const DECODERS: [(&str, Decode, usize); 8] = [
    ("zune-jpeg 0.5", zune, 1),
    ("jpeg-decoder 0.3", |f| plain(f, 1), 1),
    ("libjpeg-turbo (turbojpeg 1.5)", |f| turbo(f, ScalingFactor::ONE), 1),
    ("jpeg-decoder 0.3", |f| plain(f, 2), 2),
    ("libjpeg-turbo (turbojpeg 1.5)", |f| turbo(f, ScalingFactor::ONE_HALF), 2),
    ("jpeg-decoder 0.3", |f| plain(f, 4), 4),
    ("libjpeg-turbo (turbojpeg 1.5)", |f| turbo(f, ScalingFactor::ONE_QUARTER), 4),
    ("libjpeg-turbo (turbojpeg 1.5)", |f| turbo(f, ScalingFactor::ONE_EIGHTH), 8),
];

fn zune(file: &[u8]) -> Result<usize, Box<dyn Error>> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(file), options);
    Ok(decoder.decode()?.len())
}

fn plain(file: &[u8], divisor: u16) -> Result<usize, Box<dyn Error>> {
    let mut decoder = jpeg_decoder::Decoder::new(file);
    decoder.read_info()?;
    let info = decoder.info().ok_or("no header")?;
    decoder.scale(info.width.div_ceil(divisor), info.height.div_ceil(divisor))?;
    Ok(decoder.decode()?.len())
}

fn turbo(file: &[u8], factor: ScalingFactor) -> Result<usize, Box<dyn Error>> {
    let mut decoder = Decompressor::new()?;
    decoder.set_scaling_factor(factor)?;
    let header = decoder.read_header(file)?.scaled(factor);
    let pitch = header.width * 3;
    let mut pixels = vec![0; pitch * header.height];
    let image = Image {
        pixels: &mut pixels[..],
        width: header.width,
        pitch,
        height: header.height,
        format: PixelFormat::RGB,
    };
    decoder.decompress(file, image)?;
    Ok(pixels.len())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let rounds: usize = match args.first().map(|a| a.parse()) {
        Some(Ok(rounds)) => {
            args.remove(0);
            rounds
        }
        _ => 5,
    };
    let files: Vec<Vec<u8>> = args.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    let mut pixels = 0;
    for file in &files {
        let header = turbojpeg::read_header(file)?;
        pixels += header.width * header.height;
    }
    let mut times = vec![Vec::new(); DECODERS.len()];
    for _ in 0..rounds {
        for ((_, decode, _), times) in DECODERS.iter().zip(&mut times) {
            let start = cpu_s();
            for file in &files {
                std::hint::black_box(decode(file)?);
            }
            times.push(cpu_s() - start);
        }
    }
    println!("{} files, {:.1} Mpx in all", files.len(), pixels as f64 / 1e6);
    println!("| decoder | sides | Mpx/s of the file |");
    println!("|---|---|---|");
    for ((name, _, divisor), mut times) in DECODERS.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let speed = pixels as f64 / 1e6 / times[times.len() / 2];
        println!("| {name} | 1/{divisor} | {speed:.0} |");
    }
    Ok(())
}

fn cpu_s() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
