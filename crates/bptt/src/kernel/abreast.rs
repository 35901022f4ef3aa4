//! The kernels of [`crate::abreast`]: a vector holds one number of L sequences, a weight is the same for all lanes.

use super::activation::Function;
use super::level::Isa;
use super::tile::{Matrix, join, unroll};
use super::vector::Vector;
use crate::{Dim, Float};

/// Vectors of one timestep, or of several: `(count, L)` each.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a, T, K> {
    pub data: &'a [T],
    pub count: K,
}

/// How a number of units, rows or columns is cut into tiles.
#[derive(Clone, Copy)]
pub(crate) enum Tiling {
    /// Units of a step: as equal tiles as the registers allow, at 4 sums a unit.
    Units,
    /// Rows of a gradient.
    Rows,
    /// Columns of a gradient: [`columns`].
    Columns,
}

impl Tiling {
    /// How many the next tile has where `rest` are left.
    #[inline(always)]
    pub const fn next(self, registers: usize, rest: usize) -> usize {
        match self {
            Tiling::Units => rest.div_ceil(rest.div_ceil(if registers > 16 { 5 } else { 2 })),
            Tiling::Rows if registers >= 32 && rest >= 4 => 4,
            Tiling::Rows if registers >= 32 && rest == 3 => 3,
            Tiling::Rows => {
                if rest >= 2 {
                    2
                } else {
                    1
                }
            }
            Tiling::Columns => columns(registers, rest),
        }
    }

    /// Whether a tile of `count` may occur: of a size that is `known` only what it is cut into, of others (0) what any is.
    /// What does not occur is not compiled.
    pub const fn has(self, registers: usize, known: usize, count: usize) -> bool {
        let mut rest = if known > 0 { known } else { 16 };
        while rest > 0 {
            let tile = self.next(registers, rest);
            if tile == count {
                return true;
            }
            rest -= if known > 0 { tile } else { 1 };
        }
        false
    }
}

/// How many columns a tile of a gradient has where `rest` are left: few ends, and with 4 rows no more sums than there are
/// registers for.
#[inline(always)]
pub(crate) const fn columns(registers: usize, rest: usize) -> usize {
    if registers > 16 && rest >= 5 && rest != 8 {
        5
    } else if rest >= 4 {
        4
    } else {
        1
    }
}

/// Runs `$body` with the constant `$n` = `$count`, a tile of a [`Tiling`] of `$dim`.
macro_rules! sized {
    ($tiling:ident, $s:ty, $dim:ty, $count:expr, |$n:ident| in $($size:literal)* => $body:expr) => {
        match $count {
            $($size if const {
                $crate::kernel::abreast::Tiling::$tiling.has(<$s>::REGISTERS, <$dim>::KNOWN, $size)
            } => {
                const $n: usize = $size;
                $body;
            })*
            _ => {}
        }
    };
}
pub(crate) use sized;

/// Runs `$body` for the next few units, `$n` of them, and returns how many.
macro_rules! tile {
    ($s:ty, $h:ty, $rest:expr, |$n:ident| $body:expr) => {{
        use $crate::kernel::abreast::{Tiling, sized};
        let rest: usize = $rest;
        if const { <$s>::REGISTERS > 16 && !<$h>::IS_CONST } {
            // Fewer sizes to compile.
            let units = if rest >= 4 { 4 } else { 1 };
            sized!(Units, $s, $h, units, |$n| in 4 1 => $body);
            units
        } else {
            let units = Tiling::Units.next(<$s>::REGISTERS, rest);
            sized!(Units, $s, $h, units, |$n| in 5 4 3 2 1 => $body);
            units
        }
    }};
}
pub(crate) use tile;

/// `start[n] + Σ_k a[k]·w[k, n]` for `N` units, in 4 chains each.
#[inline(always)]
pub(crate) fn links<T: Float, S: Isa, K: Dim, const N: usize>(
    start: [T::Vector<S>; N],
    a: Columns<'_, T, K>,
    w: Matrix<'_, T>,
) -> [T::Vector<S>; N] {
    let zero = T::Vector::<S>::splat(T::ZERO);
    let mut chains = [[[zero]; 4]; N];
    unroll!(|n| in 8: N => chains[n][0][0] = start[n]);
    let mut k = 0;
    while k + 4 <= a.count.size() {
        unroll!(|c| in 4 => {
            let element = T::Vector::<S>::load(a.data, (k + c) * T::Vector::<S>::LANES);
            let weights = &w.data[(k + c) * w.stride..][..N];
            unroll!(|n| in 8: N => chains[n][c][0] = element.mul_add(T::Vector::<S>::splat(weights[n]), chains[n][c][0]));
        });
        k += 4;
    }
    unroll!(|c| in 3 => if k + c < a.count.size() {
        let element = T::Vector::<S>::load(a.data, (k + c) * T::Vector::<S>::LANES);
        let weights = &w.data[(k + c) * w.stride..][..N];
        unroll!(|n| in 8: N => chains[n][c][0] = element.mul_add(T::Vector::<S>::splat(weights[n]), chains[n][c][0]));
    });
    let mut sums = start;
    unroll!(|n| in 8: N => sums[n] = join::<T, S, 1>(chains[n])[0]);
    sums
}

