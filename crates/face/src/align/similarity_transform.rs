//! Rotation, scale and shift. In: points and where they should go. Out: the transform that fits
//! best. Knows nothing of pixels.

use super::error::AlignError;
use crate::geometry::Point;

/// `(x, y)` to `(a x - b y + tx, b x + a y + ty)`: rotation and scale in `a` and `b`, then a shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimilarityTransform {
    /// Scale times cosine.
    pub a: f32,
    /// Scale times sine.
    pub b: f32,
    /// Shift to the right.
    pub tx: f32,
    /// Shift downwards.
    pub ty: f32,
}

impl SimilarityTransform {
    /// The transform that brings `from` nearest to `to` in the least-squares sense.
    ///
    /// In the plane Umeyama's singular value decomposition has a closed form: with both patterns
    /// centred and read as complex numbers, `a + bi = sum(conj(from) * to) / sum(|from|^2)`. It
    /// never mirrors, as Umeyama's sign matrix demands.
    ///
    /// # Errors
    /// [`AlignError::Degenerate`] if `from` spreads less than 1 px or is not finite.
    ///
    /// # Source
    /// Umeyama, PAMI 13(4), 1991, equations 40 to 42, for m = 2.
    pub fn umeyama(from: &[Point; 5], to: &[Point; 5]) -> Result<SimilarityTransform, AlignError> {
        let (from_mean, to_mean) = (mean(from), mean(to));
        let (mut along, mut across, mut spread) = (0.0f64, 0.0f64, 0.0f64);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (f64::from(p.x) - from_mean.0, f64::from(p.y) - from_mean.1);
            let (qx, qy) = (f64::from(q.x) - to_mean.0, f64::from(q.y) - to_mean.1);
            along += px * qx + py * qy;
            across += px * qy - py * qx;
            spread += px * px + py * py;
        }
        let spread_px = (spread / 5.0).sqrt();
        let (a, b) = (along / spread, across / spread);
        // Landmarks in a mirrored arrangement can give a scale of zero, and nothing to sample.
        if !(spread_px >= 1.0 && spread_px.is_finite() && a.hypot(b) > 1e-6) {
            return Err(AlignError::Degenerate {
                spread_px: spread_px as f32,
            });
        }
        Ok(SimilarityTransform {
            a: a as f32,
            b: b as f32,
            tx: (to_mean.0 - a * from_mean.0 + b * from_mean.1) as f32,
            ty: (to_mean.1 - b * from_mean.0 - a * from_mean.1) as f32,
        })
    }

    /// The same map from a copy of the source that is so many times as large.
    pub(crate) fn with_scaled_source(self, times: f32) -> SimilarityTransform {
        SimilarityTransform {
            a: self.a / times,
            b: self.b / times,
            ..self
        }
    }

    /// Target pixels per source pixel.
    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }

    /// Clockwise rotation in the picture, in degrees.
    pub fn rotation_deg(&self) -> f32 {
        self.b.atan2(self.a).to_degrees()
    }

    /// Where a point goes.
    pub fn apply(&self, p: Point) -> Point {
        Point {
            x: self.a * p.x - self.b * p.y + self.tx,
            y: self.b * p.x + self.a * p.y + self.ty,
        }
    }

    /// The inverse transform.
    pub fn inverse(&self) -> SimilarityTransform {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        SimilarityTransform {
            a,
            b,
            tx: -(a * self.tx - b * self.ty),
            ty: -(b * self.tx + a * self.ty),
        }
    }
}

fn mean(points: &[Point; 5]) -> (f64, f64) {
    let sum = |of: fn(&Point) -> f32| points.iter().map(|p| f64::from(of(p))).sum::<f64>() / 5.0;
    (sum(|p| p.x), sum(|p| p.y))
}

#[cfg(test)]
mod tests {
    use super::super::reference::REFERENCE;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_moved_pattern_is_brought_back(
            scale in 0.05f32..20.0,
            angle in -3.1f32..3.1,
            tx in -500f32..500.0,
            ty in -500f32..500.0,
        ) {
            let (a, b) = (scale * angle.cos(), scale * angle.sin());
            let there = SimilarityTransform { a, b, tx, ty };
            let moved = REFERENCE.map(|p| there.apply(p));
            let back = SimilarityTransform::umeyama(&moved, &REFERENCE).unwrap();
            prop_assert!((back.scale() * scale - 1.0).abs() < 1e-3);
            for (p, q) in moved.iter().zip(REFERENCE) {
                let found = back.apply(*p);
                prop_assert!((found.x - q.x).hypot(found.y - q.y) < 0.02);
            }
        }

        #[test]
        fn no_other_similarity_is_nearer(
            noise in prop::array::uniform5((-6f32..6.0, -6f32..6.0)),
            nudge in prop::array::uniform4(-0.02f32..0.02),
        ) {
            let from: [Point; 5] = std::array::from_fn(|i| Point {
                x: REFERENCE[i].x * 2.0 + noise[i].0,
                y: REFERENCE[i].y * 2.0 + noise[i].1,
            });
            let miss = |s: &SimilarityTransform| -> f32 {
                from.iter().zip(REFERENCE).map(|(p, q)| {
                    let r = s.apply(*p);
                    (r.x - q.x).powi(2) + (r.y - q.y).powi(2)
                }).sum()
            };
            let best = SimilarityTransform::umeyama(&from, &REFERENCE).unwrap();
            let other = SimilarityTransform {
                a: best.a + nudge[0] * 0.1, b: best.b + nudge[1] * 0.1,
                tx: best.tx + nudge[2] * 50.0, ty: best.ty + nudge[3] * 50.0,
            };
            prop_assert!(miss(&best) <= miss(&other) + 1e-2);
        }

        #[test]
        fn the_inverse_undoes(
            a in 0.1f32..3.0, b in -3f32..3.0, x in -99f32..99.0, y in -99f32..99.0,
        ) {
            let s = SimilarityTransform { a, b, tx: 7.0, ty: -3.0 };
            let p = s.inverse().apply(s.apply(Point { x, y }));
            prop_assert!((p.x - x).hypot(p.y - y) < 0.01);
        }
    }

    #[test]
    fn landmarks_on_one_spot_or_nan_are_refused() {
        let spot = [Point { x: 5.0, y: 5.0 }; 5];
        let error = SimilarityTransform::umeyama(&spot, &REFERENCE).unwrap_err();
        assert!(error.to_string().contains("spread over 0 px"), "{error}");
        let mut broken = REFERENCE;
        broken[2].x = f32::NAN;
        assert!(SimilarityTransform::umeyama(&broken, &REFERENCE).is_err());
        broken[2].x = f32::INFINITY;
        assert!(SimilarityTransform::umeyama(&broken, &REFERENCE).is_err());
    }
}
