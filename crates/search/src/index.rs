//! Exact k-nearest-neighbour search. In: vectors of one length with an owner each, queries. Out:
//! for each query the nearest owners. Knows nothing of faces, people or files; an owner is a
//! number.
//!
//! Every vector is stored twice: as f32, and quantized to four bits together with a bound on the
//! quantization error. A search is bound by memory bandwidth, so it reads the 4-bit codes (an
//! eighth of the bytes), rejects every vector whose upper bound lies below the k-th best lower
//! bound, and computes the f32 dot product of what is left. Of a million faces that is between none
//! and some thousands. Eight bits would leave fewer, but their codes take twice as long to read.
//!
//! The bound: let v = s·q + e be a vector and its quantization error, x = r·p + d a query and its
//! own. By Cauchy and Schwarz |x·v − r·s·p·q| ≤ |x|·|e| + |d|·|s·q|, and |s·q| ≤ |v| + |e|. Code u
//! in 0…15 stands for q = u − 7.5, so p·q = (2·p·u − 15·Σp) / 2 needs integers only, but for the
//! last step.

use fusiform_kernels::dot;
use rayon::prelude::*;
use zeroize::Zeroize;

use crate::error::Error;
use quantize::{Bound, Quantized, QuantizedQueries, norm};
use top_k_filter::TopKFilter;

mod quantize;
mod top_k_filter;

/// Queries that share one pass over the codes; their 16-bit copies fit the second-level cache.
const QUERIES_PER_PASS: usize = 64;
/// Bytes of codes that all queries of a pass meet before the next are read: half a first-level
/// cache.
const TILE_BYTES: usize = 16 << 10;
/// Vectors whose bounds are computed together.
const BATCH: usize = 16;
/// Fewer vectors than this are not worth a second thread.
const MIN_VECTORS_PER_TASK: usize = 8192;
/// Beyond this k the filter does not help: every vector is compared as f32.
const MAX_FILTERED_K: usize = 256;

/// Vectors of one length in columns, each with an owner.
///
/// One owner may have many vectors; a search returns each owner once, by the nearest of them. Give
/// every vector an owner of its own to search for vectors instead.
///
/// # Shapes
/// `dimensions` f32 values per vector; 4.5 bytes per value are kept in memory.
///
/// # Example
/// ```
/// use fusiform_search::index::Index;
///
/// let mut index = Index::new(2);
/// index.push(7, &[1.0, 0.0])?;
/// index.push(8, &[0.0, 1.0])?;
/// let nearest = index.nearest(&[&[0.8, 0.6]], 1)?;
/// assert_eq!((nearest[0][0].owner, nearest[0][0].similarity), (7, 0.8));
///
/// index.swap_remove(0);
/// assert_eq!(index.nearest(&[&[0.8, 0.6]], 1)?[0][0].owner, 8);
/// # Ok::<(), fusiform_search::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Index {
    dimensions: usize,
    owners: Vec<u64>,
    vectors: Vec<f32>,
    /// 4-bit codes in whole blocks of [`dot::U4_BLOCK`], packed.
    codes: Vec<u8>,
    /// Of each vector: half the quantization step.
    scales: Vec<f32>,
    /// Of each vector: no less than the norm of the quantization error.
    errors: Vec<f32>,
    /// No less than the norm of any vector, as f32 or quantized.
    max_norm: f32,
}

/// One of the nearest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// Whose vector it is.
    pub owner: u64,
    /// Slot of the vector. [`nearest_across`] counts slots through all indexes, in their order.
    pub slot: usize,
    /// Dot product with the query; larger is nearer.
    pub similarity: f32,
}

impl Index {
    /// An empty index of vectors of `dimensions` values.
    pub fn new(dimensions: usize) -> Index {
        Index::with_capacity(dimensions, 0)
    }

    /// An empty index that takes `capacity` vectors without moving any in memory.
    pub fn with_capacity(dimensions: usize, capacity: usize) -> Index {
        let code_bytes = dimensions.next_multiple_of(dot::U4_BLOCK) / 2;
        Index {
            dimensions,
            owners: Vec::with_capacity(capacity),
            vectors: Vec::with_capacity(capacity * dimensions),
            codes: Vec::with_capacity(capacity * code_bytes),
            scales: Vec::with_capacity(capacity),
            errors: Vec::with_capacity(capacity),
            max_norm: 0.0,
        }
    }