/// `start[n] + Σ_k a[k]·w[k, n]` for `N` units, in one chain each, which is the least work.
#[inline(always)]
pub(crate) fn chain<T: Float, S: Isa, K: Dim, const N: usize>(
    start: [T::Vector<S>; N],
    a: Columns<'_, T, K>,
    w: Matrix<'_, T>,
) -> [T::Vector<S>; N] {
    let mut sums = start;
    for k in 0..a.count.size() {
        let element = T::Vector::<S>::load(a.data, k * T::Vector::<S>::LANES);
        let weights = &w.data[k * w.stride..][..N];
        unroll!(|n| in 8: N => sums[n] = element.mul_add(T::Vector::<S>::splat(weights[n]), sums[n]));
    }
    sums
}

/// Whether [`tree`] knows the order for `size` units: of all sizes where lanes are few, up to 3 registers where many.
#[inline(always)]
pub(crate) fn knows_order(lanes: usize, size: usize) -> bool {
    lanes <= 4 || size <= 3 * lanes
}

/// `bias + Σ_k h[k]·w[k]` in the order of [`super::dot`]: 4 chains of registers as long as more than 3 are left, then one
/// chain; the chains join as (0 + 2) + (1 + 3), and the lanes by halves. `h` is `(H, L)`.
#[inline(always)]
pub(crate) fn tree<T: Float, S: Isa>(bias: T, h: &[T], w: &[T]) -> T::Vector<S> {
    let lanes = T::Vector::<S>::LANES;
    // The sum of lane `l` in chain `c` is number `c·L + l`.
    let mut sums = [T::Vector::<S>::splat(T::ZERO); 16];
    sums[0] = T::Vector::<S>::splat(bias);
    let mut at = 0;
    while at < w.len() {
        let width = if at + 3 * lanes < w.len() { 4 * lanes } else { lanes };
        for k in at..w.len().min(at + width) {
            let element = T::Vector::<S>::load(h, k * lanes);
            sums[(k - at) % 16] = element.mul_add(T::Vector::<S>::splat(w[k]), sums[(k - at) % 16]);
        }
        at += width;
    }
    if const { T::Vector::<S>::LANES <= 4 } && w.len() > 3 * lanes {
        for lane in 0..lanes {
            let even = sums[lane].add(sums[2 * lanes + lane]);
            sums[lane] = even.add(sums[lanes + lane].add(sums[3 * lanes + lane]));
        }
    }
    let mut half = lanes / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] = sums[lane].add(sums[lane + half]);
        }
        half /= 2;
    }
    sums[0]
}

/// `out[k] = (Σ_o d_y[o]·fc[o, k] + Σ_n future[n]·w[k, n]) · f'` for `N` units `k`, with `f'` from their `hidden`.
#[inline(always)]
pub(crate) fn back<T: Float, S: Isa, F: Function, H: Dim, O: Dim, const N: usize>(
    f: F,
    (d_y, fc): (Columns<'_, T, O>, Matrix<'_, T>),
    (future, w): (Option<Columns<'_, T, H>>, Matrix<'_, T>),
    hidden: &[T],
    out: &mut [T],
) {
    let lanes = T::Vector::<S>::LANES;
    let (hidden, out) = (&hidden[..N * lanes], &mut out[..N * lanes]);
    let mut sums = [T::Vector::<S>::splat(T::ZERO); N];
    sums = chain::<T, S, O, N>(sums, d_y, fc);
    if let Some(future) = future {
        sums = across::<T, S, H, N>(sums, future, w);
    }
    unroll!(|k| in 8: N => f.backward(sums[k], T::Vector::<S>::load(hidden, k * lanes)).store(out, k * lanes));
}

/// `start[k] + Σ_n a[n]·w[k, n]` for the first `N` rows of `w`.
#[inline(always)]
fn across<T: Float, S: Isa, K: Dim, const N: usize>(
    start: [T::Vector<S>; N],
    a: Columns<'_, T, K>,
    w: Matrix<'_, T>,
) -> [T::Vector<S>; N] {
    let mut sums = start;
    let mut rows = [w.data; N];
    unroll!(|k| in 8: N => rows[k] = &w.data[k * w.stride..][..a.count.size()]);
    #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
    for n in 0..a.count.size() {
        let element = T::Vector::<S>::load(a.data, n * T::Vector::<S>::LANES);
        unroll!(|k| in 8: N => sums[k] = element.mul_add(T::Vector::<S>::splat(rows[k][n]), sums[k]));
    }
    sums
}

