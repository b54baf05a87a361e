//! The operators. In: values. Out: values. One file per family of operators. Attributes are read
//! when the model is loaded, so that one that would be ignored is refused before anything runs.
//! Knows nothing of graphs; `docs/adding-an-operator.md` is the recipe for a new one.

pub(crate) mod arithmetic;
mod attributes;
mod axis;
pub(crate) mod context;
pub(crate) mod conv;
pub(crate) mod geometry;
mod layout;
mod matmul;
pub(crate) mod pool;
pub(crate) mod resize;
mod shapes;

use fusiform_kernels::epilogue::Activation;

use crate::error::Error;
use crate::onnx::{Attribute, Node};
use crate::tensor::{Tensor, Value};
use attributes::Attributes;
use context::OpContext;

/// An operator with its attributes.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Conv(conv::Conv),
    BatchNorm {
        epsilon: f32,
    },
    Relu,
    LeakyRelu {
        slope: f32,
    },
    PRelu,
    Clip {
        low: f32,
        high: f32,
    },
    Unary(arithmetic::Unary),
    Add,
    Binary(arithmetic::Binary),
    Softmax {
        axis: i64,
        flatten: bool,
    },
    Pool(pool::Window),
    GlobalAverage,
    ReduceMean {
        axes: Option<Vec<i64>>,
        keep: bool,
    },
    Resize(resize::Resize),
    Concat {
        axis: i64,
    },
    Split {
        axis: i64,
        parts: Option<Vec<i64>>,
        n: usize,
    },
    Reshape {
        allow_zero: bool,
    },
    Transpose {
        order: Option<Vec<i64>>,
    },
    Flatten {
        axis: i64,
    },
    Squeeze {
        axes: Option<Vec<i64>>,
    },
    Unsqueeze {
        axes: Option<Vec<i64>>,
    },
    Slice(Option<layout::Bounds>),
    Gather {
        axis: i64,
    },
    Pad {
        pads: Option<Vec<i64>>,
        value: f32,
    },
    Expand,
    Shape {
        start: i64,
        end: Option<i64>,
    },
    ConstantOfShape {
        value: Option<Value>,
    },
    Constant(Value),
    Cast {
        to_float: bool,
    },
    Gemm {
        alpha: f32,
        beta: f32,
        a_transposed: bool,
        b_transposed: bool,
    },
    MatMul,
    Identity,
}

