//! Sessions: a network that runs. In: named tensors or images. Out: named tensors.
//! Knows the order of the steps and when a value is no longer needed, not what a step computes.

use std::time::Instant;

use super::buffer_pool::BufferPool;
use super::fused::{self, FusedPartition, StepObserver};
use super::run_guard::RunGuard;
use crate::error::Error;
use crate::model::Model;
use crate::ops::Op;
use crate::ops::context::OpContext;
use crate::port::{Dim, Port};
use crate::precision::Precision;
use crate::rgb_input::{InputData, RgbInput};
use crate::tensor::{Tensor, Value, elements};

/// A network whose weights are packed; many threads may run it at once.
///
/// It keeps each weight once: packed for the kernels of the instruction set that
/// [`fusiform_kernels::cpu::chosen`] gives when it is made. Buffers of earlier runs are reused.
///
/// # Example
/// ```no_run
/// use fusiform_nn::{Limits, Model, Session, Tensor};
/// let session = Session::new(Model::open("detector.onnx".as_ref(), &Limits::default())?)?;
/// let image = Tensor::new(vec![1, 3, 320, 320], vec![0.0; 3 * 320 * 320])?;
/// for (name, tensor) in session.run(&[("input", &image)])? {
///     println!("{name} {:?}", tensor.shape());
/// }
/// # Ok::<(), fusiform_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Session {
    /// Its weights are in the operators and partitions, no longer among the constants.
    model: Model,
    partitions: Vec<FusedPartition>,
    /// For each step the shape of its weights; empty without any.
    weight_shapes: Vec<Vec<usize>>,
    /// For each step the values that no later step reads.
    dead_after: Vec<Vec<usize>>,
    buffers: BufferPool,
}

/// The time of one step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTime {
    /// Name of the node, as in the file.
    pub name: String,
    /// Its operator.
    pub operator: &'static str,
    /// Shape of its weights; empty without any.
    pub weights: Vec<usize>,
    /// Wall-clock nanoseconds.
    pub nanos: u64,
    /// Multiplications and additions of convolutions and matrix products.
    pub flop: u64,
    /// The numbers that it multiplies.
    pub precision: Precision,
}

impl Session {
    /// Packs the weights of a model, in float32.
    ///
    /// # Errors
    /// [`Error`] if weights do not fit their operator.
    pub fn new(model: Model) -> Result<Session, Error> {
        Session::with_precision(model, Precision::default())
    }