    /// Appends a vector and returns its slot, which is the number of vectors before it.
    ///
    /// # Errors
    /// [`Error::Dimensions`] for a vector of another length, or of none.
    pub fn push(&mut self, owner: u64, vector: &[f32]) -> Result<usize, Error> {
        self.check(vector)?;
        let mut quantized = Quantized::new(vector);
        quantized.codes.resize(self.code_length(), 0);
        dot::pack_u4(&quantized.codes, &mut self.codes);
        self.owners.push(owner);
        self.vectors.extend_from_slice(vector);
        self.scales.push(quantized.scale);
        self.errors.push(quantized.error);
        self.max_norm = self.max_norm.max(norm(vector) + quantized.error);
        quantized.codes.zeroize();
        Ok(self.owners.len() - 1)
    }

    /// Appends the vectors of `other` whose slot `keep` accepts, in their order, without quantizing
    /// them again.
    ///
    /// # Errors
    /// [`Error::Dimensions`] if `other` holds vectors of another length.
    pub fn extend_from(
        &mut self,
        other: &Index,
        keep: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        if self.dimensions != other.dimensions {
            return Err(self.unequal(other.dimensions));
        }
        let row = self.code_length() / 2;
        // Runs of slots that stay are copied at once.
        let mut slot = 0;
        while slot < other.len() {
            let start = slot;
            while slot < other.len() && keep(slot) {
                slot += 1;
            }
            let (run, n) = (start..slot, self.dimensions);
            self.owners.extend_from_slice(&other.owners[run.clone()]);
            self.vectors
                .extend_from_slice(&other.vectors[start * n..slot * n]);
            self.codes
                .extend_from_slice(&other.codes[start * row..slot * row]);
            self.scales.extend_from_slice(&other.scales[run.clone()]);
            self.errors.extend_from_slice(&other.errors[run]);
            slot += 1;
        }
        self.max_norm = self.max_norm.max(other.max_norm);
        Ok(())
    }

    /// Removes a vector; the last one takes its slot. The bytes of the removed vector are
    /// overwritten with zeros. Returns the owner of the removed vector.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn swap_remove(&mut self, slot: usize) -> u64 {
        let owner = self.owners.swap_remove(slot);
        self.scales.swap_remove(slot);
        self.errors.swap_remove(slot);
        swap_remove_row(&mut self.vectors, slot, self.dimensions);
        let row = self.code_length() / 2;
        swap_remove_row(&mut self.codes, slot, row);
        owner
    }

    /// Codes per vector, padded to whole blocks.
    fn code_length(&self) -> usize {
        self.dimensions.next_multiple_of(dot::U4_BLOCK)
    }

    /// Values per vector.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Number of vectors that fit without moving any in memory.
    pub fn capacity(&self) -> usize {
        let rows = |values: usize, row: usize| values.checked_div(row).unwrap_or(usize::MAX);
        self.owners
            .capacity()
            .min(rows(self.vectors.capacity(), self.dimensions))
            .min(rows(self.codes.capacity(), self.code_length() / 2))
    }

    /// Whether there are no vectors.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Owner of each slot.
    pub fn owners(&self) -> &[u64] {
        &self.owners
    }

    /// The vector in a slot.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn get(&self, slot: usize) -> &[f32] {
        &self.vectors[slot * self.dimensions..][..self.dimensions]
    }

    /// For each query the `k` nearest owners, each by their nearest vector, nearest first; ties go
    /// to the lower owner, then to the lower slot.
    ///
    /// Equal to comparing every vector by [`dot::f32`]: nothing is approximate. A similarity that
    /// is NaN is never among the nearest. Works on all threads of the current rayon pool; all
    /// queries share one pass over the vectors.
    ///
    /// # Errors
    /// [`Error::Dimensions`] for a query of another length.
    pub fn nearest(&self, queries: &[&[f32]], k: usize) -> Result<Vec<Vec<Neighbor>>, Error> {
        nearest_across(&[self], queries, k, |_| true)
    }

    fn check(&self, vector: &[f32]) -> Result<(), Error> {
        if vector.len() == self.dimensions && !vector.is_empty() {
            return Ok(());
        }
        Err(self.unequal(vector.len()))
    }

    fn unequal(&self, found: usize) -> Error {
        Error::Dimensions {
            expected: self.dimensions,
            found,
        }
    }
}

