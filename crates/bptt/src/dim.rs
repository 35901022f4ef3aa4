//! [`Dim`]: a size known at compile time ([`Const`]) or at run time ([`Dyn`]), one kernel for both.
//!
//! Sizes travel through the kernels as values. `Const<5>` is zero-sized, so that a loop over it has a
//! constant bound, unrolls, and keeps its accumulators in registers; `Dyn(5)` is a plain number. Nothing else
//! differs: storage is flat slices in both cases.

use std::fmt::Debug;

mod sealed {
    pub trait Sealed {}
    impl<const N: usize> Sealed for super::Const<N> {}
    impl Sealed for super::Dyn {}
}

/// A size: [`Const<N>`] or [`Dyn`]. Sealed.
pub trait Dim: sealed::Sealed + Copy + PartialEq + Debug + Send + Sync + 'static {
    /// Whether the size is part of the type.
    const IS_CONST: bool;

    /// The size where it is part of the type, else 0.
    #[doc(hidden)]
    const KNOWN: usize;

    /// The size as a number.
    fn size(self) -> usize;

    /// Calls `visitor` with this size, promoted to a `Const` where it is a [`Dyn`] on the [menu](PROMOTED).
    ///
    /// A run-time size pays for one `match` here, once per run of an epoch or prediction, and then runs the
    /// same machine code as the typed face.
    fn promote<V: Visitor>(self, visitor: V) -> V::Output;
}

/// Something to do with a size once its type is known; see [`Dim::promote`].
pub trait Visitor {
    /// What the visit returns.
    type Output;
    /// Runs with the size `dim`.
    fn visit<D: Dim>(self, dim: D) -> Self::Output;
}

/// A size fixed at compile time; zero bytes large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Const<const N: usize>;

/// A size known at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dyn(pub usize);

impl<const N: usize> Dim for Const<N> {
    const IS_CONST: bool = true;
    const KNOWN: usize = N;

    #[inline(always)]
    fn size(self) -> usize {
        N
    }

    #[inline(always)]
    fn promote<V: Visitor>(self, visitor: V) -> V::Output {
        visitor.visit(self)
    }
}

macro_rules! menu {
    ($($n:literal)*) => {
        /// The hidden sizes that the run-time face promotes to compile-time ones.
        ///
        /// Each is one more body to compile for every level and type, so the list is short. It serves one sequence per
        /// update only: elsewhere a constant size gains less.
        pub const PROMOTED: &[usize] = &[$($n),*];

        impl Dim for Dyn {
            const IS_CONST: bool = false;
            const KNOWN: usize = 0;

            #[inline(always)]
            fn size(self) -> usize {
                self.0
            }

            fn promote<V: Visitor>(self, visitor: V) -> V::Output {
                match self.0 {
                    $($n => visitor.visit(Const::<$n>),)*
                    _ => visitor.visit(self),
                }
            }
        }
    };
}
menu!(5 10);

#[cfg(test)]
mod tests {
    use super::*;

    struct IsConst;
    impl Visitor for IsConst {
        type Output = (usize, bool);
        fn visit<D: Dim>(self, dim: D) -> (usize, bool) {
            (dim.size(), size_of::<D>() == 0)
        }
    }

    #[test]
    fn run_time_sizes_on_the_menu_become_constants() {
        for n in 0..70 {
            assert_eq!(Dyn(n).promote(IsConst), (n, PROMOTED.contains(&n)), "{n}");
        }
    }

    #[test]
    fn constants_stay_what_they_are() {
        assert_eq!(Const::<7>.promote(IsConst), (7, true));
    }
}
