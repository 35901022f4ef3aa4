//! [`Tempo`]: which of two ways is quicker, found out while they are used.
//!
//! Two threads that work on the units of one timestep wait for each other twice a step, and two that keep step in small batches once a
//! batch. Whether that pays, for a layer of middling size or a batch of few microseconds, depends on how soon one core hears of
//! another, which changes within minutes on virtual machines and beside other processes. So it is measured: both ways give the same
//! bits, and nothing but the time depends on the choice.

use std::time::Duration;

/// Calls of the first look at a way and of later ones, of which the last two count: what the first ones find in their caches the other
/// way has left there, and the other thread may have to wake up.
const LOOK: [usize; 2] = [5, 3];
const COUNT: usize = 2;

/// Calls of the quicker way before the next look at the other one: at first, where a thread may just have been made and not be on a
/// core yet, and then four times as many each time, up to so many, or so many where the other way is clearly slower. A way that has become
/// slow calls for a look as soon as after the first number.
const LEAST: usize = 8;
const MOST: [usize; 2] = [64, 512];

/// Calls whose median is the pace of a way: single ones that somebody else has disturbed say nothing.
const CALLS: usize = 5;

/// What is known of a way.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    /// Nanoseconds for a unit of work in the last calls.
    paces: [f64; CALLS],
    calls: usize,
}

impl Way {
    fn add(&mut self, pace: f64) {
        self.paces[self.calls % CALLS] = pace;
        self.calls += 1;
    }

    fn pace(&self) -> f64 {
        let mut paces = self.paces;
        let known = &mut paces[..self.calls.min(CALLS)];
        known.sort_unstable_by(f64::total_cmp);
        known.get(known.len().saturating_sub(1) / 2).copied().unwrap_or(f64::INFINITY)
    }
}

/// Chooses between a slower and a quicker way, whichever they are.
#[derive(Debug, Clone)]
pub(crate) struct Tempo {
    ways: [Way; 2],
    /// The way of this call.
    way: usize,
    /// Calls until the other way is looked at, or until the look ends.
    left: usize,
    looks: bool,
    wait: usize,
}

impl Default for Tempo {
    fn default() -> Self {
        Self { ways: Default::default(), way: 1, left: LOOK[0], looks: true, wait: LEAST / 4 }
    }
}

impl Tempo {
    /// Whether the second way is to be taken now.
    pub fn choose(&self) -> bool {
        self.way == 1
    }

    /// The way that was chosen took so long for `work` units of work.
    pub fn took(&mut self, time: Duration, work: usize) {
        if !self.looks || self.left <= COUNT {
            self.ways[self.way].add(time.as_nanos() as f64 / work.max(1) as f64);
        }
        self.left -= 1;
        let other = 1 - self.way;
        let is_slow = self.ways[self.way].pace() > 1.25 * self.ways[other].pace();
        if self.left == 0 && self.looks && self.ways[other].calls > 0 {
            self.decide();
        } else if self.left == 0 || !self.looks && is_slow && self.left + LEAST <= self.wait {
            let look = LOOK[usize::from(self.ways[other].calls > 0)];
            // Anew: what was known may be long ago.
            self.ways[other].calls = 0;
            (self.way, self.left, self.looks) = (other, look, true);
        }
    }

    /// Takes the quicker way for a while.
    fn decide(&mut self) {
        let [first, second] = self.ways.map(|way| way.pace());
        let best = usize::from(second < first);
        let is_clear = first.max(second) > 1.2 * first.min(second);
        // Another way than before is to be looked at again soon.
        let before = if self.way == best { LEAST / 4 } else { self.wait };
        self.wait = (4 * before).min(MOST[usize::from(is_clear)]);
        (self.way, self.left, self.looks) = (best, self.wait, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `calls` with the times that `pace` gives each way; returns how many took the second.
    fn run(tempo: &mut Tempo, calls: usize, pace: [u64; 2]) -> usize {
        let mut second = 0;
        for _ in 0..calls {
            let way = usize::from(tempo.choose());
            second += way;
            tempo.took(Duration::from_nanos(100 * pace[way]), 100);
        }
        second
    }

    #[test]
    fn the_quicker_way_is_taken_nearly_always() {
        for (pace, least, most) in [([10, 5], 975, 1000), ([5, 10], 0, 25), ([100, 95], 930, 1000)] {
            let second = run(&mut Tempo::default(), 1000, pace);
            assert!((least..=most).contains(&second), "{pace:?}: {second}");
        }
    }

    #[test]
    fn what_becomes_slow_is_left_within_some_calls() {
        let mut tempo = Tempo::default();
        run(&mut tempo, 500, [10, 6]);
        // The second way now takes three times as long; then it is as it was.
        assert!(run(&mut tempo, 1000, [10, 18]) < 70);
        assert!(run(&mut tempo, 6000, [10, 6]) > 5000);
        // Everything becomes slow: the choice stays.
        assert!(run(&mut tempo, 1000, [30, 18]) > 900);
    }

    #[test]
    fn a_thread_that_comes_late_is_waited_for() {
        let mut tempo = Tempo::default();
        run(&mut tempo, 12, [10, 11]);
        assert!(run(&mut tempo, 100, [10, 6]) > 80);
    }

    #[test]
    fn single_disturbed_calls_change_nothing() {
        let (mut tempo, mut second) = (Tempo::default(), 0);
        for call in 0..2000 {
            let way = usize::from(tempo.choose());
            second += way;
            // Every third call of either way takes up to fifty times as long, and the first after a change as well.
            let disturbed = if call % 3 == 1 { 1 + call as u64 % 50 } else { 1 };
            tempo.took(Duration::from_nanos([1000, 700][way] * disturbed), 100);
        }
        assert!(second > 1850, "{second}");
    }
}
