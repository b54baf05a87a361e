//! Dot products. In: vectors, or rows of vectors. Out: a number for each pair.
//! Knows nothing of what the vectors describe.

use crate::cpu::{self, Isa};

pub(crate) mod block;
pub(crate) mod lanes;

/// Sum of products of two vectors of one length.
///
/// The order of additions depends on the instruction set alone, so equal input gives equal output
/// on one machine.
///
/// # Panics
/// If the lengths differ.
///
/// # Example
/// ```
/// assert_eq!(fusiform_kernels::dot::f32(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
/// ```
pub fn f32(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "vectors of different lengths");
    match cpu::chosen() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `cpu` names an instruction set only if this CPU has it.
        Isa::Avx512 => unsafe { crate::x86_64::dot_avx512(a, b) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { crate::x86_64::dot_avx2(a, b) },
        _ => lanes::dot::<8>(a, b),
    }
}

/// Dot product of every query with every template; `out` holds for each query a number for each
/// template.
///
/// Templates should fit the first-level cache: each is read once for four queries. The sum of a
/// pair does not depend on what else is in the block, but may differ from [`f32()`] in the last
/// digits.
///
/// # Shapes
/// `queries` and `templates` are rows of `length`, `out` has queries × templates numbers.
///
/// # Panics
/// If the slices are not of these shapes, or `length` is 0.
///
/// # Example
/// ```
/// let mut out = [0.0; 2];
/// fusiform_kernels::dot::f32_block(&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0], 2, &mut out);
/// assert_eq!(out, [11.0, 17.0]);
/// ```
pub fn f32_block(queries: &[f32], templates: &[f32], length: usize, out: &mut [f32]) {
    f32_block_by(cpu::chosen(), queries, templates, length, out);
}

/// The length of a row of [`u4_block`] is a multiple of this.
pub const U4_BLOCK: usize = block::NIBBLES;

/// As [`f32_block`], but exact, for integer queries and templates of 0 to 15 as [`pack_u4`] packs
/// them. A sum beyond `i32` wraps; queries of at most `i32::MAX / (15 · length)` cannot reach it.
///
/// # Shapes
/// `queries` are rows of `length`, `templates` rows of `length / 2` bytes, `out` has queries ×
/// templates numbers.
///
/// # Panics
/// If the slices are not of these shapes, or `length` is 0 or not a multiple of [`U4_BLOCK`].
///
/// # Example
/// ```
/// use fusiform_kernels::dot::{U4_BLOCK, pack_u4, u4_block};
///
/// let mut template = Vec::new();
/// pack_u4(&[15; U4_BLOCK], &mut template);
/// let mut out = [0];
/// u4_block(&[-1000; U4_BLOCK], &template, U4_BLOCK, &mut out);
/// assert_eq!(out, [-960_000]);
/// ```
pub fn u4_block(queries: &[i16], templates: &[u8], length: usize, out: &mut [i32]) {
    u4_block_by(cpu::chosen(), queries, templates, length, out);
}

/// Appends numbers of 0 to 15, of which only the four lower bits count, in the layout that
/// [`u4_block`] reads.
///
/// # Panics
/// If they are not whole blocks.
///
/// # Example
/// ```
/// let mut packed = Vec::new();
/// fusiform_kernels::dot::pack_u4(&[3; 64], &mut packed);
/// assert_eq!(packed, [0x33; 32]);
/// ```
pub fn pack_u4(numbers: &[u8], packed: &mut Vec<u8>) {
    let (blocks, rest) = numbers.as_chunks::<U4_BLOCK>();
    assert!(rest.is_empty(), "a block cut short");
    for block in blocks {
        let (low, high) = block.split_at(U4_BLOCK / 2);
        packed.extend(low.iter().zip(high).map(|(low, high)| low & 15 | high << 4));
    }
}

macro_rules! dispatch {
    ($isa:expr, $routine:ident($($argument:expr),*)) => {
        // SAFETY: `cpu` names an instruction set only if this CPU has it.
        unsafe {
            match $isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => crate::x86_64::dots_avx512::$routine($($argument),*),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => crate::x86_64::dots_avx2::$routine($($argument),*),
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => crate::aarch64::dots_neon::$routine($($argument),*),
                #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
                Isa::Simd128 => crate::wasm32::dots_simd128::$routine($($argument),*),
                _ => block::plain::$routine($($argument),*),
            }
        }
    };
}

