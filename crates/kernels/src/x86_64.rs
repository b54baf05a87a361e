//! The routines for x86-64. In and out as their safe entries say, which check every length.

use std::arch::x86_64::*;

/// See [`crate::dot::f32`].
#[target_feature(enable = "avx2,fma")]
pub(crate) fn dot_avx2(a: &[f32], b: &[f32]) -> f32 {
    crate::dot::lanes::<32>(a, b)
}

/// See [`crate::dot::f32`].
#[target_feature(enable = "avx512f")]
pub(crate) fn dot_avx512(a: &[f32], b: &[f32]) -> f32 {
    crate::dot::lanes::<64>(a, b)
}

/// See [`crate::gemm::Gemm::tile`], with mr = 8 and nr = 32.
///
/// # Safety
/// `a` holds `depth · 8`, `b` `depth · 32`, `tile` 256 floats.
#[target_feature(enable = "avx512f")]
pub(crate) unsafe fn tile_avx512_8x32(depth: usize, a: &[f32], b: &[f32], tile: &mut [f32]) {
    let mut sums = [[_mm512_setzero_ps(); 2]; 8];
    let (mut a, mut b) = (a.as_ptr(), b.as_ptr());
    for _ in 0..depth {
        // SAFETY: the caller's lengths cover `depth` steps of 8 and 32.
        unsafe {
            let (b0, b1) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
            for (row, sum) in sums.iter_mut().enumerate() {
                let weight = _mm512_set1_ps(*a.add(row));
                sum[0] = _mm512_fmadd_ps(weight, b0, sum[0]);
                sum[1] = _mm512_fmadd_ps(weight, b1, sum[1]);
            }
            a = a.add(8);
            b = b.add(32);
        }
    }
    for (row, sum) in sums.iter().enumerate() {
        // SAFETY: eight rows of 32 floats are the 256 that the caller gives.
        unsafe {
            _mm512_storeu_ps(tile.as_mut_ptr().add(row * 32), sum[0]);
            _mm512_storeu_ps(tile.as_mut_ptr().add(row * 32 + 16), sum[1]);
        }
    }
}

/// See [`crate::gemm::Gemm::tile`], with mr = 6 and nr = 16.
///
/// # Safety
/// `a` holds `depth · 6`, `b` `depth · 16`, `tile` 96 floats.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn tile_avx2_6x16(depth: usize, a: &[f32], b: &[f32], tile: &mut [f32]) {
    let mut sums = [[_mm256_setzero_ps(); 2]; 6];
    let (mut a, mut b) = (a.as_ptr(), b.as_ptr());
    for _ in 0..depth {
        // SAFETY: the caller's lengths cover `depth` steps of 6 and 16.
        unsafe {
            let (b0, b1) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
            for (row, sum) in sums.iter_mut().enumerate() {
                let weight = _mm256_set1_ps(*a.add(row));
                sum[0] = _mm256_fmadd_ps(weight, b0, sum[0]);
                sum[1] = _mm256_fmadd_ps(weight, b1, sum[1]);
            }
            a = a.add(6);
            b = b.add(16);
        }
    }
    for (row, sum) in sums.iter().enumerate() {
        // SAFETY: six rows of 16 floats are the 96 that the caller gives.
        unsafe {
            _mm256_storeu_ps(tile.as_mut_ptr().add(row * 16), sum[0]);
            _mm256_storeu_ps(tile.as_mut_ptr().add(row * 16 + 8), sum[1]);
        }
    }
}

/// See [`crate::depthwise::row`].
#[target_feature(enable = "avx2,fma")]
pub(crate) fn depthwise_row_avx2(taps: &[(f32, &[f32])], stride: usize, out: &mut [f32]) {
    crate::depthwise::row_plain(taps, stride, out);
}

/// See [`crate::depthwise::row`].
#[target_feature(enable = "avx512f")]
pub(crate) fn depthwise_row_avx512(taps: &[(f32, &[f32])], stride: usize, out: &mut [f32]) {
    crate::depthwise::row_plain(taps, stride, out);
}

/// See [`crate::finish::row`].
#[target_feature(enable = "avx2,fma")]
pub(crate) fn finish_row_avx2(
    sums: &[f32],
    bias: f32,
    residual: Option<&[f32]>,
    activation: crate::finish::Activation,
    out: &mut [f32],
) {
    crate::finish::row_plain(sums, bias, residual, activation, out);
}

/// See [`crate::finish::row`].
#[target_feature(enable = "avx512f")]
pub(crate) fn finish_row_avx512(
    sums: &[f32],
    bias: f32,
    residual: Option<&[f32]>,
    activation: crate::finish::Activation,
    out: &mut [f32],
) {
    crate::finish::row_plain(sums, bias, residual, activation, out);
}
