//! Denormal numbers: below 1e-38 in f32, 1e-308 in f64.
//!
//! A state that fades, a gradient that vanishes over hundreds of timesteps or the momentum of a unit that is dead goes
//! through them on its way to 0, where processors are up to a hundred times slower. They tell nothing: inside the kernels
//! they are 0.

/// Runs `work` with denormal numbers taken and given as 0, on this thread, and leaves the thread as it was.
///
/// The compiler knows nothing of it. All that it could do is to compute a constant as if denormals were there.
#[inline(always)]
pub(crate) fn flushed<R>(work: impl FnOnce() -> R) -> R {
    with(true, work)
}

/// The same, or, without `flush`, with denormal numbers as they are: a new thread has the setting of the one that made it.
#[inline(always)]
pub(crate) fn with<R>(flush: bool, work: impl FnOnce() -> R) -> R {
    let _before = Restore::set(flush);
    work()
}

/// Whether denormal numbers are 0 on this thread at the moment.
pub(crate) fn are_flushed() -> bool {
    #[cfg(target_arch = "x86_64")]
    return read() & Restore::FLUSH == Restore::FLUSH;
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// What the control register held.
#[cfg(target_arch = "x86_64")]
struct Restore(Option<u32>);

#[cfg(target_arch = "x86_64")]
impl Restore {
    /// "Denormals are zeros" of operands, and "flush to zero" of results.
    const FLUSH: u32 = 1 << 6 | 1 << 15;

    #[inline(always)]
    fn set(flush: bool) -> Self {
        let before = read();
        let wanted = if flush { before | Self::FLUSH } else { before & !Self::FLUSH };
        if before == wanted {
            return Self(None);
        }
        write(wanted);
        Self(Some(before))
    }
}

#[cfg(target_arch = "x86_64")]
impl Drop for Restore {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            write(before);
        }
    }
}

/// The control register of vector instructions, MXCSR.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code)]
fn read() -> u32 {
    let mut value = 0_u32;
    // SAFETY: every x86-64 processor has the instruction, which stores 4 bytes: `value`.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags)) };
    value
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code)]
fn write(value: u32) {
    // SAFETY: the instruction loads 4 bytes: `value`, which is what the register held, with or without the two bits that
    // every x86-64 processor knows. Rounding and the masks of exceptions stay as they are.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, readonly)) };
}

/// Other processors keep their denormals.
#[cfg(not(target_arch = "x86_64"))]
struct Restore;

#[cfg(not(target_arch = "x86_64"))]
impl Restore {
    fn set(_: bool) -> Self {
        Self
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use std::hint::black_box;

    fn half(x: f32) -> f32 {
        black_box(black_box(x) * 0.5)
    }

    #[test]
    fn denormals_are_zero_inside_and_there_again_outside() {
        let least = f32::MIN_POSITIVE;
        assert!(half(least) > 0.0);
        flushed(|| {
            assert_eq!(half(least), 0.0);
            // Once more inside changes nothing.
            flushed(|| assert_eq!(half(least), 0.0));
            assert_eq!(half(least), 0.0);
            assert_eq!(half(4.0 * least), 2.0 * least);
            assert!(are_flushed());
        });
        assert!(!are_flushed());
        flushed(|| with(false, || assert!(half(least) > 0.0)));
        assert!(half(least) > 0.0);
    }

    #[test]
    fn a_panic_leaves_the_thread_as_it_was() {
        let before = read();
        let result = std::panic::catch_unwind(|| flushed(|| panic!("inside")));
        assert!(result.is_err());
        assert_eq!(read(), before);
    }
}