    /// Packs the weights of a model for dense layers of this precision.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn with_precision(mut model: Model, precision: Precision) -> Result<Session, Error> {
        let mut use_counts = model.use_counts();
        fused::reorder(&mut model);
        // Before the weights leave the constants.
        let steps = model.steps.iter();
        let weight_shapes = steps.map(|s| s.weight_shape(&model.constants)).collect();
        let partitions = fused::partition(&mut model, &mut use_counts, precision)?;
        let is_fused = |at: usize| partitions.iter().any(|p| p.steps().contains(&at));
        for at in 0..model.steps.len() {
            if is_fused(at) || !matches!(model.steps[at].op, Op::Conv(_)) {
                continue;
            }
            let weight = model.steps[at].input(1);
            let is_constant = |v: &usize| model.constants.contains_key(v);
            let Some(value) = weight.filter(is_constant) else {
                continue;
            };
            let weight = model.take_float_constant(value, &mut use_counts);
            let step = &mut model.steps[at];
            if let Op::Conv(conv) = &mut step.op {
                let weight = weight.ok_or_else(|| Error::shape("integers as weights"));
                weight
                    .and_then(|weight| conv.set_weights(&weight))
                    .map_err(|e| e.at(&step.name, "Conv"))?;
            }
        }
        Ok(Session {
            dead_after: dead_after(&model),
            partitions,
            weight_shapes,
            model,
            buffers: BufferPool::default(),
        })
    }

    /// The inputs that a run must be given.
    pub fn inputs(&self) -> &[Port] {
        self.model.inputs()
    }

    /// The outputs that a run returns, in this order.
    pub fn outputs(&self) -> &[Port] {
        self.model.outputs()
    }

    /// Runs the network once.
    ///
    /// On a thread of a rayon pool, the rows of large layers are shared among the threads of the
    /// pool that no other run in this process uses: a single run gets all of them, many runs at
    /// once get one each. On any other thread the run takes that thread alone. The numbers are the
    /// same.
    ///
    /// # Errors
    /// [`Error`] if an input is missing, unknown or of the wrong shape, or if a result would be
    /// larger than the limits of the model; the message names node, operator and shape.
    pub fn run(&self, inputs: &[(&str, &Tensor)]) -> Result<Vec<(String, Tensor)>, Error> {
        self.run_observed(&tensor_inputs(inputs), None)
    }

    /// Runs the network on RGB bytes: as [`Session::run`] on [`RgbInput::planes`], but a fused
    /// first layer reads the bytes, and no planes are made.
    ///
    /// # Errors
    /// As [`Session::run`]; also if an image has not the bytes that its size states, or another
    /// canvas than the first.
    pub fn run_images(
        &self,
        input: &str,
        images: &[RgbInput],
    ) -> Result<Vec<(String, Tensor)>, Error> {
        let canvas = images.first().map_or([0, 0], |p| p.canvas);
        if let Some(image) = images.iter().find(|p| !p.fits(canvas)) {
            return Err(Error::shape(format!(
                "an image of {} bytes and size {:?} on a canvas of {:?} in a batch of canvas \
                 {canvas:?}",
                image.rgb.len(),
                image.size,
                image.canvas
            )));
        }
        self.run_observed(&[(input, InputData::Images(images))], None)
    }

    /// Runs the network once, on one thread, and gives the time of each step in running order.
    ///
    /// A step that was fused into another has no entry. Reading the clock, about 50 ns a row, is
    /// included.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn profile(&self, inputs: &[(&str, &Tensor)]) -> Result<Vec<StepTime>, Error> {
        let mut measured = vec![(0, 0); self.model.steps.len()];
        self.run_observed(
            &tensor_inputs(inputs),
            Some(&mut |step, nanos, flop| measured[step] = (nanos, flop)),
        )?;
        let steps = self.model.steps.iter().zip(measured).enumerate();
        let times = steps.map(|(at, (step, (nanos, flop)))| StepTime {
            precision: match self.partitions.iter().any(|p| p.is_int8(at)) {
                true => Precision::Int8,
                false => Precision::Float32,
            },
            name: step.name.clone(),
            operator: step.op.name(),
            weights: self.weight_shapes[at].clone(),
            nanos,
            flop,
        });
        Ok(times.collect())
    }

    fn run_observed(
        &self,
        inputs: &[(&str, InputData)],
        mut observer: Option<StepObserver>,
    ) -> Result<Vec<(String, Tensor)>, Error> {
        let model = &self.model;
        let guard = RunGuard::begin();
        let n_threads = match observer {
            Some(_) => 1,
            None => guard.n_threads(),
        };
        let given = self.checked(inputs)?;
        let mut values: Vec<Option<Value>> = vec![None; model.n_values];
        let mut at = 0;
        while at < model.steps.len() {
            let Some(partition) = self.partitions.iter().find(|p| p.steps().start == at) else {
                let op = &model.steps[at].op;
                self.run_step(at, op, &given, &mut values, reborrow(&mut observer))?;
                at += 1;
                continue;
            };
            let max = model.limits.max_tensor_elements;
            let observer_here = reborrow(&mut observer);
            match partition.run(&given, &values, max, n_threads, observer_here) {
                Some(results) => {
                    for (number, tensor) in results {
                        values[number] = Some(Value::Float(tensor));
                    }
                    partition
                        .steps()
                        .for_each(|step| self.free(step, &mut values));
                }
                None => {
                    let ops = partition.unfused_ops(&model.steps)?;
                    for (step, op) in partition.steps().zip(ops) {
                        self.run_step(step, op, &given, &mut values, reborrow(&mut observer))?;
                    }
                }
            }
            at = partition.steps().end;
        }
        let mut outputs = Vec::with_capacity(model.output_values.len());
        for (port, number) in model.outputs().iter().zip(&model.output_values) {
            if let Some(tensor) = given[*number].and_then(|input| input.tensor()) {
                outputs.push((port.name.clone(), tensor));
                continue;
            }
            let value = values[*number]
                .as_ref()
                .or_else(|| model.constants.get(number));
            let value = value.ok_or_else(|| {
                Error::malformed(format!("output {:?} was not computed", port.name))
            })?;
            outputs.push((port.name.clone(), value.float()?.clone()));
        }
        Ok(outputs)
    }

    /// The inputs of a run by the numbers of their values; every port once, of a fitting shape.
    fn checked<'i>(
        &self,
        inputs: &[(&str, InputData<'i>)],
    ) -> Result<Vec<Option<InputData<'i>>>, Error> {
        let model = &self.model;
        let mut given: Vec<Option<InputData>> = vec![None; model.n_values];
        for (name, input) in inputs {
            let position = model.inputs().iter().position(|port| port.name == *name);
            let Some(position) = position else {
                let known: Vec<&str> = model.inputs().iter().map(|p| &*p.name).collect();
                return Err(Error::shape(format!(
                    "no input {name:?}; there are {known:?}"
                )));
            };
            check_shape(&model.inputs()[position], &input.shape())?;
            given[model.input_values[position]] = Some(*input);
        }
        for (port, value) in model.inputs().iter().zip(&model.input_values) {
            if given[*value].is_none() {
                return Err(Error::shape(format!("input {:?} is missing", port.name)));
            }
        }
        Ok(given)
    }

    /// Runs one step that is not fused.
    fn run_step(
        &self,
        at: usize,
        op: &Op,
        given: &[Option<InputData>],
        values: &mut [Option<Value>],
        observer: Option<StepObserver>,
    ) -> Result<(), Error> {
        let model = &self.model;
        let step = &model.steps[at];
        // Inputs of the model become values only here: fused steps read them where they are.
        for value in step.inputs.iter().flatten() {
            if let (Some(input), None) = (given[*value], &values[*value]) {
                values[*value] = input.tensor().map(Value::Float);
            }
        }
        let begin = observer.is_some().then(Instant::now);
        let read = step.inputs.iter().map(|input| {
            input.and_then(|v| values[v].as_ref().or_else(|| model.constants.get(&v)))
        });
        let read: Vec<Option<&Value>> = read.collect();
        let context = OpContext {
            inputs: &read,
            buffers: &self.buffers,
            limits: &model.limits,
        };
        let written = op.run(&context).map_err(|e| e.at(&step.name, op.name()))?;
        for (value, number) in written.into_iter().zip(&step.outputs) {
            if elements(value.shape()).is_none_or(|n| n > model.limits.max_tensor_elements) {
                let shape = value.shape();
                let error = Error::too_large(format!("result {shape:?}"));
                return Err(error.at(&step.name, op.name()));
            }
            values[*number] = Some(value);
        }
        if let (Some(observe), Some(begin)) = (observer, begin) {
            let out = step.outputs.first().and_then(|v| values[*v].as_ref());
            let n_out = out.and_then(|v| elements(v.shape())).unwrap_or(0);
            let depth = match self.weight_shapes[at][..] {
                [] => 0,
                [_, ref rest @ ..] => rest.iter().product::<usize>(),
            };
            let nanos = begin.elapsed().as_nanos() as u64;
            observe(at, nanos, 2 * (n_out * depth) as u64);
        }
        self.free(at, values);
        Ok(())
    }

    /// Gives back the buffers of values that no step after this one reads.
    fn free(&self, step: usize, values: &mut [Option<Value>]) {
        for value in &self.dead_after[step] {
            if let Some(Value::Float(tensor)) = values[*value].take() {
                self.buffers.give(tensor.into_data());
            }
        }
    }
}

