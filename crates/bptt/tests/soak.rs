//! Ten minutes of training under changing load: the results stay the same. Not run by itself:
//!
//!     cargo test --release -p bptt --test soak -- --ignored --nocapture
//!
//! `SOAK_SECONDS` sets another time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bptt::{Activation, Architecture, Dataset, DynRnn, Optimizer, Predictor, Rng, TrainConfig, Trainer};

/// Sequences of 5 inputs and a label, of lengths from 1 to 30.
fn data() -> Dataset<f32> {
    let mut rng = Rng::new(7);
    let mut data = Dataset::new(5, 1).unwrap();
    for number in 0..400 {
        let steps = 1 + (number * 11) % 30;
        let features: Vec<f32> = (0..5 * steps).map(|_| rng.uniform() as f32).collect();
        data.push(&features, &features[..steps]).unwrap();
    }
    data
}

/// The bits of a short training and of its predictions.
fn result(data: &Dataset<f32>, (hidden, architecture, batch_size): Case, threads: usize) -> Vec<u32> {
    let optimizer = if hidden == 10 { Optimizer::sgd() } else { Optimizer::adam() };
    let config = TrainConfig { batch_size, optimizer, shuffle: Some(1), threads, ..Default::default() };
    let model = DynRnn::<f32>::with_architecture(5, hidden, 1, architecture, 1).unwrap();
    let mut trainer = Trainer::new(model, config).unwrap();
    for _ in 0..4 {
        trainer.epoch(data).unwrap();
    }
    let mut outputs = vec![0.0; data.labels().len()];
    let mut predictor = Predictor::new(trainer.model()).unwrap().threads(threads);
    predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
    trainer.model().params().flat().iter().chain(&outputs).map(|value| value.to_bits()).collect()
}

type Case = (usize, Architecture, usize);

/// Keeps as many threads busy as `wanted` says, until it says `usize::MAX`.
fn load(number: usize, wanted: &AtomicUsize) {
    let mut x = 1.0_f64;
    loop {
        match wanted.load(Ordering::Relaxed) {
            usize::MAX => return,
            count if number < count => (0..100_000).for_each(|_| x = (x * 1.000_001).sin() + 1.0),
            _ => thread::sleep(Duration::from_millis(5)),
        }
        std::hint::black_box(x);
    }
}

#[test]
#[ignore = "takes ten minutes"]
fn the_results_stay_the_same_under_changing_load() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(600.0, |text| text.parse().unwrap());
    let data = data();
    let cases = [
        (10, Architecture::elman(Activation::Tanh), 64),
        (40, Architecture::elman(Activation::Tanh), 64),
        (20, Architecture::gru().num_layers(2).bidirectional(true).dropout(0.2), 100),
        (64, Architecture::lstm(), 48),
        // Wide, and few sequences at a time: threads wait for each other at every step.
        (130, Architecture::gru(), 9),
    ];
    let expected = cases.map(|case| result(&data, case, 1));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (wanted, mut rng, mut trainings) = (AtomicUsize::new(0), Rng::new(3), 0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    thread::scope(|scope| {
        for number in 0..2 * cores {
            let wanted = &wanted;
            scope.spawn(move || load(number, wanted));
        }
        while Instant::now() < end {
            let busy = (rng.uniform() * (2 * cores + 1) as f64) as usize;
            wanted.store(busy, Ordering::Relaxed);
            let threads = 1 + (rng.uniform() * 6.0) as usize;
            for (case, expected) in cases.iter().zip(&expected) {
                let same = result(&data, *case, threads) == *expected;
                if !same {
                    wanted.store(usize::MAX, Ordering::Relaxed);
                }
                assert!(same, "{threads} threads beside {busy} busy ones, {case:?}");
                trainings += 1;
            }
        }
        wanted.store(usize::MAX, Ordering::Relaxed);
    });
    println!("{trainings} trainings, all with the same bits");
    assert!(trainings > 0);
}
