//! Windows that move over a map, and what a map is padded with.

use serde::Serialize;

/// How a convolution or pool treats its borders, as Keras names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(in crate::ann) enum Padding {
    /// No padding.
    Valid,
    /// Padded so that the output is `ceil(input / stride)`, the odd pixel going to the end.
    Same,
    /// This many pixels on every side, as PyTorch specifies it.
    Around(usize),
}

/// Pixels added before and after each of height and width.
pub(in crate::ann) type Pads = [(usize, usize); 2];

/// A window moved over a map: what convolutions and pools share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(in crate::ann) struct Window {
    /// Height and width.
    pub(in crate::ann) size: [usize; 2],
    /// Step down and right.
    pub(in crate::ann) stride: [usize; 2],
    /// Border treatment.
    pub(in crate::ann) padding: Padding,
}

impl Window {
    /// A square window of `size`, stride 1, `same` padding.
    pub(in crate::ann) fn same(size: usize) -> Self {
        Self {
            size: [size; 2],
            stride: [1; 2],
            padding: Padding::Same,
        }
    }

    /// A square window of `size`, stride 1, `valid` padding.
    pub(in crate::ann) fn valid(size: usize) -> Self {
        Self {
            padding: Padding::Valid,
            ..Self::same(size)
        }
    }

    /// The same window with another stride.
    pub(in crate::ann) fn stride(self, stride: usize) -> Self {
        Self {
            stride: [stride; 2],
            ..self
        }
    }

    /// Keras's `correct_pad`: what a map of `shape` is padded with so that a strided `valid` window
    /// of this size covers it as PyTorch's would.
    pub(in crate::ann) fn correct_pad(&self, shape: &[usize]) -> Pads {
        std::array::from_fn(|axis| {
            let correct = self.size[axis] / 2;
            let adjust = 1 - shape[axis] % 2;
            (correct - adjust, correct)
        })
    }

    /// The padding around a map of height and width `map`.
    pub(in crate::ann) fn pads(&self, map: [usize; 2]) -> Pads {
        let out = self.output(map);
        std::array::from_fn(|axis| match self.padding {
            Padding::Valid => (0, 0),
            Padding::Around(pixels) => (pixels, pixels),
            Padding::Same => {
                let covered = (out[axis] - 1) * self.stride[axis] + self.size[axis];
                let total = covered.saturating_sub(map[axis]);
                (total / 2, total - total / 2)
            }
        })
    }

    /// Height and width of the output over a map of height and width `map`.
    pub(super) fn output(&self, map: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| match self.padding {
            Padding::Same => map[axis].div_ceil(self.stride[axis]),
            Padding::Valid | Padding::Around(_) => {
                let around = match self.padding {
                    Padding::Around(pixels) => 2 * pixels,
                    Padding::Valid | Padding::Same => 0,
                };
                let padded = map[axis] + around;
                assert!(padded >= self.size[axis], "window larger than its map");
                (padded - self.size[axis]) / self.stride[axis] + 1
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_pixel_at_the_end() {
        let window = Window::same(3).stride(2);
        assert_eq!(window.output([224, 7]), [112, 4]);
        assert_eq!(window.pads([224, 7]), [(0, 1), (1, 1)]);
        assert_eq!(Window::same(1).stride(2).pads([5, 4]), [(0, 0); 2]);
        assert_eq!(Window::valid(3).output([225, 3]), [223, 1]);
    }
}
