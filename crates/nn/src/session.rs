//! A network at work. In: named tensors. Out: named tensors.
//! Knows the order of the steps and when a value is no longer needed, not what a step computes.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::error::Error;
use crate::graph::{Dim, Model, Port, Step};
use crate::island::{self, Island};
use crate::ops::{Op, Work};
use crate::photo::{Photo, Source};
use crate::tensor::{Tensor, Value, elements};

/// Buffers kept for the next run; a network in flight needs about this many at once.
const KEPT_BUFFERS: usize = 64;

/// A model ready to run from many threads at once.
///
/// # Example
/// ```no_run
/// use fusiform_nn::{Limits, Model, Session, Tensor};
/// let bytes = std::fs::read("detector.onnx")?;
/// let session = Session::new(Model::from_bytes(&bytes, &Limits::default())?)?;
/// let image = Tensor::new(vec![1, 3, 320, 320], vec![0.0; 3 * 320 * 320])?;
/// let outputs = session.run(&[("input", &image)])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    model: Model,
    islands: Vec<Island>,
    /// For each step, the values that no later step reads.
    dead_after: Vec<Vec<usize>>,
    pool: Pool,
}

/// What dense layers multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Numbers as the file has them.
    #[default]
    Float32,
    /// Eight bits where that is faster: weights are rounded once, the numbers of each row by their own extremes.
    Int8,
}

/// A name that means no [`Precision`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("precision {0:?} is unknown; it is \"float32\" or \"int8\"")]
pub struct UnknownPrecision(String);

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::Float32 => "float32",
            Precision::Int8 => "int8",
        })
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Precision, UnknownPrecision> {
        [Precision::Float32, Precision::Int8]
            .into_iter()
            .find(|p| p.to_string() == name)
            .ok_or_else(|| UnknownPrecision(name.into()))
    }
}

/// What one step of a network took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTime {
    /// Name of the node, as in the file.
    pub name: String,
    /// Its operator.
    pub operator: &'static str,
    /// Shape of its weights, if it has any.
    pub weights: Vec<usize>,
    /// Wall-clock nanoseconds.
    pub nanos: u64,
    /// Multiplications and additions of convolutions and matrix products.
    pub flop: u64,
    /// What it multiplies.
    pub precision: Precision,
}

/// Buffers of earlier results, to be used again.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    free: Mutex<Vec<Vec<f32>>>,
}

impl Pool {
    /// A buffer of `len` floats whose content is unspecified but initialised.
    pub(crate) fn take(&self, len: usize) -> Vec<f32> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = free
            .iter()
            .enumerate()
            .filter(|(_, buffer)| buffer.capacity() >= len)
            .min_by_key(|(_, buffer)| buffer.capacity())
            .map(|(position, _)| position);
        let mut buffer = match fits {
            Some(position) => free.swap_remove(position),
            None => Vec::new(),
        };
        drop(free);
        buffer.resize(len, 0.0);
        buffer
    }

    pub(crate) fn give(&self, buffer: Vec<f32>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT_BUFFERS {
            free.push(buffer);
        }
    }
}

impl Session {
    /// Packs the weights for the instruction set in force.
    ///
    /// # Errors
    /// [`Error`] if weights do not fit their operator.
    pub fn new(model: Model) -> Result<Session, Error> {
        Session::with_precision(model, Precision::default())
    }

