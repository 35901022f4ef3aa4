//! From values to places on an axis, and which values the axis names.

use super::text::{magnitude, tick_label};

/// Beyond this, differences would overflow.
const LARGEST: f64 = 1e300;
/// A range of more decades than this is drawn on a logarithmic scale.
const LINEAR_DECADES: f64 = 1.5;

/// The values between the two ends of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

/// A value that the axis names.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    pub at: f64,
    pub label: String,
    /// Only shown where there is room.
    pub fine: bool,
}

impl Scale {
    /// Exactly from `low` to `high`.
    pub fn exact(low: f64, high: f64) -> Self {
        Self { low, high, log: false }
    }

    /// All finite `values` with a little room around them.
    pub fn around(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = range(values);
        // A constant, or what differs from one in the last digits only, still needs a height.
        let least = (low.abs().max(high.abs()) * 1e-5).max(f64::MIN_POSITIVE * 1e20);
        if high - low < least {
            let room = if low == 0.0 && high == 0.0 { 1.0 } else { low.abs().max(high.abs()) * 0.1 };
            return Self::exact(low - room, high + room);
        }
        let room = (high - low) * 0.05;
        Self::exact(low - room, high + room)
    }

    /// Like [`Scale::around`], but logarithmic where the values are positive and spread far.
    pub fn maybe_log(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (low, high) = range(values.clone());
        let decades = if low > 0.0 { high.log10() - low.log10() } else { 0.0 };
        if decades <= LINEAR_DECADES {
            return Self::around(values);
        }
        let room = 10f64.powf(decades * 0.04);
        Self { low: (low / room).max(f64::MIN_POSITIVE), high: high * room, log: true }
    }

    pub fn is_log(&self) -> bool {
        self.log
    }

    /// Where `value` lies: 0 at the low end, 1 at the high end. `None` for what has no place.
    pub fn fraction(&self, value: f64) -> Option<f64> {
        if !value.is_finite() || (self.log && value <= 0.0) {
            return None;
        }
        let value = value.clamp(-LARGEST, LARGEST);
        let fraction = if self.log {
            (value.log10() - self.low.log10()) / (self.high.log10() - self.low.log10())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        fraction.is_finite().then(|| fraction.clamp(-1.0, 2.0))
    }

    /// About `wanted` round values (1, 2 or 5 times a power of ten apart) and, as fine ticks, those half
    /// way between. `whole` axes have no fractions.
    pub fn ticks(&self, wanted: usize, whole: bool) -> Vec<Tick> {
        if self.log {
            return self.log_ticks();
        }
        let mut step = nice_step((self.high - self.low) / wanted as f64);
        if whole {
            step = step.max(1.0);
        }
        let half = if whole && step % 2.0 != 0.0 { step } else { step / 2.0 };
        let every = (step / half).round() as i64;
        let first = (self.low / half - 1e-6).ceil() as i64;
        let last = (self.high / half + 1e-6).floor() as i64;
        let largest = self.low.abs().max(self.high.abs());
        (first..=last.min(first.saturating_add(40)))
            .map(|index| {
                let at = index as f64 * half;
                let fine = index % every != 0;
                Tick { at, label: tick_label(at, if fine { half } else { step }, largest), fine }
            })
            .collect()
    }

    /// The powers of ten, and 2 and 5 times them where the axis spans few.
    fn log_ticks(&self) -> Vec<Tick> {
        let (low, high) = (magnitude(self.low), magnitude(self.high));
        let digits: &[f64] = if high - low <= 2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let every = ((high - low) / 6 + 1).max(1);
        let mut ticks = Vec::new();
        for power in (low..=high + 1).filter(|power| power.rem_euclid(every) == 0) {
            for digit in digits {
                let at = digit * 10f64.powi(power);
                if at.is_normal() && (self.low..=self.high).contains(&at) {
                    ticks.push(Tick { at, label: tick_label(at, 10f64.powi(power), at), fine: false });
                }
            }
        }
        ticks
    }
}

/// The least and the greatest of the finite values; 0 to 1 if there are none.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite()).map(|value| value.clamp(-LARGEST, LARGEST));
    let (low, high) = finite
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// The smallest of 1, 2 and 5 times a power of ten that is not less than `rough`, nearly.
fn nice_step(rough: f64) -> f64 {
    let power = 10f64.powi(magnitude(rough).max(-300));
    let digit = rough / power;
    let nice = [1.0, 2.0, 5.0].into_iter().find(|nice| digit <= nice * 1.001).unwrap_or(10.0);
    nice * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, wanted: usize, whole: bool) -> Vec<String> {
        let ticks = scale.ticks(wanted, whole);
        ticks.into_iter().filter(|tick| !tick.fine).map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Scale::exact(0.0, 1.0), 5, false), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(Scale::exact(1.0, 37.0), 4, true), ["10", "20", "30"]);
        assert_eq!(labels(Scale::exact(-13.0, 21.0), 4, false), ["−10", "0", "10", "20"]);
        assert_eq!(labels(Scale::exact(1.0, 3.0), 5, true), ["1", "2", "3"]);
    }

    #[test]
    fn a_wide_range_is_logarithmic() {
        let scale = Scale::maybe_log([0.002, 5.0].into_iter());
        assert!(scale.is_log());
        assert_eq!(labels(scale, 5, false), ["0.01", "0.1", "1"]);
        assert!(!Scale::maybe_log([1.0, 20.0].into_iter()).is_log());
        assert!(!Scale::maybe_log([0.0, 20.0].into_iter()).is_log());
        assert!(!Scale::maybe_log([-1.0, 2000.0].into_iter()).is_log());
    }

    #[test]
    fn every_axis_has_an_extent_and_few_ticks() {
        let tiny = f64::MIN_POSITIVE;
        let sets: [&[f64]; 8] = [
            &[],
            &[0.0],
            &[5.0, 5.0],
            &[1e9, 1e9 + 1e-3],
            &[-f64::MAX, f64::MAX],
            &[f64::NAN, 3.0, f64::INFINITY],
            &[tiny, f64::MAX],
            &[tiny, 2.0 * tiny],
        ];
        for values in sets {
            for scale in [Scale::around(values.iter().copied()), Scale::maybe_log(values.iter().copied())] {
                for &value in values.iter().filter(|value| value.is_finite()) {
                    let place = scale.fraction(value).unwrap();
                    assert!((-0.01..=1.01).contains(&place), "{values:?} {scale:?} {place}");
                }
                assert_eq!(scale.fraction(f64::NAN), None);
                assert!(scale.ticks(5, false).len() < 42, "{values:?}");
            }
        }
    }
}