/// An observer that can be passed on and used again.
fn reborrow<'a>(observer: &'a mut Option<StepObserver>) -> Option<StepObserver<'a>> {
    observer.as_mut().map(|o| &mut **o as StepObserver)
}

/// For each step the values that no later step and no output reads.
fn dead_after(model: &Model) -> Vec<Vec<usize>> {
    let mut last_use = vec![None; model.n_values];
    for (at, step) in model.steps.iter().enumerate() {
        for value in step.inputs.iter().flatten().chain(&step.outputs) {
            last_use[*value] = Some(at);
        }
    }
    for value in &model.output_values {
        last_use[*value] = None;
    }
    let mut dead_after = vec![Vec::new(); model.steps.len()];
    for (value, step) in last_use.iter().enumerate() {
        if let Some(step) = step {
            dead_after[*step].push(value);
        }
    }
    dead_after
}

fn tensor_inputs<'a>(inputs: &[(&'a str, &'a Tensor)]) -> Vec<(&'a str, InputData<'a>)> {
    let input = |(name, tensor): &(&'a str, &'a Tensor)| (*name, InputData::Tensor(tensor));
    inputs.iter().map(input).collect()
}

fn check_shape(port: &Port, shape: &[usize]) -> Result<(), Error> {
    let fits = |(wanted, got): (&Dim, &usize)| match wanted {
        // The batch is not compared below: exporters often write 1 where any batch would do.
        Dim::Fixed(size) => size == got,
        Dim::Any => *got > 0,
    };
    let same_rank = port.shape.is_empty() || port.shape.len() == shape.len();
    let batched = port.shape.iter().zip(shape).skip(1).all(fits);
    if same_rank && batched && !shape.contains(&0) {
        return Ok(());
    }
    Err(Error::shape(format!(
        "input {:?} has shape {shape:?}, the model wants {:?}",
        port.name, port.shape
    )))
}
