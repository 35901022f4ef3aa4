//! [`Level`]: which instruction set the kernels use, and the one place that enters it.
//!
//! Kernel bodies are safe Rust, `#[inline(always)]` and generic over [`Isa`], which names the level's vectors.
//! [`Level::run`] calls such a body from a function with `#[target_feature]`, so that the vectors' operations
//! become single instructions. Entering happens once per epoch or call, never per timestep.

use std::fmt;

use super::vector::Vector;
#[cfg(target_arch = "x86_64")]
use super::x86;

/// What a kernel body knows about the instruction set that it is compiled for: its vectors.
pub trait Isa: Copy + 'static {
    /// Lanes of f32.
    type F32: Vector<f32>;
    /// Lanes of f64.
    type F64: Vector<f64>;
}

/// A kernel: data plus a body that can be compiled for every level.
pub(crate) trait Kernel {
    type Output;
    /// The body. Must be `#[inline(always)]`, or it is compiled for the baseline only.
    fn run<S: Isa>(self) -> Self::Output;
}

macro_rules! isa {
    ($name:ident, $f32:ty, $f64:ty) => {
        #[derive(Clone, Copy)]
        struct $name;
        impl Isa for $name {
            type F32 = $f32;
            type F64 = $f64;
        }
    };
}
#[cfg(not(target_arch = "x86_64"))]
isa!(Baseline, super::vector::Portable<f32, 4>, super::vector::Portable<f64, 2>);
#[cfg(target_arch = "x86_64")]
isa!(Baseline, x86::F32x4, x86::F64x2);
#[cfg(target_arch = "x86_64")]
isa!(Avx2, x86::F32x8, x86::F64x4);
#[cfg(target_arch = "x86_64")]
isa!(Avx512, x86::F32x16, x86::F64x8);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// An instruction-set level that this machine has.
///
/// Only detection makes one, so holding a `Level` proves that its instructions exist. Results of different
/// levels differ in the last bits (fused multiply-add rounds once); on one level the bits are always the same.
///
/// ```
/// let best = bptt::Level::best();
/// assert!(bptt::Level::available().contains(&best));
/// println!("{best}");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(Kind);

impl Level {
    /// All levels of this machine, lowest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut levels = vec![Self(Kind::Baseline)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Self(Kind::Avx2));
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    levels.push(Self(Kind::Avx512));
                }
            }
        }
        levels
    }

    /// The highest level of this machine, or a lower one where the environment variable `BPTT_LEVEL` names it
    /// (`baseline`, `avx2`, `avx512`). The variable can lower the level, never raise it; another text is ignored.
    pub fn best() -> Self {
        let available = Self::available();
        let wanted = std::env::var("BPTT_LEVEL").unwrap_or_default();
        let found = available.iter().find(|level| level.name() == wanted).or(available.last());
        found.copied().unwrap_or(Self(Kind::Baseline))
    }

    /// The level's name, as `BPTT_LEVEL` takes it.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Baseline => "baseline",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
        }
    }

    /// Runs `kernel` compiled for this level.
    #[allow(unsafe_code)]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2<K: Kernel>(kernel: K) -> K::Output {
            kernel.run::<Avx2>()
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
        fn avx512<K: Kernel>(kernel: K) -> K::Output {
            kernel.run::<Avx512>()
        }
        match self.0 {
            Kind::Baseline => kernel.run::<Baseline>(),
            // SAFETY: `Level::available` makes this kind only after detecting AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2(kernel) },
            // SAFETY: `Level::available` makes this kind only after detecting every feature listed above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512(kernel) },
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Level({})", self.name())
    }
}
