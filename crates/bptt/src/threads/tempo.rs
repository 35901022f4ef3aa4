//! [`Tempo`]: which of two ways is quicker, found out while they are used.
//!
//! Two threads that work on the units of one timestep wait for each other twice a step. Whether that pays for a layer of middling
//! size depends on how soon one core hears of another, which changes within minutes on virtual machines and beside other
//! processes. So it is measured: both ways give the same bits, and nothing but the time depends on the choice.

use std::time::Duration;

/// Calls of each way before the first choice.
const FIRST: usize = 3;

/// Calls of the quicker way between two looks at the other one: as few as this, and where it is clearly slower as many as that.
const LOOKS: [usize; 2] = [48, 1536];

/// Calls of a look: what the first one finds in its caches the other way has left there.
const LOOK: usize = 2;

/// A way, and what is known of it.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    /// Nanoseconds for a unit of work, lately.
    pace: f64,
    calls: usize,
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
        Self { ways: Default::default(), way: 1, left: FIRST, looks: true, wait: LOOKS[0] }
    }
}

impl Tempo {
    /// Whether the second way is to be taken now.
    pub fn choose(&self) -> bool {
        self.way == 1
    }

    /// The way that was chosen took so long for `work` units of work.
    pub fn took(&mut self, time: Duration, work: usize) {
        let pace = time.as_nanos() as f64 / work.max(1) as f64;
        let way = &mut self.ways[self.way];
        way.calls += 1;
        // The first call of a look says nothing; what is known from before it counts as much as one call.
        way.pace = match (self.looks, way.calls) {
            (_, 1) => pace,
            (true, 2) => way.pace.min(pace),
            (true, _) => (way.pace + pace) / 2.0,
            (false, _) => way.pace + (pace - way.pace) / 8.0,
        };
        self.left -= 1;
        let other = 1 - self.way;
        if self.left > 0 && (self.looks || self.ways[self.way].pace <= 1.25 * self.ways[other].pace) {
            return;
        }
        if self.ways[other].calls == 0 {
            (self.way, self.left) = (other, FIRST);
            return;
        }
        self.turn(other);
    }

    /// A look or the time between two of them has ended.
    fn turn(&mut self, other: usize) {
        if !self.looks {
            // Anew: what was known may be long ago.
            self.ways[other].calls = 0;
            (self.way, self.left, self.looks) = (other, LOOK, true);
            return;
        }
        let best = usize::from(self.ways[1].pace < self.ways[0].pace);
        let clear = self.ways[1 - best].pace > 1.2 * self.ways[best].pace;
        self.wait = if clear { (2 * self.wait).min(LOOKS[1]) } else { LOOKS[0] };
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
        for (pace, least, most) in [([10, 5], 980, 1000), ([5, 10], 0, 20), ([100, 95], 940, 1000)] {
            let second = run(&mut Tempo::default(), 1000, pace);
            assert!((least..=most).contains(&second), "{pace:?}: {second}");
        }
    }

    #[test]
    fn what_becomes_slow_is_left_within_some_calls() {
        let mut tempo = Tempo::default();
        run(&mut tempo, 500, [10, 6]);
        // The second way now takes three times as long; then it is as it was.
        assert!(run(&mut tempo, 1000, [10, 18]) < 60);
        assert!(run(&mut tempo, 6000, [10, 6]) > 4000);
        // Everything becomes slow: the choice stays.
        assert!(run(&mut tempo, 1000, [30, 18]) > 900);
    }
}
