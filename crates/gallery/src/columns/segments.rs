//! The vectors of one service in segments that are never changed while a reader may have them. In:
//! vectors under ascending sequence numbers. Out: the nearest, exactly. Knows nothing of people.
//!
//! A new vector goes into the last segment, which is copied when readers have it and is small; full
//! segments are merged with those before that are no larger, up to [`SEGMENT_VECTORS`], so that
//! each vector is copied O(log n) times and a search meets few segments. A removal replaces the
//! segments concerned by copies without the vector. A segment overwrites its bytes with zeros when
//! the last reader lets go of it (`search::Index`).

use std::sync::Arc;

use fusiform_search::Error;
use fusiform_search::index::{Index, Neighbor, nearest_across};

/// Vectors of a segment at most: what a removal copies, 9 MB at 128 values each.
const SEGMENT_VECTORS: usize = 16_384;
/// Vectors of the last segment at most: what an enrolment copies.
const TAIL_VECTORS: usize = 256;

/// The segments, each an index whose owners are sequence numbers, ascending through all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Segments(Vec<Arc<Index>>);

impl Segments {
    /// Values per vector; none while there is no vector.
    pub(super) fn dimensions(&self) -> Option<usize> {
        self.0.first().map(|index| index.dimensions())
    }

    /// Appends a vector; `sequence` is larger than any before.
    pub(super) fn push(&mut self, sequence: u64, vector: &[f32]) -> Result<(), Error> {
        if let Some(expected) = self.dimensions().filter(|d| *d != vector.len()) {
            let found = vector.len();
            return Err(Error::Dimensions { expected, found });
        }
        match self.0.last_mut() {
            Some(tail) if tail.len() < TAIL_VECTORS => {
                // Within its capacity, so that no vector is left behind in freed memory.
                match Arc::get_mut(tail) {
                    Some(tail) if tail.len() < tail.capacity() => {
                        tail.push(sequence, vector)?;
                    }
                    _ => {
                        let room = (tail.len() + 1).next_power_of_two();
                        let mut copy = Index::with_capacity(vector.len(), room);
                        copy.extend_from(tail, |_| true)?;
                        copy.push(sequence, vector)?;
                        *tail = Arc::new(copy);
                    }
                }
            }
            _ => {
                let mut tail = Index::with_capacity(vector.len(), 1);
                tail.push(sequence, vector)?;
                self.0.push(Arc::new(tail));
            }
        }
        if self.0.last().is_some_and(|tail| tail.len() == TAIL_VECTORS) {
            self.merge(|before, last| before < 2 * last && before + last <= SEGMENT_VECTORS)?;
        }
        Ok(())
    }

    /// Merges the last two segments as long as `may` accepts their lengths.
    fn merge(&mut self, may: impl Fn(usize, usize) -> bool) -> Result<(), Error> {
        while let [.., before, last] = &self.0[..]
            && may(before.len(), last.len())
        {
            let merged = merged(&[before, last])?;
            self.0.truncate(self.0.len() - 2);
            self.0.push(Arc::new(merged));
        }
        Ok(())
    }

    /// Removes vectors, given by ascending sequence numbers.
    pub(super) fn remove(&mut self, sequences: &[u64]) -> Result<(), Error> {
        let mut kept: Vec<Arc<Index>> = Vec::with_capacity(self.0.len());
        let mut left = sequences;
        for segment in self.0.drain(..) {
            let end = segment.owners().last().map_or(0, |last| last + 1);
            let (here, after) = left.split_at(left.partition_point(|s| *s < end));
            left = after;
            let segment = if here.is_empty() {
                segment
            } else {
                let stays = |slot: usize| here.binary_search(&segment.owners()[slot]).is_err();
                let room = segment.len().saturating_sub(here.len());
                let mut copy = Index::with_capacity(segment.dimensions(), room);
                copy.extend_from(&segment, stays)?;
                Arc::new(copy)
            };
            match kept.last_mut() {
                _ if segment.is_empty() => {}
                Some(before) if before.len() + segment.len() <= TAIL_VECTORS => {
                    *before = Arc::new(merged(&[before, &segment])?);
                }
                _ => kept.push(segment),
            }
        }
        self.0 = kept;
        Ok(())
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&[f32]> {
        let first = |index: &Index| index.owners().first().copied();
        let after = self.0.partition_point(|s| first(s) <= Some(sequence));
        let segment = &self.0[after.checked_sub(1)?];
        let slot = segment.owners().binary_search(&sequence).ok()?;
        Some(segment.get(slot))
    }

    /// The `k` nearest vectors of each probe among those that `keep` accepts, nearest first; ties
    /// go to the lower sequence number.
    pub(super) fn nearest(
        &self,
        probes: &[&[f32]],
        k: usize,
        keep: impl Fn(u64) -> bool + Sync,
    ) -> Result<Vec<Vec<Neighbor>>, Error> {
        let indexes: Vec<&Index> = self.0.iter().map(|index| &**index).collect();
        nearest_across(&indexes, probes, k, keep)
    }

    #[cfg(test)]
    pub(super) fn segment_of(&self, sequence: u64) -> &Arc<Index> {
        let has = |s: &&Arc<Index>| s.owners().contains(&sequence);
        self.0.iter().find(has).unwrap()
    }

    #[cfg(test)]
    pub(super) fn n_segments(&self) -> usize {
        self.0.len()
    }
}

fn merged(parts: &[&Index]) -> Result<Index, Error> {
    let room = parts.iter().map(|p| p.len()).sum();
    let dimensions = parts.first().map_or(0, |p| p.dimensions());
    let mut merged = Index::with_capacity(dimensions, room);
    for part in parts {
        merged.extend_from(part, |_| true)?;
    }
    Ok(merged)
}
