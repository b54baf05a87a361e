//! Optimisation before a network runs. In: a checked network. Out: one with fewer steps and the
//! same results. Each pass is a file; their order matters and is here. Knows nothing of instruction
//! sets or of packed weights.

mod drop_identities;
mod fold_batch_norms;
mod fold_constants;
mod fuse_epilogues;
mod merge_sibling_convs;

use crate::error::Error;
use crate::model::Model;

/// Runs every pass.
///
/// # Errors
/// [`Error`] if a step that reads constants only cannot be computed.
pub(crate) fn optimize(model: &mut Model) -> Result<(), Error> {
    drop_identities::run(model);
    fold_constants::run(model)?;
    fold_batch_norms::run(model)?;
    fuse_epilogues::run(model);
    merge_sibling_convs::run(model);
    drop_unused_constants(model);
    Ok(())
}

/// Frees constants that no step reads any more.
fn drop_unused_constants(model: &mut Model) {
    let counts = model.use_counts();
    model.constants.retain(|value, _| counts[*value] > 0);
}
