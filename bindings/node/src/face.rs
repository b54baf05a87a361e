//! Photos and faces as plain values, which JSON can hold. In: the library's. Out: the same, and
//! back. Knows nothing of how faces are found.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fusiform::{
    AlignedFace, BoundingBox, Engine, Landmarks, ModelId, Point, Pose, Quality,
    SimilarityTransform, Template,
};
use napi_derive::napi;

use crate::answer::{Answer, Failure, answer, read};

/// A photo and its faces, best detector score first.
#[napi(object)]
pub struct PhotoFields {
    pub width_px: u32,
    pub height_px: u32,
    pub taken_at: Option<String>,
    pub turn_deg: u32,
    pub smallest_face_px: f64,
    pub notes: Vec<String>,
    pub faces: Vec<FaceFields>,
}

/// One face. Every number is a 32-bit float, which a double holds to the bit.
#[napi(object)]
pub struct FaceFields {
    /// `x_min`, `y_min`, `x_max`, `y_max` in pixels.
    pub bbox: Vec<f64>,
    pub score: f64,
    /// x and y of five points.
    pub landmarks: Option<Vec<f64>>,
    pub quality: QualityFields,
    /// Crop of 112x112 RGB pixels, in base64.
    pub aligned: String,
    /// a, b, tx, ty: the map from the photo to the crop.
    pub from_photo: Vec<f64>,
    pub embedding_length: Option<f64>,
    pub template: Option<TemplateFields>,
    /// Told to JavaScript, not read back.
    pub is_unclear: bool,
}

#[napi(object)]
pub struct QualityFields {
    pub overall: f64,
    pub size: f64,
    pub sharpness: f64,
    pub exposure: f64,
    pub frontal: f64,
    pub detector_score: f64,
    pub recognisability: f64,
    pub yaw_deg: f64,
    pub pitch_deg: f64,
    pub roll_deg: f64,
}

#[napi(object)]
pub struct TemplateFields {
    pub model: String,
    pub vector: Vec<f64>,
    pub quality: f64,
}

impl From<fusiform::Photo> for PhotoFields {
    fn from(photo: fusiform::Photo) -> PhotoFields {
        PhotoFields {
            width_px: photo.width_px,
            height_px: photo.height_px,
            taken_at: photo.taken_at,
            turn_deg: photo.turn_deg.into(),
            smallest_face_px: photo.smallest_face_px.into(),
            notes: photo.notes.iter().map(ToString::to_string).collect(),
            faces: photo.faces.into_iter().map(FaceFields::from).collect(),
        }
    }
}

impl From<fusiform::Face> for FaceFields {
    fn from(face: fusiform::Face) -> FaceFields {
        let (q, pose, map) = (&face.quality, &face.quality.pose, &face.aligned.from_photo);
        let points = face.landmarks.map(|l| l.as_array().map(|p| [p.x, p.y]));
        FaceFields {
            is_unclear: face.is_unclear(),
            bbox: wide(&face.bbox.as_array()),
            score: face.score.into(),
            landmarks: points.map(|points| wide(points.as_flattened())),
            quality: QualityFields {
                overall: q.overall.into(),
                size: q.size.into(),
                sharpness: q.sharpness.into(),
                exposure: q.exposure.into(),
                frontal: q.frontal.into(),
                detector_score: q.detector_score.into(),
                recognisability: q.recognisability.into(),
                yaw_deg: pose.yaw_deg.into(),
                pitch_deg: pose.pitch_deg.into(),
                roll_deg: pose.roll_deg.into(),
            },
            aligned: STANDARD.encode(&face.aligned.rgb),
            from_photo: wide(&[map.a, map.b, map.tx, map.ty]),
            embedding_length: face.embedding_length.map(f64::from),
            template: face.template.map(|t| TemplateFields {
                model: t.model.0,
                vector: wide(&t.vector),
                quality: t.quality.into(),
            }),
        }
    }
}

