//! Geometry of sliding windows. In: strides, dilations, padding, sizes. Out: the size of the
//! result, and where its first window begins. Knows nothing of what is computed in a window.

use super::attributes::Attributes;
use crate::error::Error;

/// Strides, dilations and padding of a convolution or pooling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) strides: [usize; 2],
    pub(crate) dilations: [usize; 2],
    /// Top, left, bottom, right.
    pads: [usize; 4],
    auto: AutoPad,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AutoPad {
    No,
    SameUpper,
    SameLower,
}

/// The output size of one image, and its padding before the first window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plane {
    pub(crate) out: [usize; 2],
    pub(crate) top: usize,
    pub(crate) left: usize,
}

impl Geometry {
    pub(super) fn read(a: &mut Attributes) -> Result<Geometry, Error> {
        let auto = match &*a.text("auto_pad", "NOTSET")? {
            "NOTSET" | "VALID" => AutoPad::No,
            "SAME_UPPER" => AutoPad::SameUpper,
            "SAME_LOWER" => AutoPad::SameLower,
            other => return Err(Error::unsupported(format!("auto_pad {other:?}"))),
        };
        let pads = match a.ints("pads")? {
            None => [0; 4],
            Some(pads) => numbers(&pads, "pads", 0)?,
        };
        let pair = |list: Option<Vec<i64>>, name: &str| match list {
            None => Ok([1; 2]),
            Some(list) => numbers(&list, name, 1),
        };
        let strides = pair(a.ints("strides")?, "strides")?;
        let dilations = pair(a.ints("dilations")?, "dilations")?;
        Ok(Geometry {
            strides,
            dilations,
            pads,
            auto,
        })
    }

    /// Whether the file states no padding.
    pub(crate) fn is_unpadded(&self) -> bool {
        self.auto == AutoPad::No && self.pads == [0; 4]
    }

    /// Top, left, bottom, right, as written in the model.
    pub(super) fn pads(&self) -> [usize; 4] {
        self.pads
    }

    /// Output size and padding before the first window, for windows of `kernel` over `height ×
    /// width`.
    ///
    /// With `ceil`, a last window may reach beyond the padding, as in pooling.
    pub(crate) fn plane(
        &self,
        [height, width]: [usize; 2],
        kernel: [usize; 2],
        ceil: bool,
    ) -> Result<Plane, Error> {
        let (mut out, mut first) = ([0; 2], [0; 2]);
        for (axis, size) in [height, width].into_iter().enumerate() {
            let reach = (kernel[axis] - 1) * self.dilations[axis] + 1;
            let stride = self.strides[axis];
            if self.auto == AutoPad::No {
                let (before, after) = (self.pads[axis], self.pads[axis + 2]);
                let room = (size + before + after).checked_sub(reach).ok_or_else(|| {
                    Error::shape(format!(
                        "a window of {reach} is larger than {size} padded by {before} and \
                         {after}"
                    ))
                })?;
                first[axis] = before;
                out[axis] = room / stride + 1;
                if ceil && room % stride != 0 && out[axis] * stride < size + before {
                    out[axis] += 1;
                }
            } else {
                out[axis] = size.div_ceil(stride);
                let padding = ((out[axis] - 1) * stride + reach).saturating_sub(size);
                let upper = self.auto == AutoPad::SameUpper;
                first[axis] = if upper {
                    padding / 2
                } else {
                    padding.div_ceil(2)
                };
            }
        }
        Ok(Plane {
            out,
            top: first[0],
            left: first[1],
        })
    }
}

/// A list of exactly `N` numbers from `min` to 4096.
pub(super) fn numbers<const N: usize>(
    list: &[i64],
    name: &str,
    min: usize,
) -> Result<[usize; N], Error> {
    let sane = |v: &i64| {
        usize::try_from(*v)
            .ok()
            .filter(|v| (min..=4096).contains(v))
    };
    let list: Option<Vec<usize>> = list.iter().map(sane).collect();
    list.and_then(|l| l.try_into().ok()).ok_or_else(|| {
        Error::unsupported(format!(
            "{name}: {N} numbers from {min} to 4096 are covered"
        ))
    })
}
