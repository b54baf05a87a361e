//! RGB images as network input. In: bytes of pixels, and how they are normalised. Out: rows or
//! planes of floats. Knows nothing of layers.

use fusiform_kernels::nhwc::{KernelSet, NormalizeRow};

use crate::tensor::{Tensor, elements};

/// An image on a canvas, and how its bytes become floats: `(value - mean) * scale` for each
/// channel, in the order that the network was trained with.
///
/// # Units
/// Sizes are pixels, `[height, width]`.
///
/// # Example
/// ```
/// let image = fusiform_nn::RgbInput {
///     rgb: &[1, 2, 3, 4, 5, 6],
///     size: [1, 2],
///     canvas: [1, 3],
///     mean: [0.0; 3],
///     scale: [1.0; 3],
///     blue_first: true,
/// };
/// let planes = fusiform_nn::RgbInput::planes(&[image]).unwrap();
/// assert_eq!(planes.data(), [3.0, 6.0, 0.0, 2.0, 5.0, 0.0, 1.0, 4.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RgbInput<'a> {
    /// Red, green and blue of each pixel, row by row.
    pub rgb: &'a [u8],
    /// Height and width of the image.
    pub size: [usize; 2],
    /// Height and width of the network's input. The image is at its top left; the rest is black,
    /// normalised as the image is.
    pub canvas: [usize; 2],
    /// Subtracted first, in the order of the channels.
    pub mean: [f32; 3],
    /// Multiplied after.
    pub scale: [f32; 3],
    /// Whether the first channel is blue.
    pub blue_first: bool,
}

/// The content of one input of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum InputData<'a> {
    Tensor(&'a Tensor),
    /// A batch of one canvas, each checked by [`RgbInput::fits`].
    Images(&'a [RgbInput<'a>]),
}

impl InputData<'_> {
    pub(crate) fn shape(&self) -> Vec<usize> {
        match self {
            InputData::Tensor(tensor) => tensor.shape().to_vec(),
            InputData::Images(images) => {
                let [height, width] = images.first().map_or([0, 0], |p| p.canvas);
                vec![images.len(), 3, height, width]
            }
        }
    }

    /// A copy as planes.
    pub(crate) fn tensor(&self) -> Option<Tensor> {
        match self {
            InputData::Tensor(tensor) => Some((*tensor).clone()),
            InputData::Images(images) => RgbInput::planes(images),
        }
    }
}

impl RgbInput<'_> {
    /// Whether there are as many bytes as the size states, and the canvas is that of the batch and
    /// no smaller than the image.
    pub(crate) fn fits(&self, canvas: [usize; 2]) -> bool {
        let [height, width] = self.size;
        elements(&[height, width, 3]) == Some(self.rgb.len())
            && height <= canvas[0]
            && width <= canvas[1]
            && self.canvas == canvas
    }

    /// Row `y` of the canvas into pixels of `pixel` floats, of which the first three are written.
    pub(crate) fn row(&self, y: usize, pixel: usize, row: &mut [f32]) {
        let [height, width] = self.size;
        let filled = if y < height { width } else { 0 };
        let (image, rest) = row.split_at_mut(filled * pixel);
        let black = [0, 1, 2].map(|c| -self.mean[c] * self.scale[c]);
        for to in rest.chunks_exact_mut(pixel) {
            to[..3].copy_from_slice(&black);
        }
        if filled == 0 {
            return;
        }
        let rgb = &self.rgb[y * width * 3..][..width * 3];
        if pixel == 3 {
            KernelSet::chosen().normalize(&mut NormalizeRow {
                rgb,
                mean: self.mean,
                scale: self.scale,
                blue_first: self.blue_first,
                out: image,
            });
            return;
        }
        for (to, from) in image.chunks_exact_mut(pixel).zip(rgb.as_chunks::<3>().0) {
            for c in 0..3 {
                let value = from[if self.blue_first { 2 - c } else { c }];
                to[c] = (f32::from(value) - self.mean[c]) * self.scale[c];
            }
        }
    }

    /// A batch as planes, `[batch, 3, height, width]`: the definition of what a network reads.
    ///
    /// `None` if an image does not have as many bytes as its size states, or another canvas.
    pub fn planes(images: &[RgbInput]) -> Option<Tensor> {
        let canvas = images.first()?.canvas;
        let [height, width] = canvas;
        let mut planes = Vec::new();
        let mut row = vec![0.0; width * 3];
        for image in images {
            image.fits(canvas).then_some(())?;
            let start = planes.len();
            planes.resize(start + height * width * 3, 0.0);
            for y in 0..height {
                image.row(y, 3, &mut row);
                for (i, value) in row.iter().enumerate() {
                    planes[start + (i % 3 * height + y) * width + i / 3] = *value;
                }
            }
        }
        Tensor::new(vec![images.len(), 3, height, width], planes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_ordered_scaled_and_padded() {
        let image = RgbInput {
            rgb: &[1, 2, 3, 4, 5, 6],
            size: [1, 2],
            canvas: [2, 3],
            mean: [10.0, 20.0, 30.0],
            scale: [1.0, 0.5, 2.0],
            blue_first: true,
        };
        let blue = [-7.0, -4.0, -10.0, -10.0, -10.0, -10.0];
        let green = [-9.0, -7.5, -10.0, -10.0, -10.0, -10.0];
        let red = [-58.0, -52.0, -60.0, -60.0, -60.0, -60.0];
        let planes = RgbInput::planes(&[image]).unwrap();
        assert_eq!(planes.shape(), [1, 3, 2, 3]);
        assert_eq!(planes.data(), [blue, green, red].concat());
        let mut wide = [7.0; 12];
        image.row(0, 4, &mut wide);
        assert_eq!(
            wide,
            [
                -7.0, -9.0, -58.0, 7.0, -4.0, -7.5, -52.0, 7.0, -10.0, -10.0, -60.0, 7.0
            ]
        );
    }

    #[test]
    fn an_image_with_too_few_bytes_or_another_canvas_is_refused() {
        let image = RgbInput {
            rgb: &[0; 6],
            size: [1, 2],
            canvas: [2, 2],
            mean: [0.0; 3],
            scale: [1.0; 3],
            blue_first: false,
        };
        let short = RgbInput {
            size: [2, 2],
            ..image
        };
        let other = RgbInput {
            canvas: [4, 2],
            ..image
        };
        assert!(RgbInput::planes(&[image, image]).is_some());
        assert!(RgbInput::planes(&[short]).is_none());
        assert!(RgbInput::planes(&[image, other]).is_none());
        assert!(RgbInput::planes(&[]).is_none());
    }
}