/// Where the gradients of a block of weights go.
pub(crate) struct Sums<'a, T> {
    /// (K, N, L): sums lane by lane.
    pub lanes: &'a mut [T],
    /// Whether there are none yet, and it does not matter what is there.
    pub fresh: bool,
    /// After the last sequences: the gradient, to which the sums over all lanes are added, and how far apart its rows are.
    pub total: Option<(&'a mut [T], usize)>,
}

impl<T: Float> Sums<'_, T> {
    /// Adds the vectors `acc` to row `k`, from column `n` on.
    #[inline(always)]
    fn add<S: Isa, const N: usize>(
        &mut self,
        (k, n): (usize, usize),
        columns: usize,
        acc: [T::Vector<S>; N],
    ) {
        let lanes = T::Vector::<S>::LANES;
        let row = &mut self.lanes[(k * columns + n) * lanes..][..N * lanes];
        let mut acc = acc;
        if !self.fresh {
            unroll!(|c| in 8: N => acc[c] = T::Vector::<S>::load(row, c * lanes).add(acc[c]));
        }
        match &mut self.total {
            None => {
                unroll!(|c| in 8: N => acc[c].store(row, c * lanes));
            }
            Some((total, stride)) => {
                let total = &mut total[k * *stride + n..][..N];
                let mut c = 0;
                if const { N >= 4 } {
                    T::Vector::<S>::add_sums([acc[0], acc[1], acc[2], acc[3]], total, 0);
                    c = 4;
                }
                while c < N {
                    total[c] += acc[c].sum();
                    c += 1;
                }
            }
        }
    }
}

/// `w[k, n] += Σ_t a[t, k]·d[t, n]` for a `w (K, N)`.
#[inline(always)]
pub(crate) fn outer_acc<T: Float, S: Isa, K: Dim, N: Dim>(
    a: Columns<'_, T, K>,
    d: Columns<'_, T, N>,
    steps: usize,
    mut w: Sums<'_, T>,
) {
    let mut k = 0;
    while k < a.count.size() {
        let rows = Tiling::Rows.next(S::REGISTERS, a.count.size() - k);
        sized!(Rows, S, K, rows, |ROWS| in 4 3 2 1 => {
            rows_acc::<T, S, K, N, ROWS>((a, k), d, steps, &mut w);
        });
        k += rows;
    }
}

/// `K` rows from `k` on.
#[inline(always)]
fn rows_acc<T: Float, S: Isa, A: Dim, D: Dim, const K: usize>(
    a: (Columns<'_, T, A>, usize),
    d: Columns<'_, T, D>,
    steps: usize,
    w: &mut Sums<'_, T>,
) {
    let mut n = 0;
    while n < d.count.size() {
        let columns = Tiling::Columns.next(S::REGISTERS, d.count.size() - n);
        sized!(Columns, S, D, columns, |COLUMNS| in 5 4 1 => {
            tile_acc::<T, S, A, D, K, COLUMNS>(a, (d, n), steps, w);
        });
        n += columns;
    }
}

/// `K` rows from `k` on and `N` columns from `n` on.
#[inline(always)]
fn tile_acc<T: Float, S: Isa, A: Dim, D: Dim, const K: usize, const N: usize>(
    (a, k): (Columns<'_, T, A>, usize),
    (d, n): (Columns<'_, T, D>, usize),
    steps: usize,
    w: &mut Sums<'_, T>,
) {
    let lanes = T::Vector::<S>::LANES;
    let mut acc = [[T::Vector::<S>::splat(T::ZERO); N]; K];
    for t in 0..steps {
        let inputs = &a.data[(t * a.count.size() + k) * lanes..][..K * lanes];
        let gradients = &d.data[(t * d.count.size() + n) * lanes..][..N * lanes];
        unroll!(|row| in K => {
            let input = T::Vector::<S>::load(inputs, row * lanes);
            unroll!(|column| in 8: N => {
                let gradient = T::Vector::<S>::load(gradients, column * lanes);
                acc[row][column] = input.mul_add(gradient, acc[row][column]);
            });
        });
    }
    unroll!(|row| in K => w.add::<S, N>((k + row, n), d.count.size(), acc[row]));
}

/// `w[n] += Σ_t d[t, n]` for a `w (N)`.
#[inline(always)]
pub(crate) fn rows_sum_acc<T: Float, S: Isa>(d: &[T], count: usize, steps: usize, mut w: Sums<'_, T>) {
    let lanes = T::Vector::<S>::LANES;
    for n in 0..count {
        let mut sum = T::Vector::<S>::splat(T::ZERO);
        for t in 0..steps {
            sum = sum.add(T::Vector::<S>::load(d, (t * count + n) * lanes));
        }
        w.add::<S, 1>((0, n), count, [sum]);
    }
}
