//! Element-wise rows: planes or bytes to pixels, sums, a factor and an addend. In: rows. Out: a row
//! of the same length. Knows nothing of channels or windows.

use crate::vector::Vector;

/// Interleaves three planes to pixels of three channels: `out[3x + c] = planes[c][x]`.
#[derive(Debug)]
pub struct InterleaveRow<'a> {
    /// One row of each plane.
    pub planes: [&'a [f32]; 3],
    /// The row.
    pub out: &'a mut [f32],
}

/// Normalises bytes of RGB: `out[3x + c] = (rgb[3x + c] − mean[c]) · scale[c]`, or with
/// `rgb[3x + 2 − c]` if blue comes first.
#[derive(Debug)]
pub struct NormalizeRow<'a> {
    /// The pixels.
    pub rgb: &'a [u8],
    /// Subtracted first, in the order of the row.
    pub mean: [f32; 3],
    /// Multiplied after.
    pub scale: [f32; 3],
    /// Whether the first channel of the result is blue.
    pub blue_first: bool,
    /// The row.
    pub out: &'a mut [f32],
}

/// `out[i] = a[i] + b[i]`.
#[derive(Debug)]
pub struct AddRow<'a> {
    /// First summands.
    pub a: &'a [f32],
    /// Second summands.
    pub b: &'a [f32],
    /// The row.
    pub out: &'a mut [f32],
}

/// `out[i] = input[i] · factor + addend`.
#[derive(Debug)]
pub struct AffineRow<'a> {
    /// What is scaled.
    pub input: &'a [f32],
    /// Multiplied with.
    pub factor: f32,
    /// Added after.
    pub addend: f32,
    /// The row.
    pub out: &'a mut [f32],
}

impl InterleaveRow<'_> {
    pub(crate) fn check(&self) {
        let n = self.planes[0].len();
        assert!(
            self.planes.iter().all(|p| p.len() == n) && n.checked_mul(3) == Some(self.out.len()),
            "planes and row of different lengths"
        );
    }

    /// # Safety
    /// The CPU has the instructions of `V`; [`InterleaveRow::check`] passed.
    #[inline(always)]
    pub(crate) unsafe fn run<V: Vector>(&mut self) {
        let n = self.planes[0].len();
        let whole = n - n % V::LANES;
        for x in (0..whole).step_by(V::LANES) {
            // SAFETY: a vector of each plane and three of the row lie there.
            unsafe {
                let [a, b, c] = self.planes;
                V::store_interleaved(
                    V::load(a.as_ptr().add(x)),
                    V::load(b.as_ptr().add(x)),
                    V::load(c.as_ptr().add(x)),
                    self.out.as_mut_ptr().add(x * 3),
                );
            }
        }
        for x in whole..n {
            for (channel, plane) in self.planes.iter().enumerate() {
                self.out[x * 3 + channel] = plane[x];
            }
        }
    }
}

impl NormalizeRow<'_> {
    pub(crate) fn check(&self) {
        let n = self.rgb.len();
        assert!(
            n == self.out.len() && n.is_multiple_of(3),
            "bytes and row of different lengths"
        );
    }

    /// # Safety
    /// The CPU has the instructions of `V`; [`NormalizeRow::check`] passed.
    #[inline(always)]
    pub(crate) unsafe fn run<V: Vector>(&mut self) {
        match self.blue_first {
            true => self.ordered([2, 1, 0]),
            false => self.ordered([0, 1, 2]),
        }
    }

    /// Sixteen pixels at a time, a loop that the compiler vectorises.
    #[inline(always)]
    fn ordered(&mut self, order: [usize; 3]) {
        let (mean, scale) = (self.mean, self.scale);
        let (means, scales): ([f32; 48], [f32; 48]) = (
            std::array::from_fn(|i| mean[i % 3]),
            std::array::from_fn(|i| scale[i % 3]),
        );
        let (wide, rest) = self.rgb.as_chunks::<48>();
        let (out_wide, out_rest) = self.out.as_chunks_mut::<48>();
        for (from, to) in wide.iter().zip(out_wide) {
            let ordered_bytes: [u8; 48] = std::array::from_fn(|i| from[i / 3 * 3 + order[i % 3]]);
            for i in 0..48 {
                to[i] = (f32::from(ordered_bytes[i]) - means[i]) * scales[i];
            }
        }
        for (i, to) in out_rest.iter_mut().enumerate() {
            *to = (f32::from(rest[i / 3 * 3 + order[i % 3]]) - mean[i % 3]) * scale[i % 3];
        }
    }
}

impl AddRow<'_> {
    pub(crate) fn check(&self) {
        let n = self.out.len();
        assert!(
            self.a.len() == n && self.b.len() == n,
            "rows of different lengths"
        );
    }

    /// # Safety
    /// The CPU has the instructions of `V`; [`AddRow::check`] passed.
    #[inline(always)]
    pub(crate) unsafe fn run<V: Vector>(&mut self) {
        let n = self.out.len();
        let whole = n - n % V::LANES;
        for i in (0..whole).step_by(V::LANES) {
            // SAFETY: a vector of each row lies there.
            unsafe {
                let sum = V::load(self.a.as_ptr().add(i)).add(V::load(self.b.as_ptr().add(i)));
                sum.store(self.out.as_mut_ptr().add(i));
            }
        }
        for i in whole..n {
            self.out[i] = self.a[i] + self.b[i];
        }
    }
}

impl AffineRow<'_> {
    pub(crate) fn check(&self) {
        assert!(
            self.input.len() == self.out.len(),
            "rows of different lengths"
        );
    }

    /// # Safety
    /// The CPU has the instructions of `V`; [`AffineRow::check`] passed.
    #[inline(always)]
    pub(crate) unsafe fn run<V: Vector>(&mut self) {
        let n = self.out.len();
        let whole = n - n % V::LANES;
        for i in (0..whole).step_by(V::LANES) {
            // SAFETY: a vector of each row lies there.
            unsafe {
                let (factor, addend) = (V::splat(self.factor), V::splat(self.addend));
                // Two roundings, as at the end of the row and in the definition.
                let scaled = V::load(self.input.as_ptr().add(i)).mul(factor).add(addend);
                scaled.store(self.out.as_mut_ptr().add(i));
            }
        }
        for i in whole..n {
            self.out[i] = self.input[i] * self.factor + self.addend;
        }
    }
}
