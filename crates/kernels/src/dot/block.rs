//! Dot products of every query with every template. In: rows of numbers. Out: a sum for each pair.
//! Knows nothing of instruction sets: generic over [`Products`]. The order of additions of a pair
//! does not depend on the other rows of the block.
//!
//! Four-bit numbers are packed two to a byte in blocks of 64: byte `i` of the 32 holds number `i`
//! in its low half and number `32 + i` in its high half, so that a mask and a shift unpack whole
//! vectors.

use std::ops::Range;

use crate::vector::Vector;

/// How an instruction set multiplies two rows and adds up the products.
///
/// # Safety
/// Methods may be called only from functions compiled for the instruction set, on a CPU that has
/// it.
pub(crate) unsafe trait Products: Copy {
    /// A number of a query.
    type Query: Copy;
    /// What a template's numbers are stored in.
    type Template: Copy;
    /// A sum of products.
    type Sum: Copy;
    /// Several numbers of either.
    type Numbers: Copy;
    /// Numbers of a template in one `Template`.
    const IN_ONE: usize;
    /// The length of a row is a multiple of this.
    const BLOCK: usize;
    /// Numbers that one operation multiplies; divides `BLOCK`, or is a multiple of it.
    const STEP: usize;
    /// Templates of a tile of four queries, two or three: as many as leave all sums in registers.
    const TEMPLATES: usize;

    /// Zero in every lane.
    unsafe fn zero() -> Self;
    /// Reads `STEP` numbers of a row from number `at` on, aligned or not.
    unsafe fn query(row: *const Self::Query, at: usize) -> Self::Numbers;
    /// Reads the numbers of a row that belong to those of `query`.
    unsafe fn template(row: *const Self::Template, at: usize) -> Self::Numbers;
    /// Adds the products.
    unsafe fn add(self, query: Self::Numbers, template: Self::Numbers) -> Self;
    /// The sum over the lanes.
    unsafe fn total(self) -> Self::Sum;
    /// Adds the products of two rows from number `at` on: fewer than `STEP`, none where `STEP`
    /// divides a block.
    unsafe fn rest(
        sum: Self::Sum,
        query: *const Self::Query,
        template: *const Self::Template,
        rest: Range<usize>,
    ) -> Self::Sum;
}

/// Queries and templates whose lengths were checked.
pub(crate) struct Block<'a, P: Products> {
    pub(crate) queries: &'a [P::Query],
    pub(crate) templates: &'a [P::Template],
    /// Numbers of a row.
    pub(crate) length: usize,
    /// For each query a sum for each template.
    pub(crate) out: &'a mut [P::Sum],
}

impl<'a, P: Products> Block<'a, P> {
    pub(crate) fn new(
        queries: &'a [P::Query],
        templates: &'a [P::Template],
        length: usize,
        out: &'a mut [P::Sum],
    ) -> Block<'a, P> {
        assert!(length > 0, "rows without numbers");
        assert!(length.is_multiple_of(P::BLOCK), "a block cut short");
        let row = length / P::IN_ONE;
        assert!(
            queries.len().is_multiple_of(length) && templates.len().is_multiple_of(row),
            "the last row is cut short"
        );
        let pairs = (queries.len() / length).checked_mul(templates.len() / row);
        assert_eq!(pairs, Some(out.len()), "one sum for every pair");
        Block {
            queries,
            templates,
            length,
            out,
        }
    }

    /// Computes every sum.
    ///
    /// # Safety
    /// The CPU has the instruction set of `P`.
    #[inline(always)]
    pub(crate) unsafe fn run(&mut self) {
        let n = self.queries.len() / self.length;
        let mut q = 0;
        // SAFETY: the tiles lie within the rows that `new` counted.
        unsafe {
            while q + 4 <= n {
                if P::TEMPLATES == 2 {
                    self.row_of_tiles::<4, 2>(q);
                } else {
                    self.row_of_tiles::<4, 3>(q);
                }
                q += 4;
            }
            while q < n {
                self.row_of_tiles::<1, 4>(q);
                q += 1;
            }
        }
    }

    /// # Safety
    /// There are `Q` queries from `q` on, and the CPU has the instruction set.
    #[inline(always)]
    unsafe fn row_of_tiles<const Q: usize, const T: usize>(&mut self, q: usize) {
        let n = self.templates.len() / (self.length / P::IN_ONE);
        let mut t = 0;
        // SAFETY: as promised, and `t` stays within the templates.
        unsafe {
            while t + T <= n {
                self.tile::<Q, T>(q, t);
                t += T;
            }
            while t < n {
                self.tile::<Q, 1>(q, t);
                t += 1;
            }
        }
    }

    /// # Safety
    /// There are `Q` queries from `q` on and `T` templates from `t` on, and the CPU has the
    /// instruction set.
    #[inline(always)]
    unsafe fn tile<const Q: usize, const T: usize>(&mut self, q: usize, t: usize) {
        let (length, row) = (self.length, self.length / P::IN_ONE);
        // SAFETY: rows of `length` numbers lie there, of which whole steps are read; `out` has an
        // element for each pair.
        unsafe {
            let queries = self.queries.as_ptr().add(q * length);
            let templates = self.templates.as_ptr().add(t * row);
            let mut sums = [[P::zero(); T]; Q];
            let whole = length - length % P::STEP;
            let mut at = 0;
            while at < whole {
                let column: [P::Numbers; T] =
                    std::array::from_fn(|i| P::template(templates.add(i * row), at));
                for (i, row) in sums.iter_mut().enumerate() {
                    let query = P::query(queries.add(i * length), at);
                    for (sum, template) in row.iter_mut().zip(column) {
                        *sum = sum.add(query, template);
                    }
                }
                at += P::STEP;
            }
            let n = self.templates.len() / row;
            for (i, sums) in sums.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    let (query, template) = (queries.add(i * length), templates.add(j * row));
                    *self.out.get_unchecked_mut((q + i) * n + t + j) =
                        P::rest(sum.total(), query, template, whole..length);
                }
            }
        }
    }
}