impl FaceFields {
    /// The library's face. It may come from a file or another program by way of JSON, so that
    /// nothing in it is taken for granted.
    pub(crate) fn read(self, engine: &Engine) -> Result<fusiform::Face, Failure> {
        let unusable = |what: &str| Failure::bad_option(format!("this is no Face: {what}"));
        let quality = self.quality;
        let values = [
            quality.overall,
            quality.size,
            quality.sharpness,
            quality.exposure,
            quality.frontal,
            quality.detector_score,
            quality.recognisability,
            quality.yaw_deg,
            quality.pitch_deg,
            quality.roll_deg,
            self.score,
        ];
        let [
            overall,
            size,
            sharpness,
            exposure,
            frontal,
            detector_score,
            recognisability,
            yaw_deg,
            pitch_deg,
            roll_deg,
            score,
        ] = narrow(&values).ok_or_else(|| unusable("its quality or score"))?;
        let bbox = narrow(&self.bbox).ok_or_else(|| unusable("its bbox"))?;
        let [a, b, tx, ty] = narrow(&self.from_photo).ok_or_else(|| unusable("its fromPhoto"))?;
        let landmarks = match &self.landmarks {
            None => None,
            Some(points) => {
                let points: [f32; 10] = narrow(points).ok_or_else(|| unusable("its landmarks"))?;
                let points = points.as_chunks::<2>().0;
                Some(Landmarks::from_array(std::array::from_fn(|i| {
                    let [x, y] = points[i];
                    Point { x, y }
                })))
            }
        };
        let side = fusiform::ALIGNED_SIDE_PX as usize;
        let rgb = STANDARD.decode(&self.aligned).unwrap_or_default();
        if rgb.len() != side * side * 3 {
            return Err(unusable("its crop is not of 112x112 pixels"));
        }
        Ok(fusiform::Face {
            bbox: BoundingBox::from_array(bbox),
            score,
            landmarks,
            quality: Quality {
                overall,
                size,
                sharpness,
                exposure,
                pose: Pose {
                    yaw_deg,
                    pitch_deg,
                    roll_deg,
                },
                frontal,
                detector_score,
                recognisability,
            },
            aligned: AlignedFace {
                rgb,
                from_photo: SimilarityTransform { a, b, tx, ty },
            },
            embedding_length: self.embedding_length.map(|length| length as f32),
            template: self.template.map(|t| t.read(Some(engine))).transpose()?,
        })
    }
}

impl TemplateFields {
    /// The library's template; of the engine's own model it has as many numbers as that gives.
    fn read(self, engine: Option<&Engine>) -> Result<Template, Failure> {
        let vector: Vec<f32> = self.vector.iter().map(|v| *v as f32).collect();
        let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        let fits = engine.is_none_or(|engine| {
            let is_own = engine.embedder_id().is_ok_and(|id| id.0 == self.model);
            !is_own || vector.len() == engine.dimensions()
        });
        if !fits || (length - 1.0).abs() > 1e-3 || length.is_nan() {
            return Err(Failure::bad_option(format!(
                "this is no Face: its template has {} numbers and the length {length}; wanted is a \
                 length of 1",
                vector.len()
            )));
        }
        Ok(Template {
            model: ModelId(self.model),
            vector,
            quality: self.quality as f32,
        })
    }
}

/// Cosine similarity of two templates of one model.
#[napi]
pub fn similarity(a: TemplateFields, b: TemplateFields) -> Answer<f64> {
    answer(|| Ok(read(a.read(None)?.similarity(&b.read(None)?))?.0.into()))
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// As many finite 32-bit floats as wanted.
pub(crate) fn narrow<const N: usize>(values: &[f64]) -> Option<[f32; N]> {
    let values: [f64; N] = values.try_into().ok()?;
    let values = values.map(|v| v as f32);
    values.iter().all(|v| v.is_finite()).then_some(values)
}
