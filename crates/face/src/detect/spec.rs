//! What a detector is, what it is asked and what it answers. Plain data.
//! Knows nothing of networks at work.

use crate::geometry::{BoundingBox, Landmarks, Size};
use crate::normalisation::{ChannelOrder, Normalisation};

/// How the outputs of a detector are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// Per stride 8, 16, 32: `cls`, `obj`, `bbox`, `kps`. Wu, Peng and Yu, "YuNet: a tiny
    /// millisecond-level face detector", Machine Intelligence Research 2023.
    YuNet,
    /// Per stride 8, 16, 32, two anchors a cell: scores, distances to the box's sides, landmarks.
    /// Guo et al., "Sample and computation redistribution for efficient face detection", ICLR 2022.
    Scrfd,
    /// Scores and boxes as parts of the picture, no landmarks.
    /// Ultra-Light-Fast-Generic-Face-Detector-1MB.
    UltraFace,
}

/// Which sizes the network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputSize {
    /// Any size whose sides are multiples of this.
    Dynamic {
        /// The coarsest stride, usually 32.
        multiple_of: u32,
    },
    /// One size; photos are fitted into it and `min_face_px` has no effect.
    Fixed(Size),
}

/// What there is to know of a detector beside its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorSpec {
    /// How its outputs are read.
    pub head: Head,
    /// What it wants to see.
    pub normalisation: Normalisation,
    /// Which sizes it takes.
    pub input_size: InputSize,
    /// Faces scored lower are dropped, 0 to 1.
    pub min_score: f32,
    /// Boxes that overlap more than this are one face, 0 to 1.
    pub nms_iou: f32,
    /// Shorter side, in pixels of its input, of the smallest face it finds reliably.
    ///
    /// The default is YuNet's: of 220 LFW faces shrunk to this side it finds 41 % at 10 px, 82 % at
    /// 12, 93 % at 14, 98 % at 16 (score at least 0.6).
    pub smallest_face_px: f32,
}

impl Default for DetectorSpec {
    /// YuNet as published: BGR 0 to 255, any multiple of 32.
    fn default() -> Self {
        DetectorSpec {
            head: Head::YuNet,
            normalisation: Normalisation {
                channel_order: ChannelOrder::Bgr,
                ..Normalisation::default()
            },
            input_size: InputSize::Dynamic { multiple_of: 32 },
            min_score: 0.6,
            nms_iou: 0.3,
            smallest_face_px: 14.0,
        }
    }
}

/// How one photo is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectOptions {
    /// Longest side of the copy that the detector sees first; there may be a smaller and larger
    /// ones.
    ///
    /// A smaller photo is not enlarged to it: on LFW (250 px) twice the size found the same faces
    /// (all 3,811) at four times the work, with verification accuracy 0.9917 for 0.9923 and TAR at
    /// FAR 1e-3 of 0.9813 for 0.9793, which is within the noise of 3,000 pairs.
    pub longest_side_px: u32,
    /// Shorter side, in pixels of the photo, of the smallest face to find.
    ///
    /// `None` looks at twice `longest_side_px` where the photo has as many pixels: with the default
    /// detector for faces down to 1/90 of its longest side.
    pub min_face_px: Option<f32>,
    /// Replaces [`DetectorSpec::min_score`].
    pub min_score: Option<f32>,
    /// Whether a photo in which no face is sure is looked at turned, by quarters and then aslant.
    pub try_turned: bool,
    /// Whether boxes that the landmark network calls no face are kept: where a face too many is
    /// better than one too few.
    pub keep_doubtful: bool,
}

impl Default for DetectOptions {
    fn default() -> Self {
        DetectOptions {
            longest_side_px: 640,
            min_face_px: None,
            min_score: None,
            try_turned: true,
            keep_doubtful: false,
        }
    }
}

/// One face in a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectedFace {
    /// Where it is; may reach over the photo's edge when the face does.
    pub bbox: BoundingBox,
    /// How sure the detector is, 0 to 1. Not a probability.
    pub score: f32,
    /// Eyes, nose and mouth, if the detector gives them.
    pub landmarks: Option<Landmarks>,
}

impl DetectedFace {
    /// The same face where the origin lies so far to the left and above.
    pub(crate) fn shifted(&self, x: f32, y: f32) -> DetectedFace {
        DetectedFace {
            bbox: self.bbox.shifted(x, y),
            score: self.score,
            landmarks: self.landmarks.map(|l| l.shifted(x, y)),
        }
    }

    /// The same face in a copy of the photo that is so many times as wide and as high.
    pub(crate) fn scaled(&self, x: f32, y: f32) -> DetectedFace {
        DetectedFace {
            bbox: self.bbox.scaled(x, y),
            score: self.score,
            landmarks: self.landmarks.map(|l| l.scaled(x, y)),
        }
    }
}
