//! Pixels to the numbers a network was trained on. In: RGB bytes. Out: the same, with what is to become of them.
//! Knows nothing of what the network does.

use fusiform_nn::RgbInput;

/// Order of the colour planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first, as OpenCV reads photos.
    Bgr,
}

/// `(value - mean) * scale` for values 0 to 255, per plane in the order of `channel_order`.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalisation {
    /// Subtracted first.
    pub mean: [f32; 3],
    /// Multiplied after.
    pub scale: [f32; 3],
    /// Which colour each plane holds.
    pub channel_order: ChannelOrder,
}

impl Default for Normalisation {
    /// Plain 0 to 255, red first.
    fn default() -> Self {
        Normalisation {
            mean: [0.0; 3],
            scale: [1.0; 3],
            channel_order: ChannelOrder::Rgb,
        }
    }
}

impl Normalisation {
    /// The pixels as what a network reads: top left on a canvas, of which the rest is what black becomes.
    pub(crate) fn photo<'a>(
        &self,
        rgb: &'a [u8],
        (width, height): (usize, usize),
        (canvas_width, canvas_height): (usize, usize),
    ) -> RgbInput<'a> {
        RgbInput {
            rgb,
            size: [height, width],
            canvas: [canvas_height, canvas_width],
            mean: self.mean,
            scale: self.scale,
            blue_first: self.channel_order == ChannelOrder::Bgr,
        }
    }
}