impl Drop for Index {
    /// Templates are biometric data: their bytes are not left in freed memory.
    fn drop(&mut self) {
        self.vectors.zeroize();
        self.codes.zeroize();
    }
}

/// As [`Index::nearest`] over several indexes as if they were one, without the owners that `keep`
/// refuses.
///
/// `keep` is asked only about vectors near enough to be among the nearest, maybe more than once.
///
/// # Errors
/// [`Error::Dimensions`] for a query, or an index with vectors, of another length than the first
/// index.
pub fn nearest_across(
    indexes: &[&Index],
    queries: &[&[f32]],
    k: usize,
    keep: impl Fn(u64) -> bool + Sync,
) -> Result<Vec<Vec<Neighbor>>, Error> {
    let Some(first) = indexes.first() else {
        return Ok(vec![Vec::new(); queries.len()]);
    };
    let other = indexes.iter().find(|i| i.dimensions != first.dimensions);
    if let Some(other) = other {
        return Err(first.unequal(other.dimensions));
    }
    for query in queries {
        first.check(query)?;
    }
    let search = Search::new(indexes, keep);
    let passes = queries.chunks(QUERIES_PER_PASS);
    Ok(passes.flat_map(|pass| search.run(pass, k)).collect())
}

/// One search over indexes whose slots are counted through.
struct Search<'a, F> {
    indexes: &'a [&'a Index],
    /// Slot of the first vector of each index, and at the end the number of vectors.
    starts: Vec<usize>,
    keep: F,
}

/// One of the indexes, and the number of slots in those before it.
#[derive(Clone, Copy)]
struct Part<'a> {
    index: &'a Index,
    first: usize,
}

