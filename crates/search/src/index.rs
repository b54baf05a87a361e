//! Which vectors are nearest? In: vectors of one length, queries. Out: for each query the nearest, exactly.
//! Knows nothing of faces; who owns a vector is a number.
//!
//! Every vector is kept twice: as it is, and rounded to four bits with a bound of what rounding took away. A search is
//! bound by memory: it reads the small copies, an eighth of it, drops every vector that cannot be among the nearest
//! however the rounding fell, and compares the others as they are, the likeliest at once. Of a million faces those are
//! none to some thousands; eight bits would leave fewer, but their copies take twice as long to read.
//!
//! The bound: with v = s·q + e and the query x = r·p + d, Cauchy and Schwarz give
//! |x·v − r·s·p·q| ≤ |x|·|e| + |d|·|s·q|, and |s·q| ≤ |v| + |e|. Here q is a half beside a whole number, u − 7.5 with u
//! of 0 to 15, so that p·q = (2·p·u − 15·Σp) / 2: whole numbers up to the last step.

use std::collections::HashMap;

use fusiform_kernels::dot;
use rayon::prelude::*;

/// Queries that share one reading of the vectors; their sixteen-bit copies fit the second-level cache.
const QUERIES: usize = 64;
/// Bytes of the vectors that all queries of a share meet before the next are read: half a first-level cache.
const TILE_BYTES: usize = 16 << 10;
/// Vectors whose bounds are looked at together.
const GLANCE: usize = 16;
/// Fewer vectors than this are not worth a second thread.
const MIN_PIECE: usize = 8192;
/// Beyond this many owners wanted, every vector is compared as it is.
const MAX_FILTERED: usize = 256;
/// The step of sixteen that takes least away from numbers of a normal distribution of deviation 1 (Max, 1960).
const NORMAL_STEP: f32 = 0.3352;

/// Vectors of one length and whose they are.
#[derive(Debug, Clone)]
pub struct Vectors {
    length: usize,
    owners: Vec<u64>,
    exact: Vec<f32>,
    /// In whole blocks of [`dot::U4_BLOCK`], packed.
    rounded: Vec<u8>,
    /// Of each vector: half of what one step of its rounded numbers is worth.
    scales: Vec<f32>,
    /// Of each vector: no less than the length of what rounding took away.
    errors: Vec<f32>,
    /// No less than the length of any vector, as it is or rounded.
    longest: f32,
}

/// One of the nearest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Whose vector it is.
    pub owner: u64,
    /// Its place in the order of [`Vectors::push`].
    pub place: usize,
    /// Dot product with the query.
    pub similarity: f32,
}

impl Vectors {
    /// None yet, of `length` numbers each.
    ///
    /// # Panics
    /// If `length` is 0.
    pub fn new(length: usize) -> Vectors {
        assert!(length > 0, "vectors without numbers");
        Vectors {
            length,
            owners: Vec::new(),
            exact: Vec::new(),
            rounded: Vec::new(),
            scales: Vec::new(),
            errors: Vec::new(),
            longest: 0.0,
        }
    }

    /// Adds one.
    ///
    /// # Panics
    /// If it has another length.
    pub fn push(&mut self, owner: u64, vector: &[f32]) {
        assert_eq!(vector.len(), self.length, "a vector of another length");
        let norm = norm(vector);
        let by_norm = NORMAL_STEP * norm / (self.length as f32).sqrt();
        let [a, b] = [largest(vector) / 7.5, by_norm].map(|step| Sixteenths::of(vector, step));
        let mut copy = if b.error < a.error { b } else { a };
        copy.numbers.resize(self.padded(), 0);
        dot::pack_u4(&copy.numbers, &mut self.rounded);
        self.owners.push(owner);
        self.exact.extend_from_slice(vector);
        self.scales.push(copy.scale);
        self.errors.push(copy.error);
        self.longest = self.longest.max(norm + copy.error);
    }

