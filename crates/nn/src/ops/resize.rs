//! Resizing of feature maps. In: an image. Out: one of another size, by nearest neighbour or
//! bilinear weights.

use super::attributes::Attributes;
use super::context::OpContext;
use crate::error::Error;
use crate::tensor::{Tensor, Value};

#[derive(Debug, Clone)]
pub(crate) struct Resize {
    linear: bool,
    coordinates: Coordinates,
    round: Round,
    /// Position of the scales and of the sizes among the inputs.
    scales_at: usize,
    sizes_at: Option<usize>,
    scales: Option<Vec<f32>>,
}

/// How output coordinates become input coordinates (ONNX Resize, `coordinate_transformation_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coordinates {
    HalfPixel,
    TorchHalfPixel,
    Asymmetric,
    AlignCorners,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
}

impl Resize {
    pub(super) fn read(op: &str, opset: i64, a: &mut Attributes) -> Result<Resize, Error> {
        let linear = match &*a.text("mode", "nearest")? {
            "nearest" => false,
            "linear" | "bilinear" => true,
            other => return Err(Error::unsupported(format!("mode {other:?}"))),
        };
        if op == "Upsample" || opset < 11 {
            let scales = a.floats("scales")?;
            let (coordinates, round) = (Coordinates::Asymmetric, Round::Floor);
            return Ok(Resize {
                linear,
                coordinates,
                round,
                scales_at: 1,
                sizes_at: None,
                scales,
            });
        }
        let coordinates = match &*a.text("coordinate_transformation_mode", "half_pixel")? {
            "half_pixel" => Coordinates::HalfPixel,
            "pytorch_half_pixel" => Coordinates::TorchHalfPixel,
            "asymmetric" => Coordinates::Asymmetric,
            "align_corners" => Coordinates::AlignCorners,
            other => return Err(Error::unsupported(format!("coordinates {other:?}"))),
        };
        let round = match &*a.text("nearest_mode", "round_prefer_floor")? {
            "round_prefer_floor" => Round::PreferFloor,
            "round_prefer_ceil" => Round::PreferCeil,
            "floor" => Round::Floor,
            "ceil" => Round::Ceil,
            other => return Err(Error::unsupported(format!("nearest_mode {other:?}"))),
        };
        a.must_be("antialias", 0)?;
        a.must_be("exclude_outside", 0)?;
        // These belong to modes that are refused above.
        a.ignore(&["cubic_coeff_a", "extrapolation_value"]);
        Ok(Resize {
            linear,
            coordinates,
            round,
            scales_at: 2,
            sizes_at: Some(3),
            scales: None,
        })
    }

    /// Whether every output pixel is a copy of an input pixel.
    pub(crate) fn is_nearest(&self) -> bool {
        !self.linear
    }

    pub(super) fn run(&self, context: &OpContext) -> Result<Tensor, Error> {
        let input = context.float(0)?;
        let [batch, channels, height, width] = input.nchw()?;
        let (out, scale) = self.target(context, [height, width])?;
        let mut result = context.result(vec![batch, channels, out[0], out[1]])?;
        let rows = self.sources(height, out[0], scale[0]);
        let columns = self.sources(width, out[1], scale[1]);
        let images = input.data().chunks_exact((height * width).max(1));
        let targets = result.data_mut().chunks_exact_mut((out[0] * out[1]).max(1));
        for (from, to) in images.zip(targets) {
            for ((y0, y1, wy), line) in rows.iter().zip(to.chunks_exact_mut(out[1])) {
                let (top, bottom) = (&from[y0 * width..][..width], &from[y1 * width..][..width]);
                for ((x0, x1, wx), to) in columns.iter().zip(line) {
                    *to = if self.linear {
                        let above = top[*x0] + (top[*x1] - top[*x0]) * wx;
                        let below = bottom[*x0] + (bottom[*x1] - bottom[*x0]) * wx;
                        above + (below - above) * wy
                    } else {
                        top[*x0]
                    };
                }
            }
        }
        Ok(result)
    }

    /// For nearest neighbour: the input row of each output row, and the input column of each output
    /// column. `None` for linear.
    pub(crate) fn nearest(
        &self,
        context: &OpContext,
        size: [usize; 2],
    ) -> Result<Option<[Vec<usize>; 2]>, Error> {
        if self.linear {
            return Ok(None);
        }
        let (out, scale) = self.target(context, size)?;
        let lines = |axis: usize| {
            let sources = self.sources(size[axis], out[axis], scale[axis]);
            sources.into_iter().map(|(first, _, _)| first).collect()
        };
        Ok(Some([lines(0), lines(1)]))
    }

    /// Size of the result, and scale along each axis.
    fn target(
        &self,
        context: &OpContext,
        size: [usize; 2],
    ) -> Result<([usize; 2], [f32; 2]), Error> {
        let scales = match context.optional(self.scales_at) {
            Some(Value::Float(t)) if !t.data().is_empty() => Some(t.data()),
            _ => self.scales.as_deref(),
        };
        if let Some(scales) = scales {
            let sane = scales.len() == 4 && scales[..2] == [1.0, 1.0];
            if !sane || scales.iter().any(|s| !(0.01..=64.0).contains(s)) {
                return Err(Error::unsupported(format!("scales {scales:?}")));
            }
            let scale = [scales[2], scales[3]];
            let side = |i: usize| (size[i] as f32 * scale[i]).floor().max(1.0) as usize;
            return Ok(([side(0), side(1)], scale));
        }
        let sizes = self.sizes_at.and_then(|at| context.optional(at));
        let sizes = sizes.ok_or_else(|| Error::malformed("neither scales nor sizes"))?;
        let sizes = &sizes.ints()?.data;
        let side = |i: usize| {
            let size = sizes.get(i).and_then(|s| usize::try_from(*s).ok());
            size.filter(|s| (1..=65_536).contains(s))
        };
        match (sizes.len(), side(2), side(3)) {
            (4, Some(h), Some(w)) => Ok((
                [h, w],
                [h as f32 / size[0] as f32, w as f32 / size[1] as f32],
            )),
            _ => Err(Error::unsupported(format!("sizes {sizes:?}"))),
        }
    }

    /// For each output line the two input lines and the weight of the second.
    fn sources(&self, size: usize, out: usize, scale: f32) -> Vec<(usize, usize, f32)> {
        let last = size.saturating_sub(1);
        let source = |i: usize| {
            let i_f = i as f32;
            match self.coordinates {
                Coordinates::HalfPixel => (i_f + 0.5) / scale - 0.5,
                Coordinates::TorchHalfPixel if out == 1 => 0.0,
                Coordinates::TorchHalfPixel => (i_f + 0.5) / scale - 0.5,
                Coordinates::Asymmetric => i_f / scale,
                Coordinates::AlignCorners if out == 1 => 0.0,
                Coordinates::AlignCorners => i_f * last as f32 / (out - 1) as f32,
            }
        };
        let line = |i: usize| {
            let position = source(i);
            if self.linear {
                let position = position.clamp(0.0, last as f32);
                let first = position.floor() as usize;
                return (first, (first + 1).min(last), position - first as f32);
            }
            let nearest = match self.round {
                Round::PreferFloor => (position - 0.5).ceil(),
                Round::PreferCeil => (position + 0.5).floor(),
                Round::Floor => position.floor(),
                Round::Ceil => position.ceil(),
            };
            let nearest = nearest.clamp(0.0, last as f32) as usize;
            (nearest, nearest, 0.0)
        };
        (0..out).map(line).collect()
    }
}
