//! [`Threads`]: workers that are made when there is first something for them to do, and sleep while there is nothing.

use std::any::Any;
use std::fmt;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::available::available;
use super::share::WORK_OF_A_CALL;
use crate::kernel::denormal::{are_flushed, with};

/// How often a thread that waits looks before it goes to sleep: some 25 µs. To be woken takes 30 µs, as long as all that
/// lies between two batches of a network of up to 100 units.
pub(super) const LOOKS: usize = 1000;

/// The threads of one trainer or predictor: the one that calls, and workers.
pub struct Threads {
    /// How many there may be, the caller among them.
    most: usize,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// What the workers know.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Where workers sleep until there are parts to take.
    start: Condvar,
    /// Where the caller sleeps until the parts that others have taken are done.
    finish: Condvar,
    /// Counts what workers wait for, so that they need not take the lock to look.
    news: Line<AtomicUsize>,
    /// [`State::running`], for the same reason.
    running: Line<AtomicUsize>,
}

/// In cache lines of its own (processors fetch them in pairs): who looks at it does not disturb who writes beside it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Line<T>(pub T);

/// The work at hand.
#[derive(Default)]
struct State {
    work: Option<Work>,
    /// Whether the caller takes denormal numbers as 0: whoever works for it does as well.
    flushes: bool,
    /// The next part that nobody has taken, and how many parts there are.
    next: usize,
    parts: usize,
    /// Parts that workers have taken and not done.
    running: usize,
    /// Threads with a lower number take parts: so the same ones work on the same things, where there are more of them than parts.
    limit: usize,
    /// Which workers are asleep, by number − 1.
    asleep: Vec<bool>,
    /// What the first part that failed said.
    panic: Option<Box<dyn Any + Send>>,
    stop: bool,
}

impl State {
    /// Whether the thread `number` may take a part.
    fn has_part_for(&self, number: usize) -> bool {
        self.next < self.parts && number < self.limit
    }
}

/// Takes a part, and the number of the thread: 0 for the caller.
type Work = &'static (dyn Fn(usize, usize) + Sync);

/// The lock of `mutex`. A thread that panicked with it left nothing half done: what is in it is made anew for each use.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is in `mutex`, which nobody else has at the moment.
#[inline(always)]
pub(crate) fn inner<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}

impl Threads {
    /// Up to `most` threads, or as many as this process has a share of where that is 0. Makes none yet.
    pub fn new(most: usize) -> Self {
        let most = if most == 0 { available() } else { most };
        Self { most, shared: Arc::default(), workers: Vec::new() }
    }

    /// The same for a single call of `work` multiply-adds: one thread, where nobody asked for more and making them would
    /// take longer than they save.
    pub fn for_one_call(most: usize, work: usize) -> Self {
        Self::new(if most == 0 && work < WORK_OF_A_CALL { 1 } else { most })
    }

    /// How many there may be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// How many there have been so far.
    pub fn used(&self) -> usize {
        1 + self.workers.len()
    }

    /// Runs `work` for the parts `0..parts`, each once, on as many threads as there are, and returns when all are done.
    ///
    /// Which thread takes which part is left to chance: what a worker does not come to, because its core is busy with
    /// something else, the caller does itself.
    ///
    /// # Panics
    /// Where `work` does, whichever thread it was on, once no other part is being worked on.
    pub fn run(&mut self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        self.run_numbered(parts, &|part, _| work(part));
    }

