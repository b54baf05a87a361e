//! Fused partitions: runs of steps whose images keep their channels side by side (NHWC) and are
//! computed row by row, so that what one layer writes is still in the cache when the next one reads
//! it. In: a model. Out: partitions that run it. Knows nothing of operators one by one: steps and
//! shapes that no partition takes are left to `ops`, which is the definition.

mod candidate;
mod execute;
mod layer;
mod partition;
mod plan;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::Error;
use crate::model::{Model, Step};
use crate::ops::Op;
use crate::precision::Precision;
use crate::rgb_input::InputData;
use crate::tensor::{Tensor, Value};
pub(crate) use execute::StepObserver;
use layer::PackedWeights;
use partition::Partition;
use plan::Plan;

/// Input shapes whose plans are kept; a detector runs at a few sizes again and again.
const MAX_KEPT_PLANS: usize = 8;

/// A partition, with what it learned about shapes.
#[derive(Debug)]
pub(crate) struct FusedPartition {
    partition: Partition,
    plans: Mutex<Vec<KnownShapes>>,
    /// The steps as operators with weights, made when shapes come that no plan takes.
    unfused: OnceLock<Vec<Op>>,
}

/// Shapes of the imports, and the plan for them, if they can run fused.
type KnownShapes = (Vec<Vec<usize>>, Option<Arc<Plan>>);

/// Reorders steps so that those that can run fused follow each other.
pub(crate) fn reorder(model: &mut Model) {
    partition::reorder(model);
}

/// Packs the steps of a reordered model that can run fused. Their weights leave the model, and
/// `use_counts` counts the uses that are left.
///
/// # Errors
/// [`Error`] if constants are not of the shapes that the model's checks promise.
pub(crate) fn partition(
    model: &mut Model,
    use_counts: &mut [usize],
    precision: Precision,
) -> Result<Vec<FusedPartition>, Error> {
    let partitions = partition::find(model, use_counts, precision)?;
    let fused = |partition| FusedPartition {
        partition,
        plans: Mutex::default(),
        unfused: OnceLock::new(),
    };
    Ok(partitions.into_iter().map(fused).collect())
}

impl FusedPartition {
    /// Indices of its steps in the model.
    pub(crate) fn steps(&self) -> std::ops::Range<usize> {
        self.partition.steps.clone()
    }

    /// Whether the step at this index multiplies eight-bit numbers.
    pub(crate) fn is_int8(&self, step: usize) -> bool {
        let mut layers = self.partition.layers.iter().filter(|l| l.step == step);
        layers.any(|l| {
            l.conv()
                .is_some_and(|c| matches!(c.weights, PackedWeights::Int8(_)))
        })
    }

    /// Runs the partition and gives the values that are read outside, by number; `None` if these
    /// shapes cannot run fused.
    pub(crate) fn run(
        &self,
        given: &[Option<InputData>],
        values: &[Option<Value>],
        max_elements: usize,
        n_threads: usize,
        observer: Option<StepObserver>,
    ) -> Option<Vec<(usize, Tensor)>> {
        let mut inputs = Vec::with_capacity(self.partition.imports.len());
        for (value, _) in &self.partition.imports {
            let written = || values[*value].as_ref().and_then(|v| v.float().ok());
            inputs.push(given[*value].or_else(|| written().map(InputData::Tensor))?);
        }
        let shapes: Vec<Vec<usize>> = inputs.iter().map(InputData::shape).collect();
        let plan = self.plan(shapes, max_elements)?;
        let results = execute::execute(&self.partition, &plan, &inputs, n_threads, observer);
        Some(results)
    }

    fn plan(&self, shapes: Vec<Vec<usize>>, max_elements: usize) -> Option<Arc<Plan>> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plan)) = plans.iter().find(|(known, _)| *known == shapes) {
            return plan.clone();
        }
        let plan = Plan::new(&self.partition, &shapes, max_elements).map(Arc::new);
        if plans.len() == MAX_KEPT_PLANS {
            plans.remove(0);
        }
        plans.push((shapes, plan.clone()));
        plan
    }

    /// The operators of the partition's steps with their weights unpacked, for shapes that cannot
    /// run fused. They are kept: a model that comes here once will come again.
    ///
    /// # Errors
    /// [`Error`] if weights do not fit their operator.
    pub(crate) fn unfused_ops(&self, steps: &[Step]) -> Result<&[Op], Error> {
        if let Some(ops) = self.unfused.get() {
            return Ok(ops);
        }
        let Partition {
            steps: range,
            kernels,
            layers,
            ..
        } = &self.partition;
        let mut ops: Vec<Op> = steps[range.clone()].iter().map(|s| s.op.clone()).collect();
        for layer in layers {
            if let (Op::Conv(conv), Some(weights)) =
                (&mut ops[layer.step - range.start], layer.unpack(*kernels)?)
            {
                let step = &steps[layer.step];
                conv.set_weights(&weights)
                    .map_err(|e| e.at(&step.name, step.op.name()))?;
            }
        }
        Ok(self.unfused.get_or_init(|| ops))
    }
}
