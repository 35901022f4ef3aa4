//! Phases: work in which every thread needs what all others have just done, step after step.
//!
//! A phase has a part for each thread. A thread does its own part first, so that what the part reads again in the next
//! phase is in its core's caches, and then waits for the others. A part that nobody has begun, because its thread has
//! not come yet or was taken off its core, is done by those who wait.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use super::pool::{LOOKS, Line, Threads, locked};

/// Parts of a phase at most.
pub(crate) const MOST_PARTS: usize = 16;

/// How often a thread looks whether the others are done before it takes a part of one of them: some 5 µs, in which a
/// thread that is at work will have begun.
const PATIENCE: usize = 200;

/// Runs `work(phase, part)` for all phases and the parts `0..parts` of each (at most [`MOST_PARTS`]), on `threads` or, without
/// them, this one: all parts of a phase are done, and what they wrote is there for all, before the next one begins.
///
/// # Panics
/// Where `work` does.
pub(crate) fn run_phases(
    threads: &mut Option<&mut Threads>,
    phases: usize,
    parts: usize,
    work: &(dyn Fn(usize, usize) + Sync),
) {
    match threads {
        Some(threads) if parts > 1 && threads.most() > 1 => {
            let run = Phases::new(phases, parts);
            threads.run_numbered(parts, &|_, thread| run.join(thread, work));
        }
        _ => (0..phases).for_each(|phase| (0..parts).for_each(|part| work(phase, part))),
    }
}

/// One run.
struct Phases {
    phases: usize,
    parts: usize,
    /// How many phases each part has been begun in. Others look at it only where its thread does not begin.
    begun: [Line<AtomicUsize>; MOST_PARTS],
    /// Whether the thread of each part has come.
    come: Line<[AtomicBool; MOST_PARTS]>,
    /// Parts done, of all phases together.
    done: Line<AtomicUsize>,
    /// Threads that sleep until a phase is done.
    asleep: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
    /// A part has panicked; its phase will never be done.
    broken: AtomicBool,
}

/// Where a part ends, one way or the other.
struct End<'a>(&'a Phases);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Phases {
    fn new(phases: usize, parts: usize) -> Self {
        Self {
            phases,
            parts,
            begun: std::array::from_fn(|_| Line::default()),
            come: Line::default(),
            done: Line::default(),
            asleep: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
            broken: AtomicBool::new(false),
        }
    }

    /// What a thread does that comes: its part is that of its number, in every run. Who comes twice, for a thread that has not come at
    /// all, finds everything done.
    fn join(&self, thread: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        let mut own = thread;
        while self.come.0[own].swap(true, Ordering::Relaxed) {
            own = (own + 1) % self.parts;
        }
        // Who comes late finds the first phases done by others.
        let mut phase = self.done.0.load(Ordering::Acquire) / self.parts;
        while phase < self.phases && !self.broken.load(Ordering::Relaxed) {
            self.take(phase, own, work);
            self.wait(phase, work);
            phase += 1;
        }
    }

    /// Does `part`, if it is still to be begun in `phase`.
    fn take(&self, phase: usize, part: usize, work: &(dyn Fn(usize, usize) + Sync)) -> bool {
        let begun = &self.begun[part].0;
        if begun.compare_exchange(phase, phase + 1, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        let end = End(self);
        work(phase, part);
        drop(end);
        true
    }

    fn is_done(&self, phase: usize) -> bool {
        self.done.0.load(Ordering::Acquire) >= (phase + 1) * self.parts
    }

    /// Returns when all parts of `phase` are done, some of them by this thread.
    fn wait(&self, phase: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        let mut looks = 0;
        while looks < LOOKS {
            if self.is_done(phase) || self.broken.load(Ordering::Relaxed) {
                return;
            }
            for part in 0..self.parts {
                let has_come = self.come.0[part].load(Ordering::Relaxed);
                if (!has_come || looks >= PATIENCE) && self.take(phase, part, work) {
                    looks = 0;
                }
            }
            spin_loop();
            looks += 1;
        }
        // Every part has been begun; whoever has the last one is no longer on a core, or it is long.
        let guard = locked(&self.lock);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        let goes_on = |(): &mut ()| !self.is_done(phase) && !self.broken.load(Ordering::SeqCst);
        drop(self.wake.wait_while(guard, goes_on).unwrap_or_else(PoisonError::into_inner));
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }

    /// Counts a part that is done, or that never will be.
    fn end(&self) {
        if std::thread::panicking() {
            self.broken.store(true, Ordering::SeqCst);
        } else {
            self.done.0.fetch_add(1, Ordering::SeqCst);
        }
        if self.asleep.load(Ordering::SeqCst) > 0 {
            // With the lock: who is about to sleep has looked before, or sleeps by now.
            let guard = locked(&self.lock);
            self.wake.notify_all();
            drop(guard);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    /// Each part of a phase adds up what all parts wrote in the one before.
    fn sums(most: usize, phases: usize, parts: usize, slow: impl Fn(usize, usize) + Sync) -> Vec<usize> {
        let cells: Vec<[AtomicUsize; 2]> =
            (0..parts).map(|part| [part + 1, 0].map(AtomicUsize::new)).collect();
        let mut threads = Threads::new(most);
        run_phases(&mut Some(&mut threads), phases, parts, &|phase, part| {
            slow(phase, part);
            let sum: usize = cells.iter().map(|cell| cell[phase % 2].load(Ordering::Relaxed)).sum();
            cells[part][(phase + 1) % 2].store((sum + part) % 1_000_003, Ordering::Relaxed);
        });
        cells.iter().map(|cell| cell[phases % 2].load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn every_phase_sees_the_whole_of_the_one_before() {
        for parts in [1, 2, 3, 8] {
            for phases in [0, 1, 2, 500] {
                let expected = sums(1, phases, parts, |_, _| {});
                for most in [2, 3, 5] {
                    assert_eq!(sums(most, phases, parts, |_, _| {}), expected, "{most} {phases} {parts}");
                }
            }
        }
    }

    #[test]
    fn slow_parts_are_waited_for_and_parts_of_slow_threads_are_taken_over() {
        let expected = sums(1, 60, 3, |_, _| {});
        // Longer than anybody looks.
        let slow = |phase: usize, part: usize| {
            if (phase + part).is_multiple_of(7) {
                std::thread::sleep(Duration::from_micros(300));
            }
        };
        assert_eq!(sums(3, 60, 3, slow), expected);
        let worker_is_slow = |_: usize, _: usize| {
            if std::thread::current().name() == Some("bptt") {
                std::thread::sleep(Duration::from_micros(200));
            }
        };
        assert_eq!(sums(2, 60, 3, worker_is_slow), expected);
    }

    #[test]
    fn every_part_is_done_once() {
        let counts: Vec<AtomicUsize> = (0..40 * 4).map(|_| AtomicUsize::new(0)).collect();
        let mut threads = Threads::new(4);
        run_phases(&mut Some(&mut threads), 40, 4, &|phase, part| {
            counts[phase * 4 + part].fetch_add(1, Ordering::Relaxed);
        });
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_panic_ends_the_run_on_all_threads() {
        let mut threads = Threads::new(3);
        for part in 0..3 {
            let work = |phase: usize, at: usize| {
                if (phase, at) == (5, part) {
                    panic!("part {part}");
                }
            };
            let run = || run_phases(&mut Some(&mut threads), 9, 3, &work);
            let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            assert_eq!(panic.downcast_ref::<String>(), Some(&format!("part {part}")));
            run_phases(&mut Some(&mut threads), 3, 3, &|_, _| {});
        }
    }
}
