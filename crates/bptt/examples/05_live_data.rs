//! 5. Live data: many machines send readings as they please, and each reading is answered at once.
//!
//! A `Stepper` is the network, shared by all; a `StreamState` is what it remembers of one machine. At the end: what a
//! timestep costs.
//!
//! Run with `cargo run --release -p bptt --example 05_live_data`.

use std::collections::HashMap;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant;

use bptt::{Activation, Architecture, Dataset, DynRnn, Optimizer, Rng, Stepper, TrainConfig, Trainer};

/// The next reading of a machine that swings with a period of its own.
fn reading(machine: usize, t: usize) -> f32 {
    (0.3 * t as f32 / (1.0 + machine as f32 / 10.0)).sin()
}

fn main() -> bptt::Result<()> {
    // A GRU that foretells the next reading from those so far.
    let mut data = Dataset::<f32>::new(1, 1)?;
    for machine in 0..10 {
        let x: Vec<f32> = (0..41).map(|t| reading(machine, t)).collect();
        data.push(&x[..40], &x[1..])?;
    }
    let model = DynRnn::with_architecture(1, 16, 1, Architecture::gru(), 1)?;
    let config = TrainConfig { optimizer: Optimizer::adam(), ..Default::default() };
    let mut trainer = Trainer::new(model, config)?;
    trainer.fit(&data, 50, |_, _| ControlFlow::Continue(()))?;

    // Readings come in any order; a machine that is new gets a state of its own.
    let stepper = Stepper::new(trainer.model())?;
    let mut states = HashMap::new();
    let (mut clocks, mut rng) = ([0; 1000], Rng::new(2));
    let (mut error, mut count) = (0.0, 0);
    for _ in 0..50_000 {
        let machine = rng.below(clocks.len());
        let t = clocks[machine];
        clocks[machine] += 1;
        let state = match states.entry(machine) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(stepper.state()?),
        };
        let mut foretold = [0.0];
        stepper.step(state, &[reading(machine % 10, t)], &mut foretold)?;
        if t > 10 {
            error += (foretold[0] - reading(machine % 10, t + 1)).abs();
            count += 1;
        }
    }
    println!("{} machines; the next reading is foretold to ±{:.3}", states.len(), error / count as f32);

    // A restart: states are saved and taken back.
    let saved = states[&0].save()?;
    let (mut before, mut after) = ([0.0], [0.0]);
    stepper.step(states.get_mut(&0).expect("it has sent readings"), &[0.5], &mut before)?;
    let mut restored = stepper.state()?;
    restored.restore(&saved)?;
    stepper.step(&mut restored, &[0.5], &mut after)?;
    assert_eq!(before, after);

    println!("\nnetwork                 ns per timestep");
    let lstm = Architecture::lstm();
    for (name, inputs, hidden, architecture) in [
        ("Elman 3 → 5", 3, 5, Architecture::elman(Activation::Tanh)),
        ("Elman 8 → 32", 8, 32, Architecture::elman(Activation::Tanh)),
        ("GRU 8 → 32", 8, 32, Architecture::gru()),
        ("LSTM 8 → 32", 8, 32, lstm),
        ("LSTM 32 → 128, 2 layers", 32, 128, lstm.num_layers(2)),
        ("Elman 512 → 512", 512, 512, Architecture::elman(Activation::Tanh)),
        ("LSTM 512 → 512", 512, 512, lstm),
    ] {
        let nanoseconds = time(&DynRnn::with_architecture(inputs, hidden, 1, architecture, 1)?)?;
        println!("{name:<24}{nanoseconds:>15.1}");
    }
    Ok(())
}

/// The median of eleven runs of about 20 ms each.
fn time(model: &DynRnn<f32>) -> bptt::Result<f64> {
    let stepper = Stepper::new(model)?;
    let (mut state, x, mut y) = (stepper.state()?, vec![0.5; model.input_size()], [0.0]);
    let mut run = |steps: usize| -> bptt::Result<f64> {
        let start = Instant::now();
        for _ in 0..steps {
            stepper.step(&mut state, black_box(&x), &mut y)?;
            black_box(&y);
        }
        Ok(start.elapsed().as_nanos() as f64 / steps as f64)
    };
    let steps = (2e7 / run(100)?) as usize + 1;
    let mut times = (0..11).map(|_| run(steps)).collect::<bptt::Result<Vec<_>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times[5])
}
