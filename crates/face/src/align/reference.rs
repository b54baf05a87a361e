//! The points that every face is brought onto. Plain data.

use crate::geometry::Point;

/// Where the five landmarks lie in an aligned crop, in the order of
/// [`Landmarks::as_array`](crate::geometry::Landmarks::as_array).
///
/// # Source
/// The ArcFace reference points (Deng et al., "ArcFace", CVPR 2019, and its public code).
pub const REFERENCE: [Point; 5] = [
    Point {
        x: 38.2946,
        y: 51.6963,
    },
    Point {
        x: 73.5318,
        y: 51.5014,
    },
    Point {
        x: 56.0252,
        y: 71.7366,
    },
    Point {
        x: 41.5493,
        y: 92.3655,
    },
    Point {
        x: 70.7299,
        y: 92.2041,
    },
];
