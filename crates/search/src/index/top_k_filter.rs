//! The k best lower bounds of one query, and the candidates that may still be among the k nearest.
//! In: owners with similarities, slots with upper bounds. Out: slots to compare exactly.

/// Candidates from which on those below the threshold are dropped now and then.
const PRUNE_FROM: usize = 4096;

#[derive(Clone)]
pub(super) struct TopKFilter {
    k: usize,
    /// `k` owners are at least this near.
    threshold: f32,
    /// At most `k` owners and how near they are at least, nearest first.
    owners: Vec<(u64, f32)>,
    /// Slots and how near they are at most.
    candidates: Vec<(usize, f32)>,
}

impl TopKFilter {
    pub(super) fn new(k: usize) -> TopKFilter {
        TopKFilter {
            k,
            threshold: f32::NEG_INFINITY,
            owners: Vec::new(),
            candidates: Vec::new(),
        }
    }

    pub(super) fn k(&self) -> usize {
        self.k
    }

    #[inline]
    pub(super) fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Records that an owner is at least so near.
    pub(super) fn raise(&mut self, owner: u64, lower: f32) {
        // NaN bounds nothing.
        if lower.is_nan() || lower <= self.threshold {
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
        self.owners.truncate(self.k);
        if self.owners.len() == self.k {
            self.threshold = self.owners[self.k - 1].1;
            if self.candidates.len() > PRUNE_FROM {
                let threshold = self.threshold;
                self.candidates
                    .retain(|(_, upper)| *upper >= threshold || upper.is_nan());
            }
        }
    }

    /// Keeps a slot as a candidate.
    #[inline]
    pub(super) fn keep(&mut self, slot: usize, upper: f32) {
        self.candidates.push((slot, upper));
    }

    /// Takes over what a filter found among other vectors.
    pub(super) fn merge(&mut self, other: &TopKFilter) {
        self.candidates.extend(&other.candidates);
        for (owner, lower) in &other.owners {
            self.raise(*owner, *lower);
        }
    }

    /// Slots that may still be among the `k` nearest.
    pub(super) fn candidates(self) -> impl Iterator<Item = usize> {
        let threshold = self.threshold;
        let near = move |(slot, upper): (usize, f32)| {
            (upper >= threshold || upper.is_nan()).then_some(slot)
        };
        self.candidates.into_iter().filter_map(near)
    }

    #[cfg(test)]
    pub(super) fn n_candidates(&self) -> usize {
        self.candidates.len()
    }
}
