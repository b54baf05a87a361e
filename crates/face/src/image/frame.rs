//! Pixels as cameras, decoders and other libraries hold them. In: planes with their strides, and
//! how far the picture lies on its side. Out: an upright [`Image`]. Knows nothing of files.

use super::limits::DecodeLimits;
use super::orientation::Orientation;
use super::pixels::Image;
use super::samples::on_white;
use super::yuv::{YuvColour, YuvToRgb};
use crate::error::Error;
use crate::geometry::Size;

/// How the samples of a frame lie in memory; each has 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PixelFormat {
    /// One plane: red, green, blue.
    Rgb,
    /// One plane: blue, green, red, as OpenCV has it.
    Bgr,
    /// One plane: red, green, blue, opacity; laid on white.
    Rgba,
    /// One plane: blue, green, red, opacity; laid on white.
    Bgra,
    /// One plane of brightness.
    Grey,
    /// Luma, then pairs of blue and red difference for each two by two pixels.
    Nv12,
    /// Luma, then pairs of red and blue difference for each two by two pixels; Android's cameras.
    Nv21,
    /// Luma, blue difference, red difference; one sample of these for each two by two pixels.
    I420,
}

/// Rows of samples.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// The rows from the top, the last one at least to its last sample.
    pub bytes: &'a [u8],
    /// Bytes from the beginning of a row to that of the next.
    pub stride_bytes: usize,
}

/// A picture that came from no file, as somebody else holds it.
///
/// # Example
/// ```
/// use fusiform_face::image::{DecodeLimits, Frame, PixelFormat, Plane, YuvColour};
/// // Two pixels of a camera that was held on its side; a row is padded to four bytes.
/// let bytes = [0, 0, 255, 9, 255, 0, 0, 9];
/// let frame = Frame {
///     format: PixelFormat::Bgr,
///     width_px: 1,
///     height_px: 2,
///     planes: &[Plane { bytes: &bytes, stride_bytes: 4 }],
///     colour: YuvColour::usual(2),
///     rotation_deg: 90,
/// };
/// let image = frame.to_image(&DecodeLimits::DEFAULT)?;
/// assert_eq!((image.width(), image.height()), (2, 1));
/// assert_eq!((image.pixel(0, 0), image.pixel(1, 0)), ([0, 0, 255], [255, 0, 0]));
/// # Ok::<(), fusiform_face::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// How its samples lie.
    pub format: PixelFormat,
    /// Pixels in a stored row.
    pub width_px: u32,
    /// Stored rows.
    pub height_px: u32,
    /// As many as the format has.
    pub planes: &'a [Plane<'a>],
    /// What luma and chroma mean; without effect for other formats.
    pub colour: YuvColour,
    /// Clockwise degrees that bring it upright: 0, 90, 180 or 270.
    pub rotation_deg: u16,
}

impl PixelFormat {
    /// Bytes for one pixel of each plane, and how many pixels share a sample across and down.
    fn planes(self) -> &'static [(usize, u32)] {
        match self {
            PixelFormat::Rgb | PixelFormat::Bgr => &[(3, 1)],
            PixelFormat::Rgba | PixelFormat::Bgra => &[(4, 1)],
            PixelFormat::Grey => &[(1, 1)],
            PixelFormat::Nv12 | PixelFormat::Nv21 => &[(1, 1), (2, 2)],
            PixelFormat::I420 => &[(1, 1), (1, 2), (1, 2)],
        }
    }
}

/// One plane, checked: every row that is asked for is there.
struct Rows<'a> {
    plane: Plane<'a>,
    row_bytes: usize,
}

impl<'a> Rows<'a> {
    fn row(&self, at: usize) -> &'a [u8] {
        &self.plane.bytes[at * self.plane.stride_bytes..][..self.row_bytes]
    }
}

