//! Small files that become large: pixels that are claimed, metadata that inflates. What they take
//! of the server, and whether others notice.

use std::time::Duration;

use serde_json::json;

use crate::server_fixture::{Home, Server, form, portrait};

/// 38 bytes of lossless WebP that claim 16,383 × 12,207 pixels.
fn webp_bomb() -> Vec<u8> {
    webp(16_383, 12_207, &[])
}

/// Lossless WebP of one colour, with more chunks.
fn webp(width: u32, height: u32, more: &[u8]) -> Vec<u8> {
    let mut image = vec![0x2f];
    image.extend(((width - 1) | (height - 1) << 14).to_le_bytes());
    image.extend([0x88, 0x88, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut chunks = Vec::new();
    if !more.is_empty() {
        // It says that there is EXIF.
        chunks.extend(b"VP8X\x0a\0\0\0\x08\0\0\0");
        chunks.extend(&(width - 1).to_le_bytes()[..3]);
        chunks.extend(&(height - 1).to_le_bytes()[..3]);
    }
    chunks.extend(b"VP8L");
    chunks.extend((image.len() as u32).to_le_bytes());
    chunks.extend(image);
    chunks.extend(more);
    let size = (4 + chunks.len() as u32).to_le_bytes();
    [b"RIFF", &size[..], b"WEBP", &chunks].concat()
}

/// A BMP of 1 KB that claims 16,000 × 12,000 pixels, run-length coded.
fn bmp_bomb() -> Vec<u8> {
    let mut file = b"BM".to_vec();
    file.extend(1024u32.to_le_bytes());
    file.extend([0; 4]);
    file.extend((54u32 + 8).to_le_bytes());
    file.extend(40u32.to_le_bytes());
    file.extend(16_000i32.to_le_bytes());
    file.extend(12_000i32.to_le_bytes());
    file.extend([1, 0, 8, 0]);
    for value in [1u32, 0, 2835, 2835, 2, 0, 0, 0x00ff_ffff] {
        file.extend(value.to_le_bytes());
    }
    file.resize(1022, 0);
    file.extend([0, 1]);
    file
}

/// The most memory that the server ever had, in MiB.
#[cfg(target_os = "linux")]
fn peak_mib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib >> 10
}

#[cfg(target_os = "linux")]
#[test]
fn a_few_bytes_that_claim_many_pixels_take_no_memory_and_no_turn() {
    let home = Home::new();
    let thief = home.make_key("detection");
    let server = home.serve();
    assert_eq!(
        server.send("recognize", &home.key, &portrait(1)).status,
        200
    );
    let before = peak_mib(&server);
    let bombs = [webp_bomb(), bmp_bomb()];
    let path = "/api/v1/detection/detect";
    let kind = format!(
        "multipart/form-data; boundary={}",
        crate::server_fixture::BOUNDARY
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for bomb in bombs.iter().cycle().take(6) {
                    let body = form(bomb);
                    let answer = server.ask("POST", path, &thief, Some((&kind, &body)));
                    assert!(matches!(answer.status, 400 | 413), "{answer:?}");
                }
            });
        }
        assert_eq!(
            server.send("recognize", &home.key, &portrait(2)).status,
            200
        );
    });
    let grown = peak_mib(&server) - before;
    assert!(grown < 100, "{grown} MiB more");
}

/// Bytes that the metadata of each file below becomes.
const INFLATED_BYTES: usize = 256 << 20;

/// A PNG of 64 × 64 pixels with one more chunk.
fn png(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let grey = fusiform::image::Image::new(64, 64, vec![90; 64 * 64 * 3]).unwrap();
    let png = fusiform::image::encode_png(&grey).unwrap();
    let mut chunk = (content.len() as u32).to_be_bytes().to_vec();
    chunk.extend(kind);
    chunk.extend(content);
    let mut crc = u32::MAX;
    for byte in &chunk[4..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    chunk.extend((!crc).to_be_bytes());
    let (head, rest) = png.split_at(8 + 25);
    [head, &chunk, rest].concat()
}

/// An EXIF block whose entries claim four thousand million values each.
fn greedy_exif(n_bytes: usize) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0".to_vec();
    exif.extend(4000u16.to_le_bytes());
    for tag in 0..4000u16 {
        exif.extend((0x0100 + tag).to_le_bytes());
        exif.extend(12u16.to_le_bytes());
        exif.extend(u32::MAX.to_le_bytes());
        exif.extend(26u32.to_le_bytes());
    }
    exif.resize(n_bytes, 0);
    exif
}

