//! Buffers that have served other data before: what was in them must not show.

use std::ops::ControlFlow;

use bptt::{
    Activation, Architecture, Cell, Dataset, DynRnn, EarlyStopping, Float, Level, Rng, TrainConfig, Trainer,
};

/// Sequences of these lengths; features up to ± `most`.
fn data<T: Float>(lengths: &[usize], most: f64) -> Dataset<T> {
    let (mut data, mut rng) = (Dataset::new(2, 1).unwrap(), Rng::new(3));
    let mut random = |count: usize, most: f64| -> Vec<T> {
        (0..count).map(|_| T::from_f64((2.0 * rng.uniform() - 1.0) * most)).collect()
    };
    for steps in lengths {
        let (features, labels) = (random(steps * 2, most), random(*steps, 1.0));
        data.push(&features, &labels).unwrap();
    }
    data
}

fn architectures() -> impl Iterator<Item = Architecture> {
    let elman = Architecture::elman;
    let gated = [Architecture::gru(), Architecture::gru_reset_before(), Architecture::lstm()];
    [elman(Activation::Tanh), elman(Activation::Relu)]
        .into_iter()
        .chain(gated)
        .flat_map(|cell| [cell, cell.num_layers(2), cell.num_layers(2).bidirectional(true)])
}

/// Many short validation sequences after few long training sequences need buffers of another shape, but not instead.
#[test]
fn validation_data_of_another_shape() {
    let long = data::<f32>(&[900, 3], 1.0);
    let many = data::<f32>(&[2; 60], 1.0);
    for architecture in architectures() {
        for batch_size in [1, 2] {
            let config = TrainConfig { batch_size, learning_rate: 1e-3, ..Default::default() };
            let model = DynRnn::with_architecture(2, 5, 1, architecture, 1).unwrap();
            let mut plain = Trainer::new(model.clone(), config.clone()).unwrap();
            let mut losses = Vec::new();
            plain
                .fit(&long, 4, |stats, _| {
                    losses.push(stats.loss);
                    ControlFlow::Continue(())
                })
                .unwrap();
            let mut validated = Trainer::new(model, config).unwrap();
            let stopping = EarlyStopping { patience: usize::MAX, min_delta: 0.0 };
            let mut same = Vec::new();
            validated
                .fit_validated(&long, &many, 4, stopping, |stats, _| {
                    same.push(stats.loss);
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(same, losses, "{architecture:?} {batch_size}");
        }
    }
}

/// What overflows leaves infinities and NaN behind; training after it must not read them.
#[test]
fn data_that_overflow() {
    let wild = data::<f32>(&[9, 9, 9, 9], 3e38);
    let tame = data::<f32>(&[9, 2, 4, 1], 1.0);
    for architecture in architectures() {
        for (level, accumulate) in Level::available().into_iter().flat_map(|level| [(level, 1), (level, 2)]) {
            let config = TrainConfig { batch_size: 4, learning_rate: 1e-4, accumulate, ..Default::default() };
            let mut model = DynRnn::with_architecture(2, 5, 1, architecture, 1).unwrap();
            let weights = model.params().get("weight_ih_l0").unwrap();
            let weights: Vec<f32> = weights.iter().map(|weight| 9.0 * weight).collect();
            model.params_mut().set("weight_ih_l0", &weights).unwrap();
            let trainer = || Trainer::with_level(model.clone(), config.clone(), level).unwrap();
            let (mut clean, mut evaluated, mut failed) = (trainer(), trainer(), trainer());
            let case = format!("{architecture:?} {level} {accumulate}");
            let loss = evaluated.evaluate(&wild).unwrap();
            // The other activations are bounded.
            if architecture.cell == Cell::Elman(Activation::Relu) {
                assert!(!loss.is_finite(), "{case}");
                failed.epoch(&wild).unwrap_err();
            }
            for _ in 0..3 {
                let expected = clean.epoch(&tame).unwrap().loss;
                assert_eq!(evaluated.epoch(&tame).map(|stats| stats.loss), Ok(expected), "{case}");
                assert_eq!(failed.epoch(&tame).map(|stats| stats.loss), Ok(expected), "{case}");
            }
            assert!(clean.model() == evaluated.model() && clean.model() == failed.model(), "{case}");
        }
    }
}

/// What a batch's gradient is does not depend on how much room earlier data have made.
#[test]
fn room_for_larger_data() {
    let large = data::<f64>(&[70; 64], 1.0);
    let small = data::<f64>(&[5, 9, 2, 7, 7, 1, 3, 8, 4, 9, 6, 5, 2, 2, 8, 30], 1.0);
    for architecture in architectures() {
        for accumulate in [1, 2] {
            let config = TrainConfig { batch_size: 16, accumulate, ..Default::default() };
            let model = DynRnn::with_architecture(2, 33, 1, architecture, 1).unwrap();
            let mut clean = Trainer::new(model.clone(), config.clone()).unwrap();
            let mut roomy = Trainer::new(model, config).unwrap();
            roomy.evaluate(&large).unwrap();
            for _ in 0..3 {
                let (found, expected) = (roomy.epoch(&small).unwrap(), clean.epoch(&small).unwrap());
                assert_eq!(found, expected, "{architecture:?} {accumulate}");
            }
            assert_eq!(clean.model(), roomy.model(), "{architecture:?} {accumulate}");
        }
    }
}