impl Frame<'_> {
    /// The picture upright in RGB: the one conversion that analysis needs, each pixel once.
    ///
    /// Chroma is repeated, not interpolated.
    ///
    /// # Errors
    /// [`Error::Image`] for a side of zero pixels or more of them than the limits allow, before
    /// anything is allocated; [`Error::Option`] for a number of planes, a stride, a length or a
    /// rotation that does not fit.
    pub fn to_image(&self, limits: &DecodeLimits) -> Result<Image, Error> {
        let orientation = match self.rotation_deg {
            0 => Orientation::Upright,
            90 => Orientation::RotatedLeft,
            180 => Orientation::UpsideDown,
            270 => Orientation::RotatedRight,
            _ => {
                let rotation = f64::from(self.rotation_deg);
                return Err(unfit("rotation_deg", rotation, "0, 90, 180 or 270"));
            }
        };
        let size = Size {
            width_px: self.width_px,
            height_px: self.height_px,
        };
        limits.check_pixels(size)?;
        let rows = self.rows()?;
        let mut rgb = Vec::with_capacity(size.pixels() as usize * 3);
        for at in 0..self.height_px as usize {
            self.append_row(&rows, at, &mut rgb);
        }
        Ok(orientation.upright(Image::new(self.width_px, self.height_px, rgb)?))
    }

    fn rows(&self) -> Result<Vec<Rows<'_>>, Error> {
        let wanted = self.format.planes();
        if self.planes.len() != wanted.len() {
            let n_planes = self.planes.len() as f64;
            return Err(unfit("planes", n_planes, "the number that the format has"));
        }
        let mut rows = Vec::with_capacity(wanted.len());
        for (plane, (bytes, shared)) in self.planes.iter().zip(wanted) {
            // Sides are within the limits, so that a row cannot overflow; strides are not.
            let row_bytes = self.width_px.div_ceil(*shared) as usize * bytes;
            let last = self.height_px.div_ceil(*shared) as usize - 1;
            let stride = plane.stride_bytes;
            if stride < row_bytes {
                let stride = stride as f64;
                return Err(unfit("stride_bytes", stride, "as long as a row of pixels"));
            }
            let needed = last.checked_mul(stride);
            let needed = needed.and_then(|n| n.checked_add(row_bytes));
            if needed.is_none_or(|needed| plane.bytes.len() < needed) {
                let n_bytes = plane.bytes.len() as f64;
                return Err(unfit("bytes", n_bytes, "enough for all rows of the plane"));
            }
            rows.push(Rows {
                plane: *plane,
                row_bytes,
            });
        }
        Ok(rows)
    }

    fn append_row(&self, rows: &[Rows<'_>], at: usize, rgb: &mut Vec<u8>) {
        let first = rows[0].row(at);
        let opaque = |[r, g, b, a]: [u8; 4]| [r, g, b].map(|v| on_white(v, a));
        let factors = YuvToRgb::of(self.colour);
        match self.format {
            PixelFormat::Rgb => rgb.extend_from_slice(first),
            PixelFormat::Bgr => {
                let pixels = first.as_chunks().0.iter();
                rgb.extend(pixels.flat_map(|&[b, g, r]| [r, g, b]));
            }
            PixelFormat::Rgba => {
                let pixels = first.as_chunks().0.iter();
                rgb.extend(pixels.flat_map(|&pixel| opaque(pixel)));
            }
            PixelFormat::Bgra => {
                let pixels = first.as_chunks().0.iter();
                rgb.extend(pixels.flat_map(|&[b, g, r, a]| opaque([r, g, b, a])));
            }
            PixelFormat::Grey => rgb.extend(first.iter().flat_map(|&v| [v; 3])),
            PixelFormat::Nv12 | PixelFormat::Nv21 => {
                let is_nv12 = self.format == PixelFormat::Nv12;
                let pairs = rows[1].row(at / 2).as_chunks().0.iter();
                let tints = pairs.map(|&[a, b]| match is_nv12 {
                    true => factors.tint(a, b),
                    false => factors.tint(b, a),
                });
                append_tinted(&factors, first, tints, rgb);
            }
            PixelFormat::I420 => {
                let (cb, cr) = (rows[1].row(at / 2), rows[2].row(at / 2));
                let tints = cb.iter().zip(cr).map(|(&cb, &cr)| factors.tint(cb, cr));
                append_tinted(&factors, first, tints, rgb);
            }
        }
    }
}

