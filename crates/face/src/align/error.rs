//! Why a face could not be brought upright. In: causes. Out: messages that name the value and the
//! remedy.

/// Why a face could not be brought upright.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AlignError {
    /// The landmarks lie on one spot or are NaN.
    #[error(
        "five landmarks spread over {spread_px} px do not fix a similarity; use landmarks at \
         least 1 px apart"
    )]
    Degenerate {
        /// Root mean square distance of the landmarks from their mean.
        spread_px: f32,
    },
    /// The box of a detector without landmarks has no area.
    #[error(
        "a box of {width_px}x{height_px} px holds no face; use one of 1 px to 1,000,000 px a side"
    )]
    EmptyBox {
        /// Width of the box.
        width_px: f32,
        /// Height of the box.
        height_px: f32,
    },
}
