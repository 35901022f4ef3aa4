//! [`Level`]: which instruction set the kernels use, and the one place that enters it.
//!
//! Kernel bodies are safe Rust, `#[inline(always)]` and generic over [`Isa`], which names the level's vectors.
//! [`Isa::call`] calls such a body from a function with `#[target_feature]`, so that the vectors' operations
//! become single instructions. Entering happens once per epoch or call, never per timestep.

use std::fmt;

use super::denormal::flushed;
use super::vector::Vector;

/// What a kernel body knows about the instruction set that it is compiled for: its vectors.
pub trait Isa: Copy + 'static {
    /// Lanes of f32.
    type F32: Vector<f32>;
    /// Lanes of f64.
    type F64: Vector<f64>;
    /// How many vectors there are registers for.
    const REGISTERS: usize;
    /// The same instructions with a row of hidden units in one and a half registers, where a register is wide enough to be halved;
    /// else the level itself.
    type Uneven: Isa;

    /// Runs `kernel`, compiled for this level, in a function of its own: unless the compiler writes one that is called from a single
    /// place into its caller.
    ///
    /// Everything else is inlined into the caller. What several kernels share, and is large and called seldom, goes
    /// through here, so that it is compiled once.
    fn call<K: Kernel>(kernel: K) -> K::Output;
}

/// A kernel: data plus a body that can be compiled for every level.
pub trait Kernel {
    /// The type it works on.
    type Element;
    type Output;
    /// The body. Must be `#[inline(always)]`, or it is compiled for the baseline only.
    fn run<S: Isa>(self) -> Self::Output;
}

/// Declares a level, with modules of their own for its compiled bodies: the compiler works on modules side by side.
#[cfg(target_arch = "x86_64")]
macro_rules! isa {
    ($module:ident, $name:ident: $f32:ident, $f64:ident, $registers:literal, $uneven:ident, $features:literal) => {
        mod $module {
            use super::super::x86;
            use super::{Isa, Kernel};

            isa!(@ single, $name, $features);
            isa!(@ double, $name, $features);

            #[derive(Clone, Copy)]
            pub struct $name;
            impl Isa for $name {
                type F32 = x86::$f32;
                type F64 = x86::$f64;
                const REGISTERS: usize = $registers;
                type Uneven = super::$uneven;

                #[allow(unsafe_code)]
                fn call<K: Kernel>(kernel: K) -> K::Output {
                    // SAFETY: the level is private to this file. `Level::run` is the first to name it, after
                    // `Level::available` has detected its features; a kernel names it only when run by it.
                    unsafe {
                        if const { size_of::<K::Element>() == 4 } { single::call(kernel) } else { double::call(kernel) }
                    }
                }
            }
        }
        use $module::$name;
    };
    (@ $module:ident, $name:ident, $features:literal) => {
        mod $module {
            #[target_feature(enable = $features)]
            #[inline(never)]
            pub(super) fn call<K: super::Kernel>(kernel: K) -> K::Output {
                kernel.run::<super::$name>()
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
isa!(baseline, Baseline: F32x4, F64x2, 16, Baseline, "sse2");
#[cfg(target_arch = "x86_64")]
isa!(avx2, Avx2: F32x8, F64x4, 16, Avx2, "avx2,fma");
#[cfg(target_arch = "x86_64")]
isa!(avx512, Avx512: F32x16, F64x8, 32, Avx512Uneven, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl");
#[cfg(target_arch = "x86_64")]
isa!(avx512_uneven, Avx512Uneven: F32x24, F64x12, 20, Avx512Uneven, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl");

/// The only level of other architectures.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Clone, Copy)]
struct Baseline;
#[cfg(not(target_arch = "x86_64"))]
impl Isa for Baseline {
    type F32 = super::vector::Portable<f32, 4>;
    type F64 = super::vector::Portable<f64, 2>;
    const REGISTERS: usize = 16;
    type Uneven = Self;

    #[inline(never)]
    fn call<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Self>()
    }
}

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

    /// Runs `kernel` compiled for this level, with denormal numbers as 0: all arithmetic of the engine comes through here,
    /// on whichever thread.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        flushed(|| self.enter(kernel))
    }

    /// Runs `kernel` compiled for this level, with denormal numbers as the thread takes them: the elementary functions are
    /// right for them too, which their tests show through here.
    #[inline(always)]
    pub(super) fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Baseline => Baseline::call(kernel),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => Avx2::call(kernel),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => Avx512::call(kernel),
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
