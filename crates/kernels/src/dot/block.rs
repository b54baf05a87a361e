//! Every query times every template. In: rows of numbers. Out: a sum of products for each pair.
//! Written once over [`Products`]. The additions of a pair come in the same order whatever stands beside it.

use crate::vector::Vector;

/// How an instruction set multiplies two rows and adds up the products.
///
/// # Safety
/// Who implements it may assume that the CPU has the instructions: only functions compiled for the instruction set
/// call it, and those are called only through [`crate::cpu`].
pub(crate) unsafe trait Products: Copy {
    /// A number of a query.
    type Query: Copy;
    /// A number of a template.
    type Template: Copy;
    /// A sum of products.
    type Sum: Copy;
    /// Several numbers of either.
    type Numbers: Copy;
    /// Numbers taken at once.
    const STEP: usize;
    /// Templates of a tile of four queries, two or three: as many as leave all sums in registers.
    const TEMPLATES: usize;

    /// Sums of nothing.
    unsafe fn zero() -> Self;
    /// Reads `STEP` numbers, aligned or not.
    unsafe fn query(from: *const Self::Query) -> Self::Numbers;
    /// Reads `STEP` numbers, aligned or not.
    unsafe fn template(from: *const Self::Template) -> Self::Numbers;
    /// Adds the products.
    unsafe fn add(self, query: Self::Numbers, template: Self::Numbers) -> Self;
    /// All sums as one.
    unsafe fn total(self) -> Self::Sum;
    /// Adds one product: what is left over at the end of a row.
    fn add_one(sum: Self::Sum, query: Self::Query, template: Self::Template) -> Self::Sum;
}

/// What is multiplied with what; checked before it is run.
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
        assert!(
            queries.len().is_multiple_of(length) && templates.len().is_multiple_of(length),
            "the last row is cut short"
        );
        let pairs = (queries.len() / length).checked_mul(templates.len() / length);
        assert_eq!(pairs, Some(out.len()), "one sum for every pair");
        Block {
            queries,
            templates,
            length,
            out,
        }
    }

    /// Runs it.
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
        let n = self.templates.len() / self.length;
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
    /// There are `Q` queries from `q` on and `T` templates from `t` on, and the CPU has the instruction set.
    #[inline(always)]
    unsafe fn tile<const Q: usize, const T: usize>(&mut self, q: usize, t: usize) {
        let length = self.length;
        // SAFETY: rows of `length` numbers lie there, of which whole steps are read; `out` has a place for each pair.
        unsafe {
            let queries = self.queries.as_ptr().add(q * length);
            let templates = self.templates.as_ptr().add(t * length);
            let mut sums = [[P::zero(); T]; Q];
            let whole = length - length % P::STEP;
            let mut at = 0;
            while at < whole {
                let column: [P::Numbers; T] =
                    std::array::from_fn(|i| P::template(templates.add(i * length + at)));
                for (i, row) in sums.iter_mut().enumerate() {
                    let query = P::query(queries.add(i * length + at));
                    for (sum, template) in row.iter_mut().zip(column) {
                        *sum = sum.add(query, template);
                    }
                }
                at += P::STEP;
            }
            let n = self.templates.len() / length;
            for (i, row) in sums.iter().enumerate() {
                for (j, sum) in row.iter().enumerate() {
                    let mut total = sum.total();
                    for at in whole..length {
                        let template = *templates.add(j * length + at);
                        total = P::add_one(total, *queries.add(i * length + at), template);
                    }
                    *self.out.get_unchecked_mut((q + i) * n + t + j) = total;
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
    const STEP: usize = V::LANES;
    const TEMPLATES: usize = 3;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the instruction set is there.
        Floats(unsafe { V::splat(0.0) })
    }
    #[inline(always)]
    unsafe fn query(from: *const f32) -> V {
        // SAFETY: the caller has a vector there.
        unsafe { V::load(from) }
    }
    #[inline(always)]
    unsafe fn template(from: *const f32) -> V {
        // SAFETY: as above.
        unsafe { V::load(from) }
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
    fn add_one(sum: f32, query: f32, template: f32) -> f32 {
        sum + query * template
    }
}

/// Whole numbers in plain Rust: the definition, and what runs where no instruction set is known.
#[derive(Clone, Copy)]
pub(crate) struct PlainIntegers([i32; 8]);

// SAFETY: plain Rust runs everywhere.
unsafe impl Products for PlainIntegers {
    type Query = i16;
    type Template = i8;
    type Sum = i32;
    type Numbers = [i16; 8];
    const STEP: usize = 8;
    const TEMPLATES: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> Self {
        PlainIntegers([0; 8])
    }
    #[inline(always)]
    unsafe fn query(from: *const i16) -> [i16; 8] {
        // SAFETY: the caller has eight numbers there.
        unsafe { from.cast::<[i16; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn template(from: *const i8) -> [i16; 8] {
        // SAFETY: the caller has eight numbers there.
        unsafe { from.cast::<[i8; 8]>().read_unaligned() }.map(i16::from)
    }
    #[inline(always)]
    unsafe fn add(self, query: [i16; 8], template: [i16; 8]) -> Self {
        let product = |i: usize| i32::from(query[i]) * i32::from(template[i]);
        PlainIntegers(std::array::from_fn(|i| self.0[i].wrapping_add(product(i))))
    }
    #[inline(always)]
    unsafe fn total(self) -> i32 {
        self.0.into_iter().fold(0, i32::wrapping_add)
    }
    #[inline(always)]
    fn add_one(sum: i32, query: i16, template: i8) -> i32 {
        sum.wrapping_add(i32::from(query) * i32::from(template))
    }
}

/// Compiles the routines for one instruction set.
macro_rules! products {
    ($name:ident, $floats:ty, $integers:ty $(, $features:literal)?) => {
        pub(crate) mod $name {
            use crate::dot::block::{Block, Floats};

            /// # Safety
            /// The CPU has the instruction set.
            $(#[target_feature(enable = $features)])?
            pub(crate) unsafe fn floats(queries: &[f32], templates: &[f32], length: usize, out: &mut [f32]) {
                // SAFETY: as promised.
                unsafe { Block::<Floats<$floats>>::new(queries, templates, length, out).run() }
            }
            /// # Safety
            /// The CPU has the instruction set.
            $(#[target_feature(enable = $features)])?
            pub(crate) unsafe fn integers(queries: &[i16], templates: &[i8], length: usize, out: &mut [i32]) {
                // SAFETY: as promised.
                unsafe { Block::<$integers>::new(queries, templates, length, out).run() }
            }
        }
    };
}
pub(crate) use products;

products!(
    plain,
    crate::vector::Plain,
    crate::dot::block::PlainIntegers
);