/// Floats in the vectors of an instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Floats<V>(V);

// SAFETY: needs what `V` needs.
unsafe impl<V: Vector> Products for Floats<V> {
    type Query = f32;
    type Template = f32;
    type Sum = f32;
    type Numbers = V;
    const IN_ONE: usize = 1;
    const BLOCK: usize = 1;
    const STEP: usize = V::LANES;
    const TEMPLATES: usize = 3;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the instruction set is there.
        Floats(unsafe { V::splat(0.0) })
    }
    #[inline(always)]
    unsafe fn query(row: *const f32, at: usize) -> V {
        // SAFETY: the caller has a vector there.
        unsafe { V::load(row.add(at)) }
    }
    #[inline(always)]
    unsafe fn template(row: *const f32, at: usize) -> V {
        // SAFETY: as above.
        unsafe { V::load(row.add(at)) }
    }
    #[inline(always)]
    unsafe fn add(self, query: V, template: V) -> Self {
        // SAFETY: the instruction set is there.
        Floats(unsafe { query.mul_add(template, self.0) })
    }
    #[inline(always)]
    unsafe fn total(self) -> f32 {
        let mut lanes = [0.0f32; 16];
        // SAFETY: no instruction set has more than sixteen lanes.
        unsafe { self.0.store(lanes.as_mut_ptr()) };
        let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
        let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }
    #[inline(always)]
    unsafe fn rest(sum: f32, query: *const f32, template: *const f32, rest: Range<usize>) -> f32 {
        rest.fold(sum, |sum, at| {
            // SAFETY: the caller has these numbers there.
            sum + unsafe { *query.add(at) * *template.add(at) }
        })
    }
}

/// Four-bit numbers in a block.
pub(crate) const NIBBLES: usize = 64;

/// The byte of a row where number `at` begins, and where the two runs of a query's numbers begin
/// that are multiplied with its low and its high halves.
#[inline(always)]
pub(crate) fn nibbles(at: usize) -> (usize, [usize; 2]) {
    let byte = at / 2;
    let first = byte / (NIBBLES / 2) * NIBBLES + byte % (NIBBLES / 2);
    (byte, [first, first + NIBBLES / 2])
}

/// Numbers of four bits in plain Rust: the definition, and what runs where no instruction set is
/// known.
#[derive(Clone, Copy)]
pub(crate) struct ScalarNibbles([i32; 8]);

// SAFETY: plain Rust runs everywhere.
unsafe impl Products for ScalarNibbles {
    type Query = i16;
    type Template = u8;
    type Sum = i32;
    type Numbers = [[i16; 8]; 2];
    const IN_ONE: usize = 2;
    const BLOCK: usize = NIBBLES;
    const STEP: usize = 16;
    const TEMPLATES: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> Self {
        ScalarNibbles([0; 8])
    }
    #[inline(always)]
    unsafe fn query(row: *const i16, at: usize) -> [[i16; 8]; 2] {
        let read = |from| {
            // SAFETY: the caller has the whole block there.
            unsafe { row.add(from).cast::<[i16; 8]>().read_unaligned() }
        };
        nibbles(at).1.map(read)
    }
    #[inline(always)]
    unsafe fn template(row: *const u8, at: usize) -> [[i16; 8]; 2] {
        // SAFETY: the caller has eight bytes there.
        let bytes = unsafe { row.add(nibbles(at).0).cast::<[u8; 8]>().read_unaligned() };
        [
            bytes.map(|byte| i16::from(byte & 15)),
            bytes.map(|byte| i16::from(byte >> 4)),
        ]
    }
    #[inline(always)]
    unsafe fn add(self, query: [[i16; 8]; 2], template: [[i16; 8]; 2]) -> Self {
        let product =
            |half: usize, i: usize| i32::from(query[half][i]) * i32::from(template[half][i]);
        ScalarNibbles(std::array::from_fn(|i| {
            self.0[i]
                .wrapping_add(product(0, i))
                .wrapping_add(product(1, i))
        }))
    }
    #[inline(always)]
    unsafe fn total(self) -> i32 {
        self.0.into_iter().fold(0, i32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn rest(sum: i32, _: *const i16, _: *const u8, _: Range<usize>) -> i32 {
        sum
    }
}

/// Compiles the routines for one instruction set.
macro_rules! products {
    ($name:ident, $floats:ty, $nibbles:ty $(, $features:literal)?) => {
        pub(crate) mod $name {
            use crate::dot::block::{Block, Floats};

            /// # Safety
            /// The CPU has the instruction set.
            $(#[target_feature(enable = $features)])?
            pub(crate) unsafe fn floats(
                queries: &[f32],
                templates: &[f32],
                length: usize,
                out: &mut [f32],
            ) {
                // SAFETY: as promised.
                unsafe { Block::<Floats<$floats>>::new(queries, templates, length, out).run() }
            }
            /// # Safety
            /// The CPU has the instruction set.
            $(#[target_feature(enable = $features)])?
            pub(crate) unsafe fn nibbles(
                queries: &[i16],
                templates: &[u8],
                length: usize,
                out: &mut [i32],
            ) {
                // SAFETY: as promised.
                unsafe { Block::<$nibbles>::new(queries, templates, length, out).run() }
            }
        }
    };
}
pub(crate) use products;

products!(
    plain,
    crate::vector::Scalar8,
    crate::dot::block::ScalarNibbles
);