fn f32_block_by(isa: Isa, queries: &[f32], templates: &[f32], length: usize, out: &mut [f32]) {
    dispatch!(isa, floats(queries, templates, length, out))
}

fn u4_block_by(isa: Isa, queries: &[i16], templates: &[u8], length: usize, out: &mut [i32]) {
    dispatch!(isa, nibbles(queries, templates, length, out))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_length_agrees_with_a_sum_in_double_precision() {
        for n in 0..200 {
            let a: Vec<f32> = (0..n).map(|i| ((i * 7) % 11) as f32 - 5.0).collect();
            let b: Vec<f32> = (0..n).map(|i| ((i * 3) % 13) as f32 * 0.25).collect();
            let exact: f64 = a
                .iter()
                .zip(&b)
                .map(|(x, y)| f64::from(*x) * f64::from(*y))
                .sum();
            assert!((f64::from(f32(&a, &b)) - exact).abs() < 1e-3, "{n}");
        }
    }

    #[test]
    #[should_panic(expected = "one sum for every pair")]
    fn a_short_answer_never_reaches_the_routine() {
        u4_block(&[1; 128], &[1; 64], 64, &mut [0; 3]);
    }

    #[test]
    #[should_panic(expected = "a block cut short")]
    fn rows_that_end_within_a_block_never_reach_the_routine() {
        u4_block(&[1; 96], &[1; 48], 96, &mut [0; 1]);
    }

    proptest! {
        #[test]
        fn whole_numbers_are_exact_in_every_instruction_set(
            blocks in 1usize..5, n_queries in 0usize..10, n_templates in 0usize..10,
            numbers in vec(any::<(i16, u8)>(), 2304),
        ) {
            let length = blocks * U4_BLOCK;
            let queries: Vec<i16> = numbers
                .iter()
                .map(|n| n.0)
                .take(n_queries * length)
                .collect();
            let templates: Vec<u8> = numbers
                .iter()
                .map(|n| n.1 & 15)
                .take(n_templates * length)
                .collect();
            let mut packed = Vec::new();
            pack_u4(&templates, &mut packed);
            for isa in cpu::available() {
                let mut out = vec![7; n_queries * n_templates];
                u4_block_by(isa, &queries, &packed, length, &mut out);
                for (pair, got) in out.into_iter().enumerate() {
                    let (q, t) = (pair / n_templates * length, pair % n_templates * length);
                    let products = (0..length)
                        .map(|i| i64::from(queries[q + i]) * i64::from(templates[t + i]));
                    prop_assert_eq!(i64::from(got), products.sum::<i64>(), "{}", isa);
                }
            }
        }

        #[test]
        fn floats_agree_in_every_instruction_set_and_block(
            length in 1usize..70, n_queries in 0usize..10, n_templates in 0usize..10,
            numbers in vec((-1.0f32..1.0, -1.0f32..1.0), 700),
        ) {
            let queries: Vec<f32> = numbers
                .iter()
                .map(|n| n.0)
                .take(n_queries * length)
                .collect();
            let templates: Vec<f32> = numbers
                .iter()
                .map(|n| n.1)
                .take(n_templates * length)
                .collect();
            for isa in cpu::available() {
                let mut out = vec![7.0; n_queries * n_templates];
                f32_block_by(isa, &queries, &templates, length, &mut out);
                for (pair, got) in out.into_iter().enumerate() {
                    let q = &queries[pair / n_templates * length..][..length];
                    let t = &templates[pair % n_templates * length..][..length];
                    let products = q.iter().zip(t).map(|(q, t)| f64::from(*q) * f64::from(*t));
                    prop_assert!(
                        (f64::from(got) - products.sum::<f64>()).abs() < 1e-5,
                        "{}",
                        isa
                    );
                    let mut alone = [7.0];
                    f32_block_by(isa, q, t, length, &mut alone);
                    prop_assert_eq!(alone[0], got, "{}: depends on its neighbours", isa);
                }
            }
        }
    }
}
