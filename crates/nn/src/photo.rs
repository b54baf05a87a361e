//! Photos as what a network reads. In: bytes of pixels. Out: rows or planes of the numbers it was trained on.
//! Knows nothing of layers.

use fusiform_kernels::pixels::{Bytes, Form};

use crate::tensor::{Tensor, elements};

/// A photo, and what becomes of its bytes: `(value - mean) * scale` per channel, in the order the network wants.
///
/// # Example
/// ```
/// let photo = fusiform_nn::Photo {
///     rgb: &[1, 2, 3, 4, 5, 6],
///     size: [1, 2],
///     canvas: [1, 3],
///     mean: [0.0; 3],
///     scale: [1.0; 3],
///     blue_first: true,
/// };
/// let planes = fusiform_nn::Photo::planes(&[photo]).unwrap();
/// assert_eq!(planes.data(), [3.0, 6.0, 0.0, 2.0, 5.0, 0.0, 1.0, 4.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Photo<'a> {
    /// Red, green and blue of each pixel, row by row.
    pub rgb: &'a [u8],
    /// Height and width of the photo.
    pub size: [usize; 2],
    /// Height and width of the input; what the photo, top left, does not fill is what black becomes.
    pub canvas: [usize; 2],
    /// Subtracted first, in the order of the channels.
    pub mean: [f32; 3],
    /// Multiplied after.
    pub scale: [f32; 3],
    /// Whether the first channel is blue.
    pub blue_first: bool,
}

/// What an input holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    Tensor(&'a Tensor),
    /// A batch, of one canvas, each as [`Photo::fits`] wants it.
    Photos(&'a [Photo<'a>]),
}

impl Source<'_> {
    pub(crate) fn shape(&self) -> Vec<usize> {
        match self {
            Source::Tensor(tensor) => tensor.shape().to_vec(),
            Source::Photos(photos) => {
                let [height, width] = photos.first().map_or([0, 0], |p| p.canvas);
                vec![photos.len(), 3, height, width]
            }
        }
    }

    /// As a value of its own.
    pub(crate) fn tensor(&self) -> Option<Tensor> {
        match self {
            Source::Tensor(tensor) => Some((*tensor).clone()),
            Source::Photos(photos) => Photo::planes(photos),
        }
    }
}

impl Photo<'_> {
    /// Whether there are as many bytes as the size says, and room for them on a canvas like that of the batch.
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
        let (photo, rest) = row.split_at_mut(filled * pixel);
        let black = [0, 1, 2].map(|c| -self.mean[c] * self.scale[c]);
        for to in rest.chunks_exact_mut(pixel) {
            to[..3].copy_from_slice(&black);
        }
        if filled == 0 {
            return;
        }
        let rgb = &self.rgb[y * width * 3..][..width * 3];
        if pixel == 3 {
            Form::chosen().bytes(&mut Bytes {
                rgb,
                mean: self.mean,
                scale: self.scale,
                blue_first: self.blue_first,
                out: photo,
            });
            return;
        }
        for (to, from) in photo.chunks_exact_mut(pixel).zip(rgb.as_chunks::<3>().0) {
            for c in 0..3 {
                let value = from[if self.blue_first { 2 - c } else { c }];
                to[c] = (f32::from(value) - self.mean[c]) * self.scale[c];
            }
        }
    }

    /// A batch as planes: the definition, and what a network reads whose first layer does not go the fast way.
    ///
    /// `None` if the photos do not have the bytes that their sizes say, or are not of one canvas.
    pub fn planes(photos: &[Photo]) -> Option<Tensor> {
        let canvas = photos.first()?.canvas;
        let [height, width] = canvas;
        let mut planes = Vec::new();
        let mut row = vec![0.0; width * 3];
        for photo in photos {
            photo.fits(canvas).then_some(())?;
            let start = planes.len();
            planes.resize(start + height * width * 3, 0.0);
            for y in 0..height {
                photo.row(y, 3, &mut row);
                for (i, value) in row.iter().enumerate() {
                    planes[start + (i % 3 * height + y) * width + i / 3] = *value;
                }
            }
        }
        Tensor::new(vec![photos.len(), 3, height, width], planes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_ordered_scaled_and_padded() {
        let photo = Photo {
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
        let planes = Photo::planes(&[photo]).unwrap();
        assert_eq!(planes.shape(), [1, 3, 2, 3]);
        assert_eq!(planes.data(), [blue, green, red].concat());
        let mut wide = [7.0; 12];
        photo.row(0, 4, &mut wide);
        assert_eq!(
            wide,
            [
                -7.0, -9.0, -58.0, 7.0, -4.0, -7.5, -52.0, 7.0, -10.0, -10.0, -60.0, 7.0
            ]
        );
    }

    #[test]
    fn a_photo_with_too_few_bytes_or_another_canvas_is_refused() {
        let photo = Photo {
            rgb: &[0; 6],
            size: [1, 2],
            canvas: [2, 2],
            mean: [0.0; 3],
            scale: [1.0; 3],
            blue_first: false,
        };
        let short = Photo {
            size: [2, 2],
            ..photo
        };
        let other = Photo {
            canvas: [4, 2],
            ..photo
        };
        assert!(Photo::planes(&[photo, photo]).is_some());
        assert!(Photo::planes(&[short]).is_none());
        assert!(Photo::planes(&[photo, other]).is_none());
        assert!(Photo::planes(&[]).is_none());
    }
}
