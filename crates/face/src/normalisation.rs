//! What a byte becomes before a network reads it. In and out: plain numbers.
//! Knows nothing of networks.

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
