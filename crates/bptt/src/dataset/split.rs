//! [`split`]: which sequences train, and which are held out.

use crate::rng::Rng;
use crate::{Error, Result};

/// Which sequences train and which are held out; indices in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Sequences of the training part.
    pub train: Vec<usize>,
    /// Sequences of the test part.
    pub test: Vec<usize>,
}

/// Splits `sequences` sequences: the training part gets `⌊sequences · train_ratio⌋` of them, the first ones, or,
/// with a seed, ones drawn at random. Whole sequences only, so that no timestep of a held-out sequence is seen.
///
/// # Errors
/// [`Error::Setting`] where the ratio is not in `(0, 1]`, [`Error::Empty`] where the training part gets none.
///
/// ```
/// let split = bptt::split(10, 0.8, Some(7))?;
/// assert_eq!((split.train.len(), split.test.len()), (8, 2));
/// # Ok::<(), bptt::Error>(())
/// ```
pub fn split(sequences: usize, train_ratio: f64, seed: Option<u64>) -> Result<Split> {
    if !(train_ratio > 0.0 && train_ratio <= 1.0) {
        let expected = "a number above 0, at most 1";
        return Err(Error::Setting { name: "train_ratio", expected, found: train_ratio.to_string() });
    }
    // 0.7·10 is 6.999… in binary: a hair is added, so that decimal ratios mean what they say.
    let train = ((sequences as f64 * train_ratio + 1e-9) as usize).min(sequences);
    if train == 0 {
        return Err(Error::Empty { what: "the training part" });
    }
    let mut order: Vec<usize> = (0..sequences).collect();
    if let Some(seed) = seed {
        Rng::new(seed).shuffle(&mut order);
    }
    let mut test = order.split_off(train);
    order.sort_unstable();
    test.sort_unstable();
    Ok(Split { train: order, test })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_a_partition_that_the_seed_decides() {
        assert_eq!(split(56_962, 0.8, None).unwrap().train.len(), 45_569);
        assert_eq!(split(10, 0.7, None).unwrap().train, [0, 1, 2, 3, 4, 5, 6]);
        let Split { train, test } = split(100, 0.8, Some(1)).unwrap();
        assert_ne!(train, (0..80).collect::<Vec<_>>());
        let mut all = [train, test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(split(100, 0.8, Some(1)), split(100, 0.8, Some(1)));
    }

    #[test]
    fn a_split_without_a_training_part_is_an_error() {
        assert_eq!(split(1, 0.8, None).unwrap_err(), Error::Empty { what: "the training part" });
        for ratio in [0.0, -1.0, 1.1, f64::NAN] {
            assert!(matches!(split(5, ratio, None), Err(Error::Setting { name: "train_ratio", .. })));
        }
        assert!(split(5, 1.0, None).unwrap().test.is_empty());
    }
}
