//! [`Axes`]: what each axis of a tensor is, without the tensor.
//!
//! Between two layers exporters transpose, squeeze and reshape. To see that all of it only carries the states from one layer
//! to the next, it is followed by name: an axis is a product of [`Atom`]s, in the order in which they lie, and none where its
//! size is 1.

/// What an axis, or a factor of it, runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Atom {
    /// Axis `axis` of the graph's input: steps or sequences, of a fixed size or of any.
    Outer { axis: usize, size: Option<usize> },
    /// The two directions of a layer.
    Directions,
    /// The features of a step: inputs, hidden units or outputs.
    Features(usize),
}

impl Atom {
    fn size(self) -> Option<usize> {
        match self {
            Self::Outer { size, .. } => size,
            Self::Directions => Some(2),
            Self::Features(size) => Some(size),
        }
    }
}

/// A number in a constant or computed shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Size {
    Known(i64),
    /// The size of an axis, whatever it will be.
    Of(Vec<Atom>),
}

/// The axes of a tensor.
pub(super) type Axes = Vec<Vec<Atom>>;

/// The size of an axis, where it is known.
pub(super) fn known(axis: &[Atom]) -> Option<usize> {
    axis.iter().try_fold(1usize, |product, atom| product.checked_mul(atom.size()?))
}

/// The size of an axis as a number of a shape.
pub(super) fn size(axis: &[Atom]) -> Size {
    match known(axis).and_then(|product| i64::try_from(product).ok()) {
        Some(product) => Size::Known(product),
        None => Size::Of(axis.to_vec()),
    }
}

/// The product of two sizes.
pub(super) fn product(a: &Size, b: &Size) -> Option<Size> {
    Some(match (a, b) {
        (Size::Known(a), Size::Known(b)) => Size::Known(a.checked_mul(*b)?),
        (Size::Known(1), other) | (other, Size::Known(1)) => other.clone(),
        (Size::Of(a), Size::Of(b)) => Size::Of([&a[..], b].concat()),
        _ => return None,
    })
}

/// Where axis `axis` is, negative ones being counted from the end.
pub(super) fn place(axis: i64, rank: usize) -> Option<usize> {
    let from_end = i64::try_from(rank).ok()?.checked_add(axis)?;
    usize::try_from(if axis < 0 { from_end } else { axis }).ok().filter(|&place| place < rank)
}

/// Axis `k` of the result is axis `order[k]`.
pub(super) fn transposed(axes: &Axes, order: &[usize]) -> Option<Axes> {
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    let every = sorted == (0..axes.len()).collect::<Vec<_>>();
    every.then(|| order.iter().map(|&axis| axes[axis].clone()).collect())
}

/// Without the axes `gone`, each of size 1; without all axes of size 1 where there is no list.
pub(super) fn squeezed(axes: &Axes, gone: Option<&[i64]>) -> Option<Axes> {
    let single = |axis: &[Atom]| size(axis) == Size::Known(1);
    let Some(gone) = gone else {
        return Some(axes.iter().filter(|axis| !single(axis)).cloned().collect());
    };
    let gone: Vec<usize> = gone.iter().map(|&axis| place(axis, axes.len())).collect::<Option<_>>()?;
    if gone.iter().any(|&axis| !single(&axes[axis])) {
        return None;
    }
    let kept = axes.iter().enumerate().filter(|(axis, _)| !gone.contains(axis));
    Some(kept.map(|(_, axis)| axis.clone()).collect())
}

/// With new axes of size 1, which are at `new` in the result.
pub(super) fn unsqueezed(axes: &Axes, new: &[i64]) -> Option<Axes> {
    let rank = axes.len().checked_add(new.len())?;
    let new: Vec<usize> = new.iter().map(|&axis| place(axis, rank)).collect::<Option<_>>()?;
    let mut old = axes.iter();
    let axis = |axis| if new.contains(&axis) { Some(Vec::new()) } else { old.next().cloned() };
    let result: Axes = (0..rank).map(axis).collect::<Option<_>>()?;
    old.next().is_none().then_some(result)
}

/// In the shape `target`, as ONNX's `Reshape` reads it: −1 is what is left, and 0 is the size at its place (but with
/// `allowzero`).
pub(super) fn reshaped(axes: &Axes, target: &[Size], allow_zero: bool) -> Option<Axes> {
    let open = target.iter().position(|size| *size == Size::Known(-1)).unwrap_or(target.len());
    let mut rest: Vec<Atom> = axes.concat();
    let mut before = Vec::new();
    for (at, size) in target[..open].iter().enumerate() {
        let taken = take(&rest, axes, (at, size), allow_zero, false)?;
        before.push(rest.drain(..taken).collect());
    }
    let mut after = Vec::new();
    for (at, size) in target.iter().enumerate().skip(open + 1).rev() {
        let taken = take(&rest, axes, (at, size), allow_zero, true)?;
        after.push(rest.split_off(rest.len() - taken));
    }
    if open < target.len() {
        before.push(std::mem::take(&mut rest));
    }
    before.extend(after.into_iter().rev());
    rest.is_empty().then_some(before)
}