/// A row of luma, two pixels of which share a sample of chroma.
fn append_tinted(
    factors: &YuvToRgb,
    luma: &[u8],
    tints: impl Iterator<Item = [i32; 3]>,
    rgb: &mut Vec<u8>,
) {
    let pairs = luma.chunks(2).zip(tints);
    rgb.extend(pairs.flat_map(|(pair, tint)| {
        let pixel = move |&y: &u8| factors.rgb(y, &tint);
        pair.iter().flat_map(pixel)
    }));
}

fn unfit(option: &'static str, value: f64, wanted: &'static str) -> Error {
    Error::Option {
        option,
        value,
        wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame<'a>(
        format: PixelFormat,
        width_px: u32,
        height_px: u32,
        planes: &'a [Plane<'a>],
    ) -> Frame<'a> {
        let colour = YuvColour {
            is_bt709: false,
            is_full_range: true,
        };
        Frame {
            format,
            width_px,
            height_px,
            planes,
            colour,
            rotation_deg: 0,
        }
    }

    fn plane(bytes: &[u8], stride_bytes: usize) -> Plane<'_> {
        Plane {
            bytes,
            stride_bytes,
        }
    }

    #[track_caller]
    fn check(found: Frame<'_>, expected: &[u8]) {
        let image = found.to_image(&DecodeLimits::DEFAULT).unwrap();
        assert_eq!(image.rgb(), expected);
    }

    #[test]
    fn every_format_becomes_rgb_whatever_its_stride() {
        use PixelFormat::*;
        check(
            frame(Rgb, 1, 2, &[plane(&[1, 2, 3, 0, 4, 5, 6], 4)]),
            &[1, 2, 3, 4, 5, 6],
        );
        check(frame(Bgr, 1, 1, &[plane(&[1, 2, 3], 3)]), &[3, 2, 1]);
        check(
            frame(Rgba, 2, 1, &[plane(&[1, 2, 3, 255, 1, 2, 3, 0], 8)]),
            &[1, 2, 3, 255, 255, 255],
        );
        check(frame(Bgra, 1, 1, &[plane(&[1, 2, 3, 255], 4)]), &[3, 2, 1]);
        check(frame(Grey, 2, 1, &[plane(&[7, 8], 2)]), &[7, 7, 7, 8, 8, 8]);
        // Pure red in full-range BT.601 is 76, 85, 255; three pixels share two samples of chroma.
        let red = [254, 0, 0].repeat(3);
        let luma = plane(&[76; 3], 3);
        check(
            frame(Nv12, 3, 1, &[luma, plane(&[85, 255, 85, 255], 4)]),
            &red,
        );
        check(
            frame(Nv21, 3, 1, &[luma, plane(&[255, 85, 255, 85], 4)]),
            &red,
        );
        let (cb, cr) = (plane(&[85; 2], 2), plane(&[255; 2], 2));
        check(frame(I420, 3, 1, &[luma, cb, cr]), &red);
    }

    #[test]
    fn what_does_not_fit_is_an_error_before_anything_is_allocated() {
        use PixelFormat::*;
        let bytes = [0; 12];
        let error = |found: Frame<'_>| found.to_image(&DecodeLimits::DEFAULT).unwrap_err();
        for (found, said) in [
            (frame(Rgb, 0, 2, &[plane(&bytes, 3)]), "0x2"),
            (
                frame(Rgb, 60_000, 60_000, &[plane(&bytes, 180_000)]),
                "60000",
            ),
            (frame(Rgb, 2, 2, &[plane(&bytes, 5)]), "stride_bytes = 5"),
            (frame(Rgb, 2, 2, &[plane(&bytes[1..], 6)]), "bytes = 11"),
            (frame(Rgb, 1, 3, &[plane(&bytes, usize::MAX)]), "bytes = 12"),
            (frame(Nv12, 2, 2, &[plane(&bytes, 2)]), "planes = 1"),
            (
                Frame {
                    rotation_deg: 45,
                    ..frame(Rgb, 2, 2, &[plane(&bytes, 6)])
                },
                "rotation_deg = 45",
            ),
        ] {
            let error = error(found).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
