//! The dot product of two vectors. In: two slices of one length. Out: their sum of products.
//! Knows nothing of instruction sets: each caller compiles it for its target features.

/// The sum in `N` partial sums, which the compiler keeps in vector registers.
#[inline(always)]
pub(crate) fn dot<const N: usize>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; N];
    let (a_chunks, a_rest) = a.as_chunks::<N>();
    let (b_chunks, b_rest) = b.as_chunks::<N>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..N {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}
