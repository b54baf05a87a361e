//! Computes steps whose inputs are all constants. In: a network. Out: one with their results as
//! constants.

use crate::error::Error;
use crate::exec::buffer_pool::BufferPool;
use crate::model::Model;
use crate::ops::context::OpContext;
use crate::tensor::Value;

/// Constants that were read for the last time are freed at once.
///
/// # Errors
/// [`Error`] naming the step that cannot be computed.
pub(super) fn run(model: &mut Model) -> Result<(), Error> {
    let buffers = BufferPool::default();
    let mut use_counts = model.use_counts();
    let mut kept = Vec::with_capacity(model.steps.len());
    for step in std::mem::take(&mut model.steps) {
        let read = || step.inputs.iter().flatten();
        if !read().all(|v| model.constants.contains_key(v)) {
            kept.push(step);
            continue;
        }
        let inputs: Vec<Option<&Value>> = step
            .inputs
            .iter()
            .map(|v| v.and_then(|v| model.constants.get(&v)))
            .collect();
        let context = OpContext {
            inputs: &inputs,
            buffers: &buffers,
            limits: &model.limits,
        };
        let results = step
            .op
            .run(&context)
            .map_err(|e| e.at(&step.name, step.op.name()))?;
        for value in read() {
            use_counts[*value] -= 1;
            if use_counts[*value] == 0 {
                model.constants.remove(value);
            }
        }
        for (number, value) in step.outputs.iter().zip(results) {
            model.constants.insert(*number, value);
        }
    }
    model.steps = kept;
    Ok(())
}
