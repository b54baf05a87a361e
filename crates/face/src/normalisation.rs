//! Pixels to the numbers a network was trained on. In: RGB bytes. Out: planes of floats.
//! Knows nothing of what the network does.

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
    /// Writes the pixels into the top left of three `width * height` planes; the rest is what black becomes.
    pub(crate) fn planes(
        &self,
        rgb: &[u8],
        (from_width, from_height): (usize, usize),
        (width, height): (usize, usize),
    ) -> Vec<f32> {
        debug_assert!(from_width <= width && from_height <= height);
        let mut planes = Vec::with_capacity(width * height * 3);
        for plane in 0..3 {
            let channel = match self.channel_order {
                ChannelOrder::Rgb => plane,
                ChannelOrder::Bgr => 2 - plane,
            };
            let (mean, scale) = (self.mean[plane], self.scale[plane]);
            let black = -mean * scale;
            for row in rgb.chunks_exact(from_width * 3).take(from_height) {
                let row = row.as_chunks::<3>().0;
                planes.extend(
                    row.iter()
                        .map(|pixel| (f32::from(pixel[channel]) - mean) * scale),
                );
                planes.resize(planes.len() + width - from_width, black);
            }
            planes.resize((plane + 1) * width * height, black);
        }
        planes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_ordered_scaled_and_padded() {
        let normalisation = Normalisation {
            mean: [10.0, 20.0, 30.0],
            scale: [1.0, 0.5, 2.0],
            channel_order: ChannelOrder::Bgr,
        };
        let planes = normalisation.planes(&[1, 2, 3, 4, 5, 6], (2, 1), (3, 2));
        let blue = [-7.0, -4.0, -10.0, -10.0, -10.0, -10.0];
        let green = [-9.0, -7.5, -10.0, -10.0, -10.0, -10.0];
        let red = [-58.0, -52.0, -60.0, -60.0, -60.0, -60.0];
        assert_eq!(planes, [blue, green, red].concat());
    }
}
