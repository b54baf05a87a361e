//! Vectors turned by a secret matrix. In: the data key and a number of dimensions. Out: an
//! orthogonal matrix, which leaves every similarity as it is, and which nobody without the key can
//! compare a face of their own with. It hides which direction is which, and nothing else: how near
//! stored vectors are to each other can be seen, and with as many known pairs (a face and its
//! stored vector) as there are dimensions the matrix is solved for.

/// A square matrix, row by row.
pub(super) struct Rotation {
    rows: Vec<Vec<f32>>,
}

impl Rotation {
    /// The matrix of a key: Gaussian numbers, made orthonormal (Gram and Schmidt, twice), so that
    /// every rotation is as likely as another (Stewart, 1980).
    pub(super) fn new(data_key: &[u8; 32], dimensions: usize) -> Rotation {
        let key = blake3::derive_key("fusiform vault 2026 rotation", data_key);
        let mut random = blake3::Hasher::new_keyed(&key).finalize_xof();
        let mut uniform = || {
            let mut bytes = [0; 8];
            random.fill(&mut bytes);
            // In (0, 1), so that its logarithm is finite.
            (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64 + 2.0_f64.powi(-54)
        };
        let mut gaussian = || {
            let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), uniform());
            radius * (std::f64::consts::TAU * angle).cos()
        };
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(dimensions);
        while rows.len() < dimensions {
            let mut row: Vec<f64> = (0..dimensions).map(|_| gaussian()).collect();
            for _ in 0..2 {
                for before in &rows {
                    let along = dot(before, &row);
                    row.iter_mut()
                        .zip(before)
                        .for_each(|(v, b)| *v -= along * b);
                }
            }
            let length = dot(&row, &row).sqrt();
            row.iter_mut().for_each(|v| *v /= length);
            rows.push(row);
        }
        let single = |row: Vec<f64>| row.into_iter().map(|v| v as f32).collect();
        Rotation {
            rows: rows.into_iter().map(single).collect(),
        }
    }

    /// Values per vector.
    pub(super) fn dimensions(&self) -> usize {
        self.rows.len()
    }

    /// A vector, turned; of another length: `None`.
    pub(super) fn turn(&self, vector: &[f32]) -> Option<Vec<f32>> {
        let turned = |row: &Vec<f32>| {
            let products = row
                .iter()
                .zip(vector)
                .map(|(r, v)| f64::from(*r) * f64::from(*v));
            products.sum::<f64>() as f32
        };
        (vector.len() == self.rows.len()).then(|| self.rows.iter().map(turned).collect())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarities_stay_and_directions_do_not() {
        let unit = |seed: usize| -> Vec<f32> {
            let v: Vec<f32> = (0..128)
                .map(|i| ((i * 37 + seed * 91) % 17) as f32 - 8.0)
                .collect();
            let length = v.iter().map(|v| v * v).sum::<f32>().sqrt();
            v.iter().map(|v| v / length).collect()
        };
        let similarity = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let (rotation, other) = (Rotation::new(&[1; 32], 128), Rotation::new(&[2; 32], 128));
        let (a, b) = (unit(1), unit(2));
        let turned = |v: &[f32]| rotation.turn(v).unwrap();
        let kept = similarity(&turned(&a), &turned(&b));
        assert!((kept - similarity(&a, &b)).abs() < 1e-5, "{kept}");
        assert!((similarity(&turned(&a), &turned(&a)) - 1.0).abs() < 1e-5);
        assert!(similarity(&turned(&a), &a).abs() < 0.4);
        assert!(similarity(&turned(&a), &other.turn(&a).unwrap()).abs() < 0.4);
        assert_eq!(rotation.turn(&a[1..]), None);
        // It is part of a format: what was stored is searched with the same matrix later.
        let again = Rotation::new(&[1; 32], 128);
        assert_eq!(again.rows, rotation.rows);
        assert!((rotation.rows[0][0] - Rotation::new(&[1; 32], 128).rows[0][0]).abs() < 1e-9);
    }
}
