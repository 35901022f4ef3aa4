//! Dropout: which outputs of a layer are set to 0, decided by the seed and the place alone.

use crate::{Float, Rng};

/// The draws of one pass over a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    /// The share that is set to 0.
    pub share: f64,
    pub seed: u64,
    /// Passes made before this one.
    pub pass: u64,
}

impl Dropout {
    /// The factors for the outputs of `layer` at row `row` of the dataset: 0, or `1 / (1 − share)`. `columns` are the
    /// units of each direction, whose pieces are `p` long.
    ///
    /// Each row has a generator of its own, so that its draws do not depend on how the sequences are grouped.
    pub fn factors<T: Float>(&self, layer: usize, row: usize, (units, p): (usize, usize), out: &mut [T]) {
        let keep = T::from_f64(1.0 / (1.0 - self.share));
        let mix = |x: u64| Rng::new(x).next_u64();
        let mut rng = Rng::new(mix(mix(self.seed) ^ self.pass) ^ ((layer as u64) << 48) ^ row as u64);
        for piece in out.chunks_exact_mut(p) {
            for factor in &mut piece[..units] {
                *factor = if rng.uniform() < self.share { T::ZERO } else { keep };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(dropout: Dropout, layer: usize, row: usize) -> Vec<f64> {
        let mut out = vec![0.0; 2 * 128];
        dropout.factors(layer, row, (100, 128), &mut out);
        out
    }

    #[test]
    fn the_share_is_dropped_and_the_padding_stays_zero() {
        let dropout = Dropout { share: 0.25, seed: 7, pass: 0 };
        let mut kept = 0;
        for row in 0..100 {
            let factors = draw(dropout, 0, row);
            assert!(factors.iter().all(|&factor| factor == 0.0 || factor == 1.0 / 0.75));
            assert!(factors[100..128].iter().chain(&factors[228..]).all(|&factor| factor == 0.0));
            kept += factors.iter().filter(|&&factor| factor > 0.0).count();
        }
        assert!((14_800..15_200).contains(&kept), "{kept}");
    }

    #[test]
    fn seed_pass_layer_and_row_decide() {
        let dropout = Dropout { share: 0.5, seed: 7, pass: 3 };
        assert_eq!(draw(dropout, 1, 5), draw(dropout, 1, 5));
        assert_ne!(draw(dropout, 1, 5), draw(dropout, 0, 5));
        assert_ne!(draw(dropout, 1, 5), draw(dropout, 1, 6));
        assert_ne!(draw(dropout, 1, 5), draw(Dropout { seed: 8, ..dropout }, 1, 5));
        assert_ne!(draw(dropout, 1, 5), draw(Dropout { pass: 4, ..dropout }, 1, 5));
    }
}
