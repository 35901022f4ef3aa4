//! [`Array`]: a constant of the graph, and the rearrangements that exporters make of constants.

use std::rc::Rc;

/// Numbers in a shape, row-major; no size is 0, so that no product of sizes overflows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub shape: Vec<usize>,
    pub values: Rc<[f64]>,
    /// In `double`; else in `float`.
    pub double: bool,
}

impl Array {
    pub fn is_zero(&self) -> bool {
        self.values.iter().all(|value| *value == 0.0)
    }

    /// The same numbers in another shape; as many of them.
    pub fn reshaped(&self, shape: Vec<usize>) -> Option<Self> {
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size))?;
        (count == self.values.len()).then(|| Self { shape, ..self.clone() })
    }

    /// Axis `k` of the result is axis `order[k]`.
    pub fn transposed(&self, order: &[usize]) -> Option<Self> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if sorted != (0..self.shape.len()).collect::<Vec<_>>() {
            return None;
        }
        let strides = self.strides();
        let shape: Vec<usize> = order.iter().map(|&axis| self.shape[axis]).collect();
        let steps: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
        Some(self.gathered(shape, &steps, 0))
    }

    /// The part `start..end` of an axis.
    pub fn part(&self, axis: usize, start: usize, end: usize) -> Option<Self> {
        if start >= end || end > *self.shape.get(axis)? {
            return None;
        }
        let (mut shape, strides) = (self.shape.clone(), self.strides());
        shape[axis] = end - start;
        Some(self.gathered(shape, &strides, start * strides[axis]))
    }

    /// Arrays side by side along an axis; of one shape but for that axis.
    pub fn joined(parts: &[Self], axis: usize) -> Option<Self> {
        let first = parts.first()?;
        let mut shape = first.shape.clone();
        *shape.get_mut(axis)? = 0;
        for part in parts {
            let mut other = part.shape.clone();
            let size = std::mem::replace(other.get_mut(axis)?, shape[axis]);
            if other != shape || part.double != first.double {
                return None;
            }
            shape[axis] = shape[axis].checked_add(size)?;
        }
        let outer: usize = shape[..axis].iter().product();
        let mut values = Vec::with_capacity(parts.iter().map(|part| part.values.len()).sum());
        for row in 0..outer {
            for part in parts {
                let len = part.values.len() / outer;
                values.extend_from_slice(&part.values[row * len..][..len]);
            }
        }
        Some(Self { shape, values: values.into(), double: first.double })
    }

    /// How far apart neighbours along each axis are.
    fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.shape.len()];
        for axis in (1..self.shape.len()).rev() {
            strides[axis - 1] = strides[axis] * self.shape[axis];
        }
        strides
    }

    /// The elements from `start` on in steps of `strides`, all of them there.
    fn gathered(&self, shape: Vec<usize>, strides: &[usize], start: usize) -> Self {
        let count: usize = shape.iter().product();
        let mut values = Vec::with_capacity(count);
        let (mut place, mut at) = (vec![0; shape.len()], start);
        for _ in 0..count {
            values.push(self.values[at]);
            for axis in (0..shape.len()).rev() {
                place[axis] += 1;
                at += strides[axis];
                if place[axis] < shape[axis] {
                    break;
                }
                at -= place[axis] * strides[axis];
                place[axis] = 0;
            }
        }
        Self { shape, values: values.into(), double: self.double }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize]) -> Array {
        let count: usize = shape.iter().product();
        let values: Vec<f64> = (0..count).map(|value| value as f64).collect();
        Array { shape: shape.to_vec(), values: values.into(), double: false }
    }

    #[test]
    fn parts_come_together_again() {
        for (shape, axis) in [(vec![6], 0), (vec![2, 5], 1), (vec![4, 3, 2], 0), (vec![2, 4, 3], 1)] {
            let whole = array(&shape);
            let (first, second) =
                (whole.part(axis, 0, 2).unwrap(), whole.part(axis, 2, shape[axis]).unwrap());
            assert_eq!(Array::joined(&[first, second], axis).unwrap(), whole);
        }
        let corner = array(&[2, 3]).part(1, 1, 3).unwrap();
        assert_eq!((&corner.shape[..], &corner.values[..]), (&[2, 2][..], &[1.0, 2.0, 4.0, 5.0][..]));
    }

    #[test]
    fn axes_change_places_and_back() {
        let whole = array(&[2, 3, 4]);
        let turned = whole.transposed(&[2, 0, 1]).unwrap();
        assert_eq!(turned.shape, [4, 2, 3]);
        assert_eq!(turned.values[..7], [0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 1.0]);
        assert_eq!(turned.transposed(&[1, 2, 0]).unwrap(), whole);
    }

    #[test]
    fn what_does_not_fit_is_nothing() {
        let whole = array(&[2, 3]);
        assert!(whole.transposed(&[0]).is_none() && whole.transposed(&[0, 0]).is_none());
        assert!(whole.reshaped(vec![7]).is_none() && whole.reshaped(vec![usize::MAX, 2]).is_none());
        assert!(whole.part(2, 0, 1).is_none() && whole.part(1, 2, 4).is_none());
        assert!(Array::joined(&[whole.clone(), array(&[3, 3])], 1).is_none());
        assert!(Array::joined(&[whole], 2).is_none() && Array::joined(&[], 0).is_none());
    }
}