impl Op {
    /// Reads a node's operator and attributes.
    ///
    /// # Errors
    /// [`Error`] for an operator or attribute that is not supported.
    pub(crate) fn read(
        node: &Node,
        attributes: Vec<(String, Attribute)>,
        opset: i64,
    ) -> Result<Op, Error> {
        if !matches!(&*node.domain, "" | "ai.onnx") {
            let domain = &node.domain;
            return Err(Error::unsupported(format!(
                "operators of domain {domain:?} are not covered"
            )));
        }
        let mut a = Attributes::new(attributes);
        let op = match &*node.op {
            "Conv" => Op::Conv(conv::Conv::read(&mut a)?),
            "BatchNormalization" => {
                a.ignore(&["momentum", "spatial", "is_test", "consumed_inputs"]);
                a.must_be("training_mode", 0)?;
                Op::BatchNorm {
                    epsilon: a.float("epsilon", 1e-5)?,
                }
            }
            "Relu" => Op::Relu,
            "LeakyRelu" => Op::LeakyRelu {
                slope: a.float("alpha", 0.01)?,
            },
            "PRelu" => Op::PRelu,
            "Clip" => Op::Clip {
                low: a.float("min", f32::NEG_INFINITY)?,
                high: a.float("max", f32::INFINITY)?,
            },
            "Add" => Op::Add,
            "Softmax" => Op::Softmax {
                axis: a.int("axis", if opset < 13 { 1 } else { -1 })?,
                flatten: opset < 13,
            },
            "MaxPool" | "AveragePool" => Op::Pool(pool::Window::read(&node.op, &mut a)?),
            "GlobalAveragePool" => Op::GlobalAverage,
            "ReduceMean" => {
                a.must_be("noop_with_empty_axes", 0)?;
                Op::ReduceMean {
                    axes: a.ints("axes")?,
                    keep: a.int("keepdims", 1)? != 0,
                }
            }
            "Resize" | "Upsample" => Op::Resize(resize::Resize::read(&node.op, opset, &mut a)?),
            "Concat" => Op::Concat {
                axis: a.int("axis", 1)?,
            },
            "Split" => {
                a.ignore(&["num_outputs"]);
                let (axis, parts) = (a.int("axis", 0)?, a.ints("split")?);
                Op::Split {
                    axis,
                    parts,
                    n: node.outputs.len(),
                }
            }
            "Reshape" => Op::Reshape {
                allow_zero: a.int("allowzero", 0)? != 0,
            },
            "Transpose" => Op::Transpose {
                order: a.ints("perm")?,
            },
            "Flatten" => Op::Flatten {
                axis: a.int("axis", 1)?,
            },
            "Squeeze" => Op::Squeeze {
                axes: a.ints("axes")?,
            },
            "Unsqueeze" => Op::Unsqueeze {
                axes: a.ints("axes")?,
            },
            "Slice" => Op::Slice(layout::Bounds::read(&mut a)?),
            "Gather" => Op::Gather {
                axis: a.int("axis", 0)?,
            },
            "Pad" => {
                a.must_be_text("mode", "constant")?;
                Op::Pad {
                    pads: a.ints("pads")?,
                    value: a.float("value", 0.0)?,
                }
            }
            "Expand" => Op::Expand,
            "Shape" => Op::Shape {
                start: a.int("start", 0)?,
                end: a.optional_int("end")?,
            },
            "ConstantOfShape" => Op::ConstantOfShape {
                value: a.tensor("value")?,
            },
            "Constant" => Op::Constant(a.constant()?),
            "Cast" => Op::Cast {
                to_float: attributes::cast_to_float(a.int("to", 1)?)?,
            },
            "Gemm" => Op::Gemm {
                alpha: a.float("alpha", 1.0)?,
                beta: a.float("beta", 1.0)?,
                a_transposed: a.int("transA", 0)? != 0,
                b_transposed: a.int("transB", 0)? != 0,
            },
            "MatMul" => Op::MatMul,
            "Identity" => Op::Identity,
            "Dropout" => {
                a.ignore(&["ratio", "seed"]);
                Op::Identity
            }
            other => match (
                arithmetic::Unary::read(other, &mut a)?,
                arithmetic::Binary::read(other),
            ) {
                (Some(unary), _) => Op::Unary(unary),
                (None, Some(binary)) => Op::Binary(binary),
                (None, None) => {
                    return Err(Error::unsupported(format!(
                        "operator {other:?} is not covered"
                    )));
                }
            },
        };
        a.refuse_rest()?;
        Ok(op)
    }