/// How many atoms of `rest` an axis of this size takes, from the front or from the back.
fn take(
    rest: &[Atom],
    axes: &Axes,
    (at, size): (usize, &Size),
    allow_zero: bool,
    back: bool,
) -> Option<usize> {
    let known = match size {
        Size::Known(0) if !allow_zero => return take_equal(rest, axes.get(at)?, back),
        Size::Of(atoms) => return take_equal(rest, atoms, back),
        Size::Known(size) => usize::try_from(*size).ok()?,
    };
    let (mut taken, mut product) = (0, 1usize);
    // An axis of size 1 takes one sequence, or one step, along.
    while product < known || (known == 1 && taken == 0) {
        let next = if back { rest.len().checked_sub(taken + 1) } else { Some(taken) };
        let size = next.and_then(|next| rest.get(next)).and_then(|atom| atom.size());
        match size {
            Some(size) if known > 1 || size == 1 => product = product.checked_mul(size)?,
            _ if known == 1 => break,
            _ => return None,
        }
        taken += 1;
    }
    (product == known).then_some(taken)
}

fn take_equal(rest: &[Atom], atoms: &[Atom], back: bool) -> Option<usize> {
    let equal = if back { rest.ends_with(atoms) } else { rest.starts_with(atoms) };
    equal.then_some(atoms.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: Atom = Atom::Outer { axis: 0, size: None };
    const TIME: Atom = Atom::Outer { axis: 1, size: None };
    const ONE: Atom = Atom::Outer { axis: 0, size: Some(1) };
    const FIVE: Atom = Atom::Outer { axis: 1, size: Some(5) };
    const UNITS: Atom = Atom::Features(4);

    fn known(sizes: &[i64]) -> Vec<Size> {
        sizes.iter().map(|&size| Size::Known(size)).collect()
    }

    #[test]
    fn directions_are_joined_as_exporters_do_it() {
        let turned: Axes = vec![vec![TIME], vec![BATCH], vec![Atom::Directions], vec![UNITS]];
        let joined: Axes = vec![vec![TIME], vec![BATCH], vec![Atom::Directions, UNITS]];
        let computed = [size(&[TIME]), size(&[BATCH]), product(&Size::Known(2), &Size::Known(4)).unwrap()];
        for target in
            [&known(&[0, 0, -1])[..], &known(&[0, 0, 8]), &known(&[-1, 0, 8]), &known(&[0, -1, 8]), &computed]
        {
            assert_eq!(reshaped(&turned, target, false).as_ref(), Some(&joined), "{target:?}");
        }
        for target in [&known(&[0, 0, 7])[..], &known(&[0, 0]), &known(&[5, -1, 8])] {
            assert_eq!(reshaped(&turned, target, false), None, "{target:?}");
        }
        assert_eq!(reshaped(&joined, &known(&[0, 0, 2, 4]), false), Some(turned));
    }

    #[test]
    fn fixed_sizes_are_counted() {
        let turned: Axes = vec![vec![FIVE], vec![ONE], vec![Atom::Directions], vec![UNITS]];
        let joined: Axes = vec![vec![FIVE], vec![ONE], vec![Atom::Directions, UNITS]];
        for target in [&known(&[5, 1, 8])[..], &known(&[5, 1, -1]), &known(&[0, -1, 8])] {
            assert_eq!(reshaped(&turned, target, false).as_ref(), Some(&joined), "{target:?}");
        }
        assert_eq!(
            reshaped(&turned, &known(&[5, 8]), false),
            Some(vec![vec![FIVE], vec![ONE, Atom::Directions, UNITS]])
        );
        assert_eq!(reshaped(&turned, &known(&[0, 0, 0, 0]), true), None);
    }

    #[test]
    fn axes_of_size_one_come_and_go() {
        let axes: Axes = vec![vec![TIME], vec![], vec![BATCH], vec![UNITS]];
        let squeezed_axes = squeezed(&axes, Some(&[1])).unwrap();
        assert_eq!(squeezed(&axes, Some(&[-3])), Some(squeezed_axes.clone()));
        assert_eq!(squeezed(&axes, None), Some(squeezed_axes.clone()));
        assert_eq!(squeezed(&axes, Some(&[0])), None);
        assert_eq!(squeezed(&axes, Some(&[4])), None);
        assert_eq!(unsqueezed(&squeezed_axes, &[1]), Some(axes.clone()));
        assert_eq!(unsqueezed(&squeezed_axes, &[1, 1]), None);
        assert_eq!(unsqueezed(&squeezed_axes, &[i64::MIN]), None);
        assert_eq!(transposed(&axes, &[0, 2, 1, 3]).unwrap()[2], []);
        assert_eq!(transposed(&axes, &[0, 2, 1]), None);
    }
}