    /// As [`Session::new`], but says what dense layers multiply.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn with_precision(mut model: Model, precision: Precision) -> Result<Session, Error> {
        island::gather(&mut model);
        for step in &mut model.steps {
            if let Op::Conv(conv) = &mut step.op {
                conv.pack(&step.inputs, &model.constants)
                    .map_err(|e| e.at(&step.name, "Conv"))?;
            }
        }
        let mut last_use = vec![None; model.n_values];
        for (position, step) in model.steps.iter().enumerate() {
            for value in step.inputs.iter().flatten().chain(&step.outputs) {
                last_use[*value] = Some(position);
            }
        }
        for value in &model.output_values {
            last_use[*value] = None;
        }
        let mut dead_after = vec![Vec::new(); model.steps.len()];
        for (value, position) in last_use.iter().enumerate() {
            if let Some(position) = position {
                dead_after[*position].push(value);
            }
        }
        Ok(Session {
            islands: island::find(&model, precision),
            model,
            dead_after,
            pool: Pool::default(),
        })
    }

    /// What must be put in.
    pub fn inputs(&self) -> &[Port] {
        self.model.inputs()
    }

    /// What comes out.
    pub fn outputs(&self) -> &[Port] {
        self.model.outputs()
    }

    /// Runs the network once.
    ///
    /// Called on a thread of a rayon pool, it shares the rows of large layers out among those threads of the pool that
    /// no other run in this process takes: one photo gets all of them, many photos one each. The numbers are the same.
    ///
    /// # Errors
    /// [`Error`] if an input is missing, unknown or of the wrong shape, or if a result would be larger than the limits
    /// of the model; the message names node, operator and shape.
    pub fn run(&self, inputs: &[(&str, &Tensor)]) -> Result<Vec<(String, Tensor)>, Error> {
        self.run_told(&sources(inputs), None)
    }

    /// As [`Session::run`], of photos: a first layer on the fast path reads their bytes, and no planes are made.
    ///
    /// # Errors
    /// As [`Session::run`]; also if a photo has not the bytes that its size says, or another canvas than the first.
    pub fn run_photos(
        &self,
        input: &str,
        photos: &[Photo],
    ) -> Result<Vec<(String, Tensor)>, Error> {
        let canvas = photos.first().map_or([0, 0], |p| p.canvas);
        if let Some(photo) = photos.iter().find(|p| !p.fits(canvas)) {
            return Err(Error::shape(format!(
                "a photo of {} bytes and size {:?} on a canvas of {:?} in a batch of canvas {canvas:?}",
                photo.rgb.len(),
                photo.size,
                photo.canvas
            )));
        }
        self.run_told(&[(input, Source::Photos(photos))], None)
    }

    /// Runs the network once and says what each step took, in running order.
    ///
    /// A step that was fused into another has no line of its own; the clock's own time, about 50 ns a row, is counted.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn profile(&self, inputs: &[(&str, &Tensor)]) -> Result<Vec<StepTime>, Error> {
        let mut nanos = vec![(0, 0); self.model.steps.len()];
        self.run_told(
            &sources(inputs),
            Some(&mut |step, took, flop| nanos[step] = (took, flop)),
        )?;
        let told = self.model.steps.iter().zip(nanos).enumerate();
        let line = |(place, (step, (nanos, flop))): (usize, (&Step, (u64, u64)))| StepTime {
            precision: self.precision_of(place),
            name: step.name.clone(),
            operator: step.op.name(),
            weights: step.weights(&self.model.constants),
            nanos,
            flop,
        };
        Ok(told.map(line).collect())
    }

    fn run_told(
        &self,
        inputs: &[(&str, Source)],
        mut told: Option<&mut dyn FnMut(usize, u64, u64)>,
    ) -> Result<Vec<(String, Tensor)>, Error> {
        let model = &self.model;
        let turn = Turn::begin();
        let n_bands = if told.is_some() { 1 } else { turn.n_threads() };
        let mut values: Vec<Option<Value>> = vec![None; model.n_values];
        let mut given: Vec<Option<Source>> = vec![None; model.n_values];
        for (name, source) in inputs {
            let position = model.inputs().iter().position(|port| port.name == *name);
            let Some(position) = position else {
                let known: Vec<&str> = model.inputs().iter().map(|p| &*p.name).collect();
                return Err(Error::shape(format!(
                    "no input {name:?}; there are {known:?}"
                )));
            };
            check_input(&model.inputs()[position], &source.shape())?;
            given[model.input_values[position]] = Some(*source);
        }
        for (port, value) in model.inputs().iter().zip(&model.input_values) {
            if given[*value].is_none() {
                return Err(Error::shape(format!("input {:?} is missing", port.name)));
            }
        }
        let mut position = 0;
        while position < model.steps.len() {
            if let Some(island) = self.islands.iter().find(|i| i.steps.start == position) {
                let told = told
                    .as_mut()
                    .map(|t| &mut **t as &mut dyn FnMut(usize, u64, u64));
                let max = model.limits.max_tensor_elements;
                if let Some(results) = island.run(&given, &values, max, n_bands, told) {
                    for (number, tensor) in results {
                        values[number] = Some(Value::Float(tensor));
                    }
                    for step in island.steps.clone() {
                        self.free(step, &mut values);
                    }
                    position = island.steps.end;
                    continue;
                }
            }
            let step = &model.steps[position];
            // Only a step off the fast path needs an input as a value of its own.
            for value in step.inputs.iter().flatten() {
                if let (Some(source), None) = (given[*value], &values[*value]) {
                    values[*value] = source.tensor().map(Value::Float);
                }
            }
            let name = step.op.name();
            let begin = told.is_some().then(Instant::now);
            let mut read = Vec::with_capacity(step.inputs.len());
            for input in &step.inputs {
                read.push(
                    input.and_then(|v| values[v].as_ref().or_else(|| model.constants.get(&v))),
                );
            }
            let work = Work {
                inputs: &read,
                pool: &self.pool,
                limits: &model.limits,
            };
            let written = step.op.run(&work).map_err(|e| e.at(&step.name, name))?;
            for (value, number) in written.into_iter().zip(&step.outputs) {
                if elements(value.shape()).is_none_or(|n| n > model.limits.max_tensor_elements) {
                    let shape = value.shape();
                    return Err(Error::too_large(format!("result {shape:?}")).at(&step.name, name));
                }
                values[*number] = Some(value);
            }
            if let (Some(told), Some(begin)) = (&mut told, begin) {
                let weights = step.weights(&model.constants);
                let out = step.outputs.first().and_then(|v| values[*v].as_ref());
                let n_out = out.and_then(|v| elements(v.shape())).unwrap_or(0);
                let depth = match weights[..] {
                    [] => 0,
                    _ => weights.iter().skip(1).product::<usize>(),
                };
                let nanos = begin.elapsed().as_nanos() as u64;
                told(position, nanos, 2 * (n_out * depth) as u64);
            }
            self.free(position, &mut values);
            position += 1;
        }
        let mut outputs = Vec::with_capacity(model.output_values.len());
        for (port, number) in model.outputs().iter().zip(&model.output_values) {
            if let Some(tensor) = given[*number].and_then(|source| source.tensor()) {
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
}

impl Session {
    fn precision_of(&self, step: usize) -> Precision {
        match self.islands.iter().any(|i| i.is_in_eight_bits(step)) {
            true => Precision::Int8,
            false => Precision::Float32,
        }
    }

    /// Gives up the values that no step after this one reads.
    fn free(&self, position: usize, values: &mut [Option<Value>]) {
        for value in &self.dead_after[position] {
            if let Some(Value::Float(tensor)) = values[*value].take() {
                self.pool.give(tensor.into_data());
            }
        }
    }
}

/// Runs under way in this process.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// One of them, as long as it lives.
struct Turn {
    runs: usize,
}

impl Turn {
    fn begin() -> Turn {
        Turn {
            runs: RUNS.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }

    /// A fair share of the current pool's threads; one outside of a pool.
    fn n_threads(&self) -> usize {
        match rayon::current_thread_index() {
            Some(_) => (rayon::current_num_threads() / self.runs).max(1),
            None => 1,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        RUNS.fetch_sub(1, Ordering::Relaxed);
    }
}

fn sources<'a>(inputs: &[(&'a str, &'a Tensor)]) -> Vec<(&'a str, Source<'a>)> {
    let source = |(name, tensor): &(&'a str, &'a Tensor)| (*name, Source::Tensor(tensor));
    inputs.iter().map(source).collect()
}

fn check_input(port: &Port, shape: &[usize]) -> Result<(), Error> {
    let fits = |(wanted, got): (&Dim, &usize)| match wanted {
        // A batch of one in the file is an exporter's habit; any batch is tried.
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