    /// The operator's name for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Op::Conv(_) => "Conv",
            Op::BatchNorm { .. } => "BatchNormalization",
            Op::Relu => "Relu",
            Op::LeakyRelu { .. } => "LeakyRelu",
            Op::PRelu => "PRelu",
            Op::Clip { .. } => "Clip",
            Op::Unary(unary) => unary.name(),
            Op::Add => "Add",
            Op::Binary(binary) => binary.name(),
            Op::Softmax { .. } => "Softmax",
            Op::Pool(_) => "Pool",
            Op::GlobalAverage => "GlobalAveragePool",
            Op::ReduceMean { .. } => "ReduceMean",
            Op::Resize(_) => "Resize",
            Op::Concat { .. } => "Concat",
            Op::Split { .. } => "Split",
            Op::Reshape { .. } => "Reshape",
            Op::Transpose { .. } => "Transpose",
            Op::Flatten { .. } => "Flatten",
            Op::Squeeze { .. } => "Squeeze",
            Op::Unsqueeze { .. } => "Unsqueeze",
            Op::Slice(_) => "Slice",
            Op::Gather { .. } => "Gather",
            Op::Pad { .. } => "Pad",
            Op::Expand => "Expand",
            Op::Shape { .. } => "Shape",
            Op::ConstantOfShape { .. } => "ConstantOfShape",
            Op::Constant(_) => "Constant",
            Op::Cast { .. } => "Cast",
            Op::Gemm { .. } => "Gemm",
            Op::MatMul => "MatMul",
            Op::Identity => "Identity",
        }
    }

    /// Computes the results.
    ///
    /// # Errors
    /// [`Error`] naming the shapes that do not fit.
    pub(crate) fn run(&self, context: &OpContext) -> Result<Vec<Value>, Error> {
        let one = |t: Tensor| vec![Value::Float(t)];
        Ok(match self {
            Op::Conv(conv) => one(conv.run(context)?),
            Op::BatchNorm { epsilon } => one(arithmetic::batch_norm(context, *epsilon)?),
            Op::Relu => one(arithmetic::map(context, |x| x.max(0.0))?),
            Op::LeakyRelu { slope } => {
                let act = Activation::Slope(*slope);
                one(arithmetic::map(context, |x| act.apply(x))?)
            }
            Op::PRelu => one(arithmetic::prelu(context)?),
            Op::Clip { low, high } => one(arithmetic::clip(context, *low, *high)?),
            Op::Unary(unary) => one(unary.run(context)?),
            Op::Add => vec![arithmetic::Binary::Add.run(context)?],
            Op::Binary(binary) => vec![binary.run(context)?],
            Op::Softmax { axis, flatten } => one(arithmetic::softmax(context, *axis, *flatten)?),
            Op::Pool(window) => one(window.run(context)?),
            Op::GlobalAverage => one(pool::global_average(context)?),
            Op::ReduceMean { axes, keep } => {
                one(pool::reduce_mean(context, axes.as_deref(), *keep)?)
            }
            Op::Resize(resize) => one(resize.run(context)?),
            Op::Concat { axis } => vec![layout::concat(context, *axis)?],
            Op::Split { axis, parts, n } => layout::split(context, *axis, parts.as_deref(), *n)?,
            Op::Reshape { allow_zero } => vec![shapes::reshape(context, *allow_zero)?],
            Op::Transpose { order } => vec![layout::transpose(context, order.as_deref())?],
            Op::Flatten { axis } => vec![shapes::flatten(context, *axis)?],
            Op::Squeeze { axes } => vec![shapes::squeeze(context, axes.as_deref())?],
            Op::Unsqueeze { axes } => vec![shapes::unsqueeze(context, axes.as_deref())?],
            Op::Slice(bounds) => vec![layout::slice(context, bounds.as_ref())?],
            Op::Gather { axis } => vec![layout::gather(context, *axis)?],
            Op::Pad { pads, value } => one(layout::pad(context, pads.as_deref(), *value)?),
            Op::Expand => one(layout::expand(context)?),
            Op::Shape { start, end } => vec![shapes::shape(context, *start, *end)?],
            Op::ConstantOfShape { value } => vec![shapes::constant(context, value.as_ref())?],
            Op::Constant(value) => vec![value.clone()],
            Op::Cast { to_float } => vec![shapes::cast(context, *to_float)?],
            Op::Gemm {
                alpha,
                beta,
                a_transposed,
                b_transposed,
            } => one(matmul::gemm(
                context,
                *alpha,
                *beta,
                *a_transposed,
                *b_transposed,
            )?),
            Op::MatMul => one(matmul::matmul(context)?),
            Op::Identity => vec![context.input(0)?.clone()],
        })
    }
}