impl<'a, F: Fn(u64) -> bool + Sync> Search<'a, F> {
    fn new(indexes: &'a [&'a Index], keep: F) -> Search<'a, F> {
        let mut starts = vec![0];
        for index in indexes {
            starts.push(starts[starts.len() - 1] + index.len());
        }
        Search {
            indexes,
            starts,
            keep,
        }
    }

    fn run(&self, queries: &[&[f32]], k: usize) -> Vec<Vec<Neighbor>> {
        let n_vectors = self.starts[self.indexes.len()];
        if k == 0 || n_vectors == 0 {
            return vec![Vec::new(); queries.len()];
        }
        let max_norm = self.indexes.iter().map(|i| i.max_norm);
        let max_norm = max_norm.fold(0.0, f32::max);
        let (dimensions, code_length) = (self.indexes[0].dimensions, self.indexes[0].code_length());
        let quantized = QuantizedQueries::new(queries, dimensions, code_length, max_norm);
        let max_tasks = 4 * rayon::current_num_threads();
        let n_tasks = (n_vectors / MIN_VECTORS_PER_TASK).clamp(1, max_tasks);
        let edge = |task: usize| n_vectors * task / n_tasks;
        let tasks: Vec<Vec<TopKFilter>> = (0..n_tasks)
            .into_par_iter()
            .map(|task| self.filter(queries, &quantized, edge(task)..edge(task + 1), k))
            .collect();
        queries
            .par_iter()
            .enumerate()
            .map(|(q, query)| {
                let mut filter = TopKFilter::new(k);
                for task in &tasks {
                    filter.merge(&task[q]);
                }
                self.rerank(query, filter, k)
            })
            .collect()
    }

    /// The candidates of each query among a range of slots.
    fn filter(
        &self,
        queries: &[&[f32]],
        quantized: &QuantizedQueries,
        slots: std::ops::Range<usize>,
        k: usize,
    ) -> Vec<TopKFilter> {
        let mut filters = vec![TopKFilter::new(k); queries.len()];
        for (index, &first) in self.indexes.iter().zip(&self.starts) {
            let end = slots.end.saturating_sub(first).min(index.len());
            let start = slots.start.saturating_sub(first).min(end);
            let part = Part { index, first };
            self.filter_part(part, start..end, queries, quantized, &mut filters);
        }
        filters
    }

    fn filter_part(
        &self,
        part: Part,
        slots: std::ops::Range<usize>,
        queries: &[&[f32]],
        quantized: &QuantizedQueries,
        filters: &mut [TopKFilter],
    ) {
        let row = part.index.code_length() / 2;
        let tile = (TILE_BYTES / row / 12 * 12).max(12).min(slots.len().max(1));
        let mut sums = vec![0; filters.len() * tile];
        for start in slots.clone().step_by(tile) {
            let end = slots.end.min(start + tile);
            let sums = &mut sums[..filters.len() * (end - start)];
            let codes = &part.index.codes[start * row..end * row];
            dot::u4_block(&quantized.codes, codes, part.index.code_length(), sums);
            let of_each = filters.iter_mut().zip(sums.chunks_exact(end - start));
            for (q, (filter, sums)) in of_each.enumerate() {
                let bound = quantized.bound(q);
                for (batch, sums) in sums.chunks(BATCH).enumerate() {
                    let slot = start + batch * BATCH;
                    self.offer(part, slot, sums, queries[q], &bound, filter);
                }
            }
        }
    }

    /// Offers the vectors of a batch, from `slot` on, to the filter of a query. Comparisons are
    /// such that NaN passes.
    #[inline]
    fn offer(
        &self,
        part: Part,
        slot: usize,
        sums: &[i32],
        query: &[f32],
        bound: &Bound,
        filter: &mut TopKFilter,
    ) {
        let (index, those) = (part.index, slot..slot + sums.len());
        let (scales, errors) = (&index.scales[those.clone()], &index.errors[those]);
        let (mut estimates, mut uppers) = ([0.0f32; BATCH], [0.0f32; BATCH]);
        let (mut any, threshold) = (false, filter.threshold());
        for (i, ((sum, scale), error)) in sums.iter().zip(scales).zip(errors).enumerate() {
            let twice = (2 * sum).wrapping_sub(bound.middle) as f32;
            estimates[i] = twice * (scale * bound.scale);
            uppers[i] = estimates[i] + (error * bound.norm + bound.slack);
            any |= uppers[i] >= threshold || uppers[i].is_nan();
        }
        if !any {
            return;
        }
        for i in 0..sums.len() {
            let owner = index.owners[slot + i];
            if uppers[i] < filter.threshold() || !(self.keep)(owner) {
                continue;
            }
            // A vector that is more likely near enough than not is compared at once: that raises
            // the threshold for all that follow.
            if estimates[i] > filter.threshold() && filter.k() <= MAX_FILTERED_K {
                uppers[i] = dot::f32(query, index.get(slot + i));
                filter.raise(owner, uppers[i]);
            }
            filter.keep(part.first + slot + i, uppers[i]);
        }
    }

    /// The nearest of the candidates by their f32 dot products.
    fn rerank(&self, query: &[f32], filter: TopKFilter, k: usize) -> Vec<Neighbor> {
        let mut best = std::collections::HashMap::<u64, Neighbor>::new();
        for slot in filter.candidates() {
            let at = self.starts.partition_point(|start| *start <= slot) - 1;
            let (index, within) = (self.indexes[at], slot - self.starts[at]);
            let found = Neighbor {
                owner: index.owners[within],
                slot,
                similarity: dot::f32(query, index.get(within)),
            };
            let entry = best.entry(found.owner).or_insert(found);
            if nearer(&found, entry).is_lt() {
                *entry = found;
            }
        }
        let mut nearest: Vec<Neighbor> = best
            .into_values()
            .filter(|neighbor| !neighbor.similarity.is_nan())
            .collect();
        nearest.sort_unstable_by(nearer);
        nearest.truncate(k);
        nearest
    }
}

/// The nearer comes first, NaN last.
fn nearer(a: &Neighbor, b: &Neighbor) -> std::cmp::Ordering {
    let by_similarity = match (a.similarity.is_nan(), b.similarity.is_nan()) {
        (false, false) => b.similarity.total_cmp(&a.similarity),
        (a, b) => a.cmp(&b),
    };
    by_similarity
        .then(a.owner.cmp(&b.owner))
        .then(a.slot.cmp(&b.slot))
}

/// Moves the last row into the slot and overwrites what is freed with zeros.
fn swap_remove_row<T: Copy + Zeroize>(rows: &mut Vec<T>, slot: usize, length: usize)
where
    [T]: Zeroize,
{
    let last = rows.len() - length;
    rows.copy_within(last.., slot * length);
    rows[last..].zeroize();
    rows.truncate(last);
}

#[cfg(test)]
mod tests;