    /// The same; `work` also gets the number of the thread, which it has in every run, below that of the parts: what it worked on
    /// before is in its core's caches.
    pub(super) fn run_numbered(&mut self, parts: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        let threads = self.most.min(parts);
        if threads > 1 {
            self.make_workers(threads - 1);
        }
        if threads <= 1 || self.workers.is_empty() {
            (0..parts).for_each(|part| work(part, 0));
            return;
        }
        // SAFETY: only the lifetime changes. Workers get `work` from `State::work`, together with a part. `Barrier` is
        // dropped before this function returns or unwinds; it empties `State::work` and waits until every part that was
        // taken is done, so that no worker has `work` any more.
        #[allow(unsafe_code)]
        let lasting = unsafe { std::mem::transmute::<&(dyn Fn(usize, usize) + Sync), Work>(work) };
        let barrier = Barrier(&self.shared);
        self.shared.publish(lasting, parts, threads);
        while let Some(part) = self.shared.take_own() {
            work(part, 0);
        }
        drop(barrier);
        let panic = locked(&self.shared.state).panic.take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Makes workers until there are `count`, or as many as the system allows.
    fn make_workers(&mut self, count: usize) {
        while self.workers.len() < count {
            let (shared, number) = (Arc::clone(&self.shared), self.workers.len() + 1);
            locked(&self.shared.state).asleep.resize(number, false);
            let worker = Builder::new().name("bptt".into()).spawn(move || shared.serve(number));
            match worker {
                Ok(worker) => self.workers.push(worker),
                // The caller does everything itself, and does not ask again and again.
                Err(_) => {
                    self.most = 1 + self.workers.len();
                    return;
                }
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if self.workers.is_empty() {
            return;
        }
        locked(&self.shared.state).stop = true;
        self.shared.news.0.fetch_add(1, Ordering::Release);
        self.shared.start.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches what the work throws; it has nothing of its own to say.
            let _ = worker.join();
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("most", &self.most).field("used", &self.used()).finish()
    }
}

/// Waits, when it is dropped, until nobody works any more.
struct Barrier<'a>(&'a Shared);

impl Drop for Barrier<'_> {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}

impl Shared {
    /// Offers the parts to the first `threads` threads, and wakes up those of them who sleep.
    fn publish(&self, work: Work, parts: usize, threads: usize) {
        let mut state = locked(&self.state);
        (state.work, state.next, state.parts, state.panic) = (Some(work), 0, parts, None);
        (state.flushes, state.limit) = (are_flushed(), threads);
        let wanted = threads.saturating_sub(1).min(state.asleep.len());
        let sleeps = state.asleep[..wanted].contains(&true);
        drop(state);
        self.news.0.fetch_add(1, Ordering::Release);
        if sleeps {
            // One by one it might be the others who wake up.
            self.start.notify_all();
        }
    }

    /// The next part for the caller.
    fn take_own(&self) -> Option<usize> {
        let mut state = locked(&self.state);
        let part = state.next;
        (part < state.parts).then(|| {
            state.next += 1;
            part
        })
    }

    /// Takes the work back; returns when what was taken is done.
    fn withdraw(&self) {
        for _ in 0..LOOKS {
            if self.running.0.load(Ordering::Acquire) == 0 {
                break;
            }
            spin_loop();
        }
        let mut state = locked(&self.state);
        state.next = state.parts;
        while state.running > 0 {
            state = self.finish.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.work = None;
    }

    /// The life of the worker `number`.
    fn serve(&self, number: usize) {
        let mut state = locked(&self.state);
        while !state.stop {
            let Some(work) = state.work.filter(|_| state.has_part_for(number)) else {
                state = self.wait(number, state);
                continue;
            };
            let part = state.next;
            state.next += 1;
            state.running += 1;
            let flushes = state.flushes;
            self.running.0.store(state.running, Ordering::Relaxed);
            drop(state);
            let result = catch_unwind(AssertUnwindSafe(|| with(flushes, || work(part, number))));
            state = locked(&self.state);
            if let Err(panic) = result {
                state.panic.get_or_insert(panic);
            }
            state.running -= 1;
            self.running.0.store(state.running, Ordering::Release);
            if state.running == 0 && state.next >= state.parts {
                self.finish.notify_one();
            }
        }
    }

    /// Waits for news: looks for a moment, then sleeps.
    fn wait<'a>(&'a self, number: usize, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let seen = self.news.0.load(Ordering::Acquire);
        drop(state);
        for _ in 0..LOOKS {
            if self.news.0.load(Ordering::Acquire) != seen {
                break;
            }
            spin_loop();
        }
        let mut state = locked(&self.state);
        let nothing = |state: &mut State| !state.stop && !state.has_part_for(number);
        if nothing(&mut state) {
            state.asleep[number - 1] = true;
            state = self.start.wait_while(state, nothing).unwrap_or_else(PoisonError::into_inner);
            state.asleep[number - 1] = false;
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn every_part_is_done_once_whatever_the_number_of_threads() {
        for most in [1, 2, 3, 5] {
            let mut threads = Threads::new(most);
            for parts in [0, 1, 2, 7, 64] {
                let done: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
                threads.run(parts, &|part| {
                    done[part].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{most} {parts}");
            }
            assert_eq!(threads.used(), most);
        }
    }

    #[test]
    fn no_thread_is_made_before_there_are_two_parts() {
        let mut threads = Threads::new(4);
        threads.run(1, &|_| {});
        assert_eq!(threads.used(), 1);
        threads.run(2, &|_| {});
        assert_eq!(threads.used(), 2);
        threads.run(9, &|_| {});
        assert_eq!(threads.used(), 4);
    }

    #[test]
    fn where_there_are_fewer_parts_than_threads_the_same_threads_work() {
        let mut threads = Threads::new(5);
        threads.run(5, &|_| {});
        for _ in 0..200 {
            threads.run_numbered(2, &|_, number| assert!(number < 2));
        }
        // From sleep too: each goes on only when the other has come.
        for _ in 0..5 {
            std::thread::sleep(std::time::Duration::from_millis(2));
            let seen = [const { AtomicUsize::new(0) }; 5];
            threads.run_numbered(2, &|_, number| {
                seen[number].fetch_add(1, Ordering::AcqRel);
                while seen[..2].iter().map(|seen| seen.load(Ordering::Acquire)).sum::<usize>() < 2 {
                    std::thread::yield_now();
                }
            });
            assert_eq!(seen.map(AtomicUsize::into_inner), [1, 1, 0, 0, 0]);
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_workers_go_on() {
        let mut threads = Threads::new(3);
        for failing in 0..6 {
            let done = AtomicUsize::new(0);
            let work = |part: usize| {
                if part == failing {
                    panic!("part {part}");
                }
                done.fetch_add(1, Ordering::Relaxed);
            };
            let panic = catch_unwind(AssertUnwindSafe(|| threads.run(6, &work))).unwrap_err();
            assert_eq!(panic.downcast_ref::<String>(), Some(&format!("part {failing}")));
            assert!(done.load(Ordering::Relaxed) <= 5);
            let done = AtomicUsize::new(0);
            threads.run(6, &|_| {
                done.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(done.load(Ordering::Relaxed), 6);
        }
    }

    #[test]
    fn the_caller_waits_for_a_slow_worker() {
        let mut threads = Threads::new(2);
        for _ in 0..50 {
            let (both, slow) = (AtomicUsize::new(0), AtomicBool::new(false));
            threads.run(2, &|_| {
                // Neither goes on before the other has begun: there are two threads at work.
                both.fetch_add(1, Ordering::AcqRel);
                while both.load(Ordering::Acquire) < 2 {
                    std::thread::yield_now();
                }
                if std::thread::current().name() == Some("bptt") {
                    std::thread::sleep(std::time::Duration::from_micros(200));
                    slow.store(true, Ordering::Release);
                }
            });
            assert!(slow.load(Ordering::Acquire));
        }
    }

    #[test]
    fn workers_take_denormal_numbers_as_the_caller_does() {
        for first in [true, false] {
            let mut threads = Threads::new(3);
            for flush in [first, !first, first] {
                with(flush, || {
                    let flush = are_flushed();
                    threads.run(3, &|_| {
                        std::thread::sleep(std::time::Duration::from_micros(100));
                        assert_eq!(are_flushed(), flush);
                    });
                });
            }
        }
    }

    #[test]
    fn dropping_ends_the_workers() {
        let threads = {
            let mut threads = Threads::new(3);
            threads.run(3, &|_| {});
            Arc::downgrade(&threads.shared)
        };
        // Each worker holds one.
        assert!(threads.upgrade().is_none());
        // From sleep too.
        let mut threads = Threads::new(2);
        threads.run(2, &|_| {});
        std::thread::sleep(std::time::Duration::from_millis(20));
        let shared = Arc::downgrade(&threads.shared);
        drop(threads);
        assert!(shared.upgrade().is_none());
    }
}
