//! The kernels: what runs while a network trains. Written once for every size, type and level, in
//! safe Rust but for entering a level ([`level`]) and the intrinsics ([`vector`] and its x86 form).
//!
//! | kernel | what it does | where it works |
//! |---|---|---|
//! | [`sweep`] | `s' = start + s·W`, `s` in registers | recurrent steps of one sequence, both ways |
//! | [`blocks`] | `start + x·W` and its gradient, 4 inputs to a block of lanes | inputs of one sequence, few units |
//! | [`affine`] | `out[m, n] = finish(start + Σ_k a[m, k]·w[k, n])` | projections and steps of a group |
//! | [`outer`] | `w[k, n] += Σ_m a[m, k]·d[m, n]` | weight gradients |
//! | [`product`] | the last two for run-time sizes, compiled once | all of [`crate::stack`] but its sweeps |
//! | [`panel`] | the same two for large sizes, from weights in panels | all of [`crate::stack`] from some size on |
//! | [`dot`] | `y = bias + Σ_k h[k]·w[k]` | readout |
//! | [`abreast`] | the same four with a sequence in each lane | batches of small networks |
//! | [`gather`] | rows one after the other → side by side | inputs and labels of those |
//! | [`activation`] | `h = f(a)` and `f'` from `h` | recurrent step, backward sweep |
//!
//! Matrices are flat slices. Rows that hold hidden units are padded with zeros to whole cache lines, so that a
//! vector load needs neither a mask nor a scalar tail; the kernels keep the padding zero.

pub(crate) mod abreast;
pub(crate) mod activation;
pub(crate) mod affine;
pub(crate) mod blocks;
pub(crate) mod denormal;
pub(crate) mod dispatch;
pub(crate) mod dot;
pub(crate) mod elementary;
pub(crate) mod gather;
pub(crate) mod level;
pub(crate) mod outer;
pub(crate) mod panel;
pub(crate) mod product;
pub(crate) mod sweep;
#[cfg(target_arch = "x86_64")]
pub(crate) mod tanh_table;
pub(crate) mod tile;
pub(crate) mod transpose;
#[cfg(target_arch = "x86_64")]
pub(crate) mod uneven;
pub(crate) mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;
