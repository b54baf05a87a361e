//! Removes Identity steps. In: a network. Out: one whose steps read the original instead of the
//! copy.

use std::collections::HashMap;

use crate::model::Model;
use crate::ops::Op;

pub(super) fn run(model: &mut Model) {
    let mut instead: HashMap<usize, usize> = HashMap::new();
    model.steps.retain_mut(|step| {
        for input in step.inputs.iter_mut().flatten() {
            if let Some(original) = instead.get(input) {
                *input = *original;
            }
        }
        match (&step.op, step.inputs.first(), step.outputs.first()) {
            (Op::Identity, Some(Some(original)), Some(copy)) => {
                instead.insert(*copy, *original);
                false
            }
            _ => true,
        }
    });
    for output in &mut model.output_values {
        if let Some(original) = instead.get(output) {
            *output = *original;
        }
    }
}
