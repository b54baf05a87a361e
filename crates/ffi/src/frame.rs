//! Frames of cameras and decoders in C's words. In: a struct with pointers. Out: a frame of the
//! library over the same memory. Knows nothing of faces.

use fusiform::{Frame, PixelFormat, Plane, YuvColour};

use crate::error::Failure;
use crate::pointer;

/// One plane: red, green, blue.
pub const FUSIFORM_FORMAT_RGB: u32 = 0;
/// One plane: blue, green, red, as OpenCV has it.
pub const FUSIFORM_FORMAT_BGR: u32 = 1;
/// One plane: red, green, blue, opacity; laid on white.
pub const FUSIFORM_FORMAT_RGBA: u32 = 2;
/// One plane: blue, green, red, opacity; laid on white.
pub const FUSIFORM_FORMAT_BGRA: u32 = 3;
/// One plane of brightness.
pub const FUSIFORM_FORMAT_GREY: u32 = 4;
/// Two planes: luma; pairs of blue and red difference for each two by two pixels.
pub const FUSIFORM_FORMAT_NV12: u32 = 5;
/// Two planes: luma; pairs of red and blue difference for each two by two pixels.
pub const FUSIFORM_FORMAT_NV21: u32 = 6;
/// Three planes (YUV420): luma, blue difference, red difference.
pub const FUSIFORM_FORMAT_I420: u32 = 7;

/// BT.709 from 720 rows on, else BT.601; 16 to 235.
pub const FUSIFORM_YUV_USUAL: u32 = 0;
/// BT.601, 16 to 235.
pub const FUSIFORM_YUV_BT601: u32 = 1;
/// BT.601, 0 to 255; Android's cameras and JPEG.
pub const FUSIFORM_YUV_BT601_FULL: u32 = 2;
/// BT.709, 16 to 235.
pub const FUSIFORM_YUV_BT709: u32 = 3;
/// BT.709, 0 to 255.
pub const FUSIFORM_YUV_BT709_FULL: u32 = 4;

/// Rows of samples of 8 bits.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct FusiformPlane {
    /// The rows from the top, the last one at least to its last sample.
    pub bytes: *const u8,
    /// Bytes that may be read.
    pub n_bytes: usize,
    /// Bytes from the beginning of a row to that of the next.
    pub stride_bytes: usize,
}

/// A picture as a camera or decoder holds it.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct FusiformFrame {
    /// One of FUSIFORM_FORMAT_….
    pub format: u32,
    /// Pixels in a stored row.
    pub width_px: u32,
    /// Stored rows.
    pub height_px: u32,
    /// Clockwise degrees that bring it upright: 0, 90, 180 or 270.
    pub rotation_deg: u32,
    /// One of FUSIFORM_YUV_…; without effect for formats of RGB and grey.
    pub yuv: u32,
    /// As many as the format has; others are not looked at.
    pub planes: [FusiformPlane; 3],
}

impl FusiformFrame {
    /// The library's format, and how many planes it has.
    fn format(&self) -> Result<(PixelFormat, usize), Failure> {
        match self.format {
            FUSIFORM_FORMAT_RGB => Ok((PixelFormat::Rgb, 1)),
            FUSIFORM_FORMAT_BGR => Ok((PixelFormat::Bgr, 1)),
            FUSIFORM_FORMAT_RGBA => Ok((PixelFormat::Rgba, 1)),
            FUSIFORM_FORMAT_BGRA => Ok((PixelFormat::Bgra, 1)),
            FUSIFORM_FORMAT_GREY => Ok((PixelFormat::Grey, 1)),
            FUSIFORM_FORMAT_NV12 => Ok((PixelFormat::Nv12, 2)),
            FUSIFORM_FORMAT_NV21 => Ok((PixelFormat::Nv21, 2)),
            FUSIFORM_FORMAT_I420 => Ok((PixelFormat::I420, 3)),
            other => Err(Failure::option(format!("format = {other} is none"))),
        }
    }

    /// Its planes as slices.
    ///
    /// # Safety
    /// The planes that its format has are valid for reading until the call returns.
    pub(crate) unsafe fn planes(&self) -> Result<Vec<Plane<'_>>, Failure> {
        let (_, n_planes) = self.format()?;
        let plane = |plane: &FusiformPlane| {
            // SAFETY: promised by the caller.
            let bytes = unsafe { pointer::array(plane.bytes, plane.n_bytes, "bytes of a plane") }?;
            Ok(Plane {
                bytes,
                stride_bytes: plane.stride_bytes,
            })
        };
        self.planes[..n_planes].iter().map(plane).collect()
    }

    /// The library's frame over those planes.
    pub(crate) fn over<'a>(&self, planes: &'a [Plane<'a>]) -> Result<Frame<'a>, Failure> {
        let (format, _) = self.format()?;
        let (is_bt709, is_full_range) = match self.yuv {
            FUSIFORM_YUV_USUAL => (YuvColour::usual(self.height_px).is_bt709, false),
            FUSIFORM_YUV_BT601 => (false, false),
            FUSIFORM_YUV_BT601_FULL => (false, true),
            FUSIFORM_YUV_BT709 => (true, false),
            FUSIFORM_YUV_BT709_FULL => (true, true),
            other => return Err(Failure::option(format!("yuv = {other} is none"))),
        };
        let rotation_deg = u16::try_from(self.rotation_deg).map_err(|_| {
            let asked = self.rotation_deg;
            Failure::option(format!("rotation_deg = {asked} is not 0, 90, 180 or 270"))
        })?;
        Ok(Frame {
            format,
            width_px: self.width_px,
            height_px: self.height_px,
            planes,
            colour: YuvColour {
                is_bt709,
                is_full_range,
            },
            rotation_deg,
        })
    }
}
