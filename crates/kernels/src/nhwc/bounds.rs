//! The bounds check of rows that read windows. In: starts, steps, lengths. Out: nothing, or a
//! panic. Knows nothing of what is computed.

/// Panics unless every run of `run` floats, for each start and each of `n` pixels, lies in `input`.
pub(crate) fn check_reads(input: &[f32], starts: &[usize], n: usize, step: usize, run: usize) {
    let last = starts.iter().max().copied().unwrap_or(0);
    let end = (n.max(1) - 1)
        .checked_mul(step)
        .and_then(|r| r.checked_add(last)?.checked_add(run));
    assert!(
        starts.is_empty() || end.is_some_and(|r| r <= input.len()),
        "the row reads past its input"
    );
}
