//! 2. Sizes known at run time, sequences of different lengths, a held-out part, scaling and metrics.
//!
//! The task: a damped swing is pushed at random; predict its position at the next step from its position and the
//! push. Run with `cargo run --release -p bptt --example 02_your_own_sizes -- 24` (24 hidden units).

use bptt::metrics::Regression;
use bptt::{Activation, Dataset, DynRnn, Normalization, Normalizer, Rng, TrainConfig, Trainer, split};
use std::ops::ControlFlow;

/// Positions and pushes `(T, 2)` and next positions `(T, 1)` of one swing.
fn swing(rng: &mut Rng, steps: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut position, mut speed) = (100.0, 0.0);
    let (mut features, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..steps {
        let push = 20.0 * (rng.uniform() - 0.5);
        features.extend([position, push]);
        speed = 0.95 * (speed - 0.3 * position + push);
        position += speed;
        labels.push(position);
    }
    (features, labels)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hidden_size = std::env::args().nth(1).map_or(Ok(16), |text| text.parse())?;
    let mut rng = Rng::new(3);
    let mut data = Dataset::<f64>::new(2, 1)?;
    for _ in 0..60 {
        let steps = 20 + rng.below(30);
        let (features, labels) = swing(&mut rng, steps);
        data.push(&features, &labels)?;
    }

    // Whole sequences are held out, and the scaling is fitted on the training part alone.
    let parts = split(data.len(), 0.8, Some(1))?;
    let (mut train, mut test) = (data.subset(&parts.train)?, data.subset(&parts.test)?);
    let inputs = Normalizer::fit(Normalization::ZScore, train.features(), 2)?;
    let labels = Normalizer::fit(Normalization::ZScore, train.labels(), 1)?;
    let truth = test.labels().to_vec();
    for part in [&mut train, &mut test] {
        inputs.apply_in_place(part.features_mut())?;
        labels.apply_in_place(part.labels_mut())?;
    }

    let model = DynRnn::new(2, hidden_size, 1, Activation::Tanh, 1)?;
    let config = TrainConfig { learning_rate: 0.02, shuffle: Some(1), ..Default::default() };
    let mut trainer = Trainer::new(model, config)?;
    let last = trainer.fit(&train, 200, |_, _| ControlFlow::Continue(()))?;
    println!("loss after {} epochs: {:.6}", trainer.epochs(), last.map_or(f64::NAN, |stats| stats.loss));

    let mut predicted = trainer.model().predict_sequences(test.features(), test.offsets())?;
    labels.undo_in_place(&mut predicted)?;
    let scores = Regression::new(&predicted, &truth)?;
    println!("held out: RMSE {:.3}, R² {:.5}", scores.rmse, scores.r2);
    Ok(())
}