    /// Numbers of a rounded vector.
    fn padded(&self) -> usize {
        self.length.next_multiple_of(dot::U4_BLOCK)
    }

    /// Numbers of a vector.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// One of them.
    ///
    /// # Panics
    /// If there is none at this place.
    pub fn get(&self, place: usize) -> &[f32] {
        &self.exact[place * self.length..][..self.length]
    }

    /// For each query the `n_owners` nearest owners, each by their nearest vector, nearest first; ties go to the lower
    /// owner, then to the earlier vector.
    ///
    /// Equal to comparing every vector by [`dot::f32`]: nothing is approximate. A similarity that is not a number is
    /// never among the nearest. Works on all threads of the current pool.
    ///
    /// # Panics
    /// If a query has another length.
    pub fn nearest(&self, queries: &[&[f32]], n_owners: usize) -> Vec<Vec<Near>> {
        let shares = queries.chunks(QUERIES);
        shares
            .flat_map(|share| self.nearest_of_share(share, n_owners))
            .collect()
    }

    fn nearest_of_share(&self, queries: &[&[f32]], n_owners: usize) -> Vec<Vec<Near>> {
        if n_owners == 0 || self.is_empty() {
            return vec![Vec::new(); queries.len()];
        }
        let rounded = Queries::of(queries, self);
        let n_pieces = (self.len() / MIN_PIECE).clamp(1, 4 * rayon::current_num_threads());
        let edge = |piece: usize| self.len() * piece / n_pieces;
        let pieces: Vec<Vec<Sieve>> = (0..n_pieces)
            .into_par_iter()
            .map(|piece| self.sift(queries, &rounded, edge(piece)..edge(piece + 1), n_owners))
            .collect();
        queries
            .par_iter()
            .enumerate()
            .map(|(q, query)| {
                let mut sieve = Sieve::new(n_owners);
                for piece in &pieces {
                    sieve.join(&piece[q]);
                }
                self.compare(query, sieve, n_owners)
            })
            .collect()
    }

    /// The candidates of each query among some of the vectors.
    fn sift(
        &self,
        queries: &[&[f32]],
        rounded: &Queries,
        places: std::ops::Range<usize>,
        n_owners: usize,
    ) -> Vec<Sieve> {
        let mut sieves = vec![Sieve::new(n_owners); queries.len()];
        let row = self.padded() / 2;
        let tile = (TILE_BYTES / row / 12 * 12).max(12);
        let mut sums = vec![0; sieves.len() * tile];
        for start in places.clone().step_by(tile) {
            let end = places.end.min(start + tile);
            let sums = &mut sums[..sieves.len() * (end - start)];
            let templates = &self.rounded[start * row..end * row];
            dot::u4_block(&rounded.rounded, templates, self.padded(), sums);
            for (q, (sieve, sums)) in sieves
                .iter_mut()
                .zip(sums.chunks_exact(end - start))
                .enumerate()
            {
                let bound = rounded.bound(q);
                for (glance, sums) in sums.chunks(GLANCE).enumerate() {
                    sieve.look(self, start + glance * GLANCE, sums, queries[q], &bound);
                }
            }
        }
        sieves
    }

    /// The nearest of the candidates, compared as they are.
    fn compare(&self, query: &[f32], sieve: Sieve, n_owners: usize) -> Vec<Near> {
        let mut best: HashMap<u64, Near> = HashMap::new();
        for (place, upper) in sieve.candidates {
            if upper < sieve.least {
                continue;
            }
            let found = Near {
                owner: self.owners[place],
                place,
                similarity: dot::f32(query, self.get(place)),
            };
            let entry = best.entry(found.owner).or_insert(found);
            if nearer(&found, entry).is_lt() {
                *entry = found;
            }
        }
        let mut nearest: Vec<Near> = best
            .into_values()
            .filter(|near| !near.similarity.is_nan())
            .collect();
        nearest.sort_unstable_by(nearer);
        nearest.truncate(n_owners);
        nearest
    }
}

