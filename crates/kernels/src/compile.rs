//! The row kernels compiled once per instruction set. In: a vector type. Out: a module with one
//! function per kernel. Knows nothing of which instruction set is chosen.

/// One kernel as a function with the instruction set enabled.
macro_rules! compile_row {
    ($routine:ident, $row:path, $vector:ty $(, $features:literal)?) => {
        /// # Safety
        /// The CPU has the instruction set, and `row.check` passed.
        $(#[target_feature(enable = $features)])?
        pub(crate) unsafe fn $routine(row: &mut $row) {
            // SAFETY: as promised.
            unsafe { row.run::<$vector>() }
        }
    };
}
pub(crate) use compile_row;

/// A module `$name` with every float kernel for one vector type.
macro_rules! compile_rows {
    ($name:ident, $vector:ty $(, $features:literal)?) => {
        pub(crate) mod $name {
            use crate::compile::compile_row;

            compile_row!(conv, crate::nhwc::conv::ConvRow, $vector $(, $features)?);
            compile_row!(
                depthwise, crate::nhwc::depthwise::DepthwiseRow, $vector $(, $features)?
            );
            compile_row!(max_pool, crate::nhwc::max_pool::MaxPoolRow, $vector $(, $features)?);
            compile_row!(
                interleave, crate::nhwc::elementwise::InterleaveRow, $vector $(, $features)?
            );
            compile_row!(
                normalize, crate::nhwc::elementwise::NormalizeRow, $vector $(, $features)?
            );
            compile_row!(add, crate::nhwc::elementwise::AddRow, $vector $(, $features)?);
            compile_row!(affine, crate::nhwc::elementwise::AffineRow, $vector $(, $features)?);
            compile_row!(
                multiply_adds, crate::multiply_adds::MultiplyAdds, $vector $(, $features)?
            );
        }
    };
}
pub(crate) use compile_rows;

/// The eight-bit convolution as a function with the instruction set enabled.
macro_rules! compile_int8_conv {
    ($name:ident, $dot:ty $(, $features:literal)?) => {
        /// # Safety
        /// The CPU has the instruction set, `row.check` passed, and the weights were packed for it.
        $(#[target_feature(enable = $features)])?
        pub(crate) unsafe fn $name(row: &mut crate::nhwc::int8_conv::Int8ConvRow) {
            // SAFETY: as promised.
            unsafe { row.run::<$dot>() }
        }
    };
}
pub(crate) use compile_int8_conv;