/// 256 MiB of zeros, compressed.
const BROTLI_HEX: &str = "\
    cfffff7f002400e2b14072effff9ffff0f8004401c1680eefd3fffffff01900088c302d0bdffe7ffff3f0012\
    00715800baf7fffcffff074002200e0b40f7fe9fffffff004800c46101e8defff3ffff1f000980382c00ddfb\
    7ffeffff032001108705a07bffcfffff7f002400e2b00074effff9ffff0f8004401c1680eefd3fffffff0190\
    0088c302d0bdffe7ffff3f001200715800baf7fffcffff074002200e0b40f7fe9fffffff004800c46101e8de\
    fff3ffff1f000980382c00ddfbfffcffff072001108705a07bff0f";

/// Zeros as brotli writes them: 203 bytes for 256 MiB.
fn brotli_zeros() -> Vec<u8> {
    BROTLI_HEX
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A JPEG XL whose metadata boxes are compressed.
fn jxl() -> Vec<u8> {
    let testdata = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../face/testdata");
    let mut file = std::fs::read(testdata.join("lossy.jxl")).unwrap();
    if file.starts_with(b"\xFF\x0A") {
        let boxed = iso_box(b"jxlc", &file);
        file = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl ".to_vec();
        file.extend(boxed);
    }
    for kind in [b"Exif", b"xml ", b"jumb"] {
        file.extend(iso_box(b"brob", &[&kind[..], &brotli_zeros()].concat()));
    }
    file
}

fn iso_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = (8 + content.len() as u32).to_be_bytes();
    [&size[..], kind, content].concat()
}

#[cfg(target_os = "linux")]
#[test]
fn metadata_that_inflates_takes_no_memory_and_hides_no_face() {
    let home = Home::new();
    let server = home.serve();
    let answer = server.send("recognize", &home.key, &portrait(1));
    assert_eq!(answer.status, 200);
    let deflated = fdeflate::compress_to_vec(&vec![0; INFLATED_BYTES]);
    assert!(deflated.len() < 4 << 20, "{} bytes", deflated.len());
    let exif = greedy_exif(2 << 20);
    let riff_exif = [b"EXIF", &(exif.len() as u32).to_le_bytes()[..], &exif].concat();
    let bombs = [
        ("iCCP", png(b"iCCP", &[b"icc\0\0", &deflated[..]].concat())),
        (
            "zTXt",
            png(b"zTXt", &[b"Comment\0\0", &deflated[..]].concat()),
        ),
        (
            "iTXt",
            png(
                b"iTXt",
                &[b"XML:com.adobe.xmp\0\x01\0\0\0", &deflated[..]].concat(),
            ),
        ),
        ("eXIf", png(b"eXIf", &exif)),
        ("EXIF of WebP", webp(64, 64, &riff_exif)),
        ("brob", jxl()),
    ];
    let before = peak_mib(&server);
    for (what, bomb) in &bombs {
        for _ in 0..3 {
            let begun = std::time::Instant::now();
            let answer = server.put_image("identify", &home.key, bomb);
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
            assert_eq!(answer.json()["faces"], json!([]), "{what}");
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{what} takes too long"
            );
        }
    }
    let grown = peak_mib(&server) - before;
    assert!(grown < 64, "{grown} MiB more");
}

/// The pages cut crops within the budget of all decoded pixels.
#[test]
fn a_photo_of_the_album_that_takes_more_than_its_share_is_refused_on_the_pages() {
    let home = Home::new();
    let album = home.path("album");
    std::fs::create_dir(&album).unwrap();
    std::fs::write(album.join("a.jpg"), portrait(1)).unwrap();
    let large = fusiform::image::Image::new(3000, 2000, vec![90; 3000 * 2000 * 3]).unwrap();
    let png = fusiform::image::encode_png(&large).unwrap();
    std::fs::write(album.join("b.png"), png).unwrap();
    home.printed(&["scan", album.to_str().unwrap()]);
    let shown = |server: &Server| {
        let show = |id: i64| server.get(&format!("/photos/{id}/view.jpg"), "").status;
        let mut statuses = [show(1), show(2)];
        statuses.sort();
        statuses
    };
    assert_eq!(shown(&home.serve()), [200, 200]);
    // 64 MiB are for one key; six million pixels of a PNG take 92.
    let small = [("FUSIFORM_PIXEL_MEMORY_MIB", "128")];
    assert_eq!(shown(&home.serve_with(&small)), [200, 413]);
}