/// The nearer comes first; what is not a number comes last.
fn nearer(a: &Near, b: &Near) -> std::cmp::Ordering {
    let by_similarity = match (a.similarity.is_nan(), b.similarity.is_nan()) {
        (false, false) => b.similarity.total_cmp(&a.similarity),
        (a, b) => a.cmp(&b),
    };
    by_similarity
        .then(a.owner.cmp(&b.owner))
        .then(a.place.cmp(&b.place))
}

/// A vector rounded to sixteen values.
struct Sixteenths {
    /// Of 0 to 15.
    numbers: Vec<u8>,
    /// A number `u` stands for `scale · (2·u − 15)`.
    scale: f32,
    /// No less than the length of what rounding took away.
    error: f32,
}

impl Sixteenths {
    fn of(vector: &[f32], step: f32) -> Sixteenths {
        let scale = step / 2.0;
        // A value beyond the ends becomes the end; truncation rounds down, since all are positive.
        let number = |v: &f32| (v / step + 8.0).clamp(0.0, 15.0) as u8;
        let numbers: Vec<u8> = vector.iter().map(number).collect();
        let values = numbers.iter().map(|u| f64::from(2 * i16::from(*u) - 15));
        let error = distance(vector, values, scale);
        Sixteenths {
            numbers,
            scale,
            error,
        }
    }
}

/// Queries rounded to so many bits that no sum of products overflows.
struct Queries {
    /// Each with zeros up to whole blocks.
    rounded: Vec<i16>,
    /// Of each query: fifteen times the sum of its numbers.
    middles: Vec<i32>,
    scales: Vec<f32>,
    /// Of each query: no less than its length.
    norms: Vec<f32>,
    /// Of each query: no less than what its own rounding and that of floating-point sums can come to.
    slacks: Vec<f32>,
}

/// What a sum of products says: the similarity lies within `norm · error + slack` of
/// `scale · its scale · (2 · sum − middle)`.
struct Bound {
    middle: i32,
    scale: f32,
    norm: f32,
    slack: f32,
}

impl Queries {
    fn of(queries: &[&[f32]], vectors: &Vectors) -> Queries {
        let (length, padded) = (vectors.length, vectors.padded());
        let most = (i32::MAX as usize / (30 * length)).clamp(1, 32_767) as f32;
        let mut all = Queries {
            rounded: Vec::with_capacity(queries.len() * padded),
            middles: Vec::new(),
            scales: Vec::new(),
            norms: Vec::new(),
            slacks: Vec::new(),
        };
        for query in queries {
            assert_eq!(query.len(), length, "a query of another length");
            let scale = largest(query) / most;
            let start = all.rounded.len();
            let rounded = query.iter().map(|v| rounded(v / scale, most) as i16);
            all.rounded.extend(rounded);
            let values = all.rounded[start..].iter();
            let error = distance(query, values.clone().map(|v| f64::from(*v)), scale);
            all.middles
                .push(15 * values.map(|v| i32::from(*v)).sum::<i32>());
            all.rounded.resize(start + padded, 0);
            let norm = norm(query);
            // Each of the sums' additions, and each step from a sum to a bound, may be off by half a unit in the last
            // place of a number no larger than the product of the lengths; twice that for those of `dot::f32`.
            let steps = (2 * length + 32) as f32 * f32::EPSILON;
            all.scales.push(scale);
            all.norms.push(norm);
            let underflow = f32::MIN_POSITIVE;
            all.slacks
                .push((error + norm * steps) * vectors.longest + underflow);
        }
        all
    }

    fn bound(&self, q: usize) -> Bound {
        Bound {
            middle: self.middles[q],
            scale: self.scales[q],
            norm: self.norms[q],
            slack: self.slacks[q],
        }
    }
}

/// What may still be among the nearest of one query.
#[derive(Clone)]
struct Sieve {
    n_owners: usize,
    /// So many owners are at least this near.
    least: f32,
    /// Owners and how near they are at least, nearest first, once as many as wanted.
    owners: Vec<(u64, f32)>,
    /// Places and how near they are at most.
    candidates: Vec<(usize, f32)>,
}

