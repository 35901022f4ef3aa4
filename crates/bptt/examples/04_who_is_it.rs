//! One label for a whole sequence: a GRU tells rhythms apart, with Adam, a validation part and early stopping.
//!
//! Run it with `cargo run --release --example 04_who_is_it`.

use std::ops::ControlFlow;

use bptt::metrics::Multiclass;
use bptt::{Architecture, Dataset, DynRnn, EarlyStopping, Loss, Optimizer, Rng, TrainConfig, Trainer};

const CLASSES: usize = 3;

/// A beat every `class + 2` steps, with noise, 8 to 19 steps long.
fn rhythm(class: usize, rng: &mut Rng) -> Vec<f32> {
    let (steps, phase) = (8 + rng.below(12), rng.below(class + 2));
    let beat = |t: usize| if (t + phase).is_multiple_of(class + 2) { 1.0 } else { 0.0 };
    (0..steps).map(|t| beat(t) + 0.5 * (rng.uniform() as f32 - 0.5)).collect()
}

fn main() -> bptt::Result<()> {
    let mut rng = Rng::new(1);
    let mut sets = Vec::new();
    for sequences in [150, 60, 300] {
        let mut data = Dataset::<f32>::new(1, CLASSES)?;
        let mut classes = Vec::new();
        for _ in 0..sequences {
            let class = rng.below(CLASSES);
            let features = rhythm(class, &mut rng);
            // Only the last step has a label; the others have an output and no loss.
            let mut labels = vec![None; features.len()];
            labels[features.len() - 1] = Some(class);
            data.push_classes(&features, &labels)?;
            classes.push(class);
        }
        sets.push((data, classes));
    }
    let [(train, _), (validation, _), (test, classes)] = &sets[..] else { unreachable!() };

    let model = DynRnn::with_architecture(1, 16, CLASSES, Architecture::gru(), 7)?;
    let config = TrainConfig {
        loss: Loss::CrossEntropy,
        optimizer: Optimizer::adam(),
        learning_rate: 0.01,
        batch_size: 8,
        clip_norm: Some(1.0),
        shuffle: Some(1),
        ..Default::default()
    };
    let mut trainer = Trainer::new(model, config)?;
    let stopping = EarlyStopping { patience: 15, min_delta: 0.0 };
    let best = trainer.fit_validated(train, validation, 200, stopping, |epoch, _model| {
        if epoch.best {
            println!(
                "epoch {:>3}: loss {:.4}, validation {:.4}",
                epoch.epoch,
                epoch.loss,
                epoch.validation_loss.unwrap_or(f64::NAN)
            );
        }
        ControlFlow::Continue(())
    })?;

    // The model has the weights of its best epoch. Its outputs are logits; here are probabilities.
    let mut outputs = trainer.model().predict_sequences(test.features(), test.offsets())?;
    Loss::CrossEntropy.probabilities(&mut outputs, CLASSES);
    let last: Vec<f32> = test.offsets()[1..]
        .iter()
        .flat_map(|&end| &outputs[(end - 1) * CLASSES..end * CLASSES])
        .copied()
        .collect();
    let scores = Multiclass::new(&last, classes, CLASSES)?;
    println!(
        "kept epoch {}; test accuracy {:.1} %",
        best.map_or(0, |best| best.epoch),
        100.0 * scores.accuracy
    );
    Ok(())
}
