//! Quantization for the filter. In: f32 vectors and queries. Out: integer codes, with bounds on
//! what rounding took away. Knows nothing of owners, slots or searches.

/// The step of 16 levels with the least mean squared error for normally distributed values of
/// variance 1 (Max, "Quantizing for minimum distortion", 1960).
const NORMAL_STEP: f32 = 0.3352;

/// A vector quantized to 16 levels.
pub(super) struct Quantized {
    /// 0 to 15 each; `u` stands for `scale · (2·u − 15)`.
    pub(super) codes: Vec<u8>,
    /// Half the quantization step.
    pub(super) scale: f32,
    /// No less than the norm of the quantization error.
    pub(super) error: f32,
}

impl Quantized {
    /// The better of two steps: one that reaches the largest value, one for normal distributions.
    pub(super) fn new(vector: &[f32]) -> Quantized {
        let by_norm = NORMAL_STEP * norm(vector) / (vector.len() as f32).sqrt();
        let [a, b] = [largest(vector) / 7.5, by_norm].map(|step| Quantized::by_step(vector, step));
        if b.error < a.error { b } else { a }
    }

    fn by_step(vector: &[f32], step: f32) -> Quantized {
        let scale = step / 2.0;
        // Values beyond the range are clamped; truncation rounds down, since all are positive.
        let code = |v: &f32| (v / step + 8.0).clamp(0.0, 15.0) as u8;
        let codes: Vec<u8> = vector.iter().map(code).collect();
        let values = codes.iter().map(|u| f64::from(2 * i16::from(*u) - 15));
        let error = distance(vector, values, scale);
        Quantized {
            codes,
            scale,
            error,
        }
    }
}

/// Queries, quantized to the most bits for which no i32 sum of products overflows.
pub(super) struct QuantizedQueries {
    /// Rows padded with zeros to whole blocks.
    pub(super) codes: Vec<i16>,
    /// Of each query: fifteen times the sum of its codes.
    middles: Vec<i32>,
    scales: Vec<f32>,
    /// Of each query: no less than its norm.
    norms: Vec<f32>,
    /// Of each query: no less than what its own quantization and the rounding of floating-point
    /// sums can come to.
    slacks: Vec<f32>,
}

/// How a sum of products bounds a similarity: it lies within `norm · error + slack` of
/// `scale · (scale of the vector) · (2 · sum − middle)`.
pub(super) struct Bound {
    pub(super) middle: i32,
    pub(super) scale: f32,
    pub(super) norm: f32,
    pub(super) slack: f32,
}

impl QuantizedQueries {
    /// `max_norm` is no less than the norm of any vector that the queries meet.
    pub(super) fn new(
        queries: &[&[f32]],
        dimensions: usize,
        code_length: usize,
        max_norm: f32,
    ) -> QuantizedQueries {
        let most = (i32::MAX as usize / (30 * dimensions)).clamp(1, 32_767) as f32;
        let mut all = QuantizedQueries {
            codes: Vec::with_capacity(queries.len() * code_length),
            middles: Vec::new(),
            scales: Vec::new(),
            norms: Vec::new(),
            slacks: Vec::new(),
        };
        for query in queries {
            let scale = largest(query) / most;
            let start = all.codes.len();
            let codes = query.iter().map(|v| rounded(v / scale, most) as i16);
            all.codes.extend(codes);
            let values = all.codes[start..].iter();
            let error = distance(query, values.clone().map(|v| f64::from(*v)), scale);
            let sum: i32 = values.map(|v| i32::from(*v)).sum();
            all.middles.push(15 * sum);
            all.codes.resize(start + code_length, 0);
            let norm = norm(query);
            // Each addition of the sums, and each step from a sum to a bound, may be off by half a
            // unit in the last place of a number no larger than the product of the norms; twice
            // that covers those of `dot::f32` too.
            let steps = (2 * dimensions + 32) as f32 * f32::EPSILON;
            all.scales.push(scale);
            all.norms.push(norm);
            let underflow = f32::MIN_POSITIVE;
            all.slacks
                .push((error + norm * steps) * max_norm + underflow);
        }
        all
    }

    pub(super) fn bound(&self, query: usize) -> Bound {
        Bound {
            middle: self.middles[query],
            scale: self.scales[query],
            norm: self.norms[query],
            slack: self.slacks[query],
        }
    }
}

fn largest(vector: &[f32]) -> f32 {
    vector.iter().fold(0.0, |most, v| most.max(v.abs()))
}

/// To the nearest integer from `-most` to `most`; without SSE4.1 `round` would be a function call.
fn rounded(value: f32, most: f32) -> i32 {
    (value + 0.5f32.copysign(value)).clamp(-most - 0.5, most + 0.5) as i32
}

/// No less than the norm of a vector.
pub(super) fn norm(vector: &[f32]) -> f32 {
    let squares: f64 = vector.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
    rounded_up(squares.sqrt())
}

/// No less than the distance between a vector and `scale` times its codes.
fn distance(vector: &[f32], codes: impl Iterator<Item = f64>, scale: f32) -> f32 {
    let squares: f64 = vector
        .iter()
        .zip(codes)
        .map(|(v, q)| f64::from(*v) - f64::from(scale) * q)
        .map(|e| e * e)
        .sum();
    rounded_up(squares.sqrt())
}

/// Adds far more than the f64 sum lost, and enough that rounding to f32 does not go below.
fn rounded_up(length: f64) -> f32 {
    (length * (1.0 + 1e-6)) as f32
}