impl Sieve {
    fn new(n_owners: usize) -> Sieve {
        Sieve {
            n_owners,
            least: f32::NEG_INFINITY,
            owners: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// Keeps those of a few vectors, from place `first` on, that may be near enough; those that more likely are than not
    /// are compared at once. Comparisons are such that what is not a number is kept.
    #[inline]
    fn look(
        &mut self,
        vectors: &Vectors,
        first: usize,
        sums: &[i32],
        query: &[f32],
        bound: &Bound,
    ) {
        let those = first..first + sums.len();
        let (scales, errors) = (&vectors.scales[those.clone()], &vectors.errors[those]);
        let (mut likely, mut upper) = ([0.0f32; GLANCE], [0.0f32; GLANCE]);
        let mut within = false;
        for (i, ((sum, scale), error)) in sums.iter().zip(scales).zip(errors).enumerate() {
            let twice = (2 * sum).wrapping_sub(bound.middle) as f32;
            likely[i] = twice * (scale * bound.scale);
            upper[i] = likely[i] + (error * bound.norm + bound.slack);
            within |= upper[i] >= self.least || upper[i].is_nan();
        }
        if !within {
            return;
        }
        for i in 0..sums.len() {
            if upper[i] < self.least {
                continue;
            }
            if likely[i] > self.least && self.n_owners <= MAX_FILTERED {
                upper[i] = dot::f32(query, vectors.get(first + i));
                self.raise(vectors.owners[first + i], upper[i]);
            }
            self.candidates.push((first + i, upper[i]));
        }
    }

    /// An owner is at least so near.
    fn raise(&mut self, owner: u64, lower: f32) {
        // What is not a number says nothing.
        if lower.is_nan() || lower <= self.least {
            return;
        }
        match self.owners.iter().position(|o| o.0 == owner) {
            Some(at) if self.owners[at].1 >= lower => return,
            Some(at) => {
                self.owners.remove(at);
            }
            None => {}
        }
        let at = self.owners.partition_point(|o| o.1 >= lower);
        self.owners.insert(at, (owner, lower));
        self.owners.truncate(self.n_owners);
        if self.owners.len() == self.n_owners {
            self.least = self.owners[self.n_owners - 1].1;
            // Now and then those that have fallen behind are let go.
            if self.candidates.len() > 4096 {
                let least = self.least;
                self.candidates
                    .retain(|(_, upper)| *upper >= least || upper.is_nan());
            }
        }
    }

    /// Takes over what another found among other vectors.
    fn join(&mut self, other: &Sieve) {
        self.candidates.extend(&other.candidates);
        for (owner, lower) in &other.owners {
            self.raise(*owner, *lower);
        }
    }
}

fn largest(vector: &[f32]) -> f32 {
    vector.iter().fold(0.0, |most, v| most.max(v.abs()))
}

/// To the nearest whole number from `-most` to `most`; without SSE4.1 `round` would be a call.
fn rounded(value: f32, most: f32) -> i32 {
    (value + 0.5f32.copysign(value)).clamp(-most - 0.5, most + 0.5) as i32
}

/// No less than the length of a vector.
fn norm(vector: &[f32]) -> f32 {
    let squares: f64 = vector.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
    rounded_up(squares.sqrt())
}

/// No less than the length of what is between a vector and its rounded copy.
fn distance(vector: &[f32], rounded: impl Iterator<Item = f64>, scale: f32) -> f32 {
    let squares: f64 = vector
        .iter()
        .zip(rounded)
        .map(|(v, q)| f64::from(*v) - f64::from(scale) * q)
        .map(|e| e * e)
        .sum();
    rounded_up(squares.sqrt())
}

fn rounded_up(length: f64) -> f32 {
    // Far more than double precision lost in the sum, and enough that rounding to single does not go below.
    (length * (1.0 + 1e-6)) as f32
}

#[cfg(test)]
mod tests;
