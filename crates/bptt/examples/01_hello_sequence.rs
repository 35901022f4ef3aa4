//! 1. A network that remembers: its label is the input of the step before.
//!
//! Sizes are in the type (`Rnn<1, 8, 1>`), so a wrong one does not compile.
//!
//! Run with `cargo run --release -p bptt --example 01_hello_sequence`.

use bptt::{Activation, Rng, Rnn, TrainConfig, Trainer, TypedDataset};
use std::ops::ControlFlow;

fn main() -> bptt::Result<()> {
    let mut rng = Rng::new(7);
    let mut data = TypedDataset::<1, 1>::typed();
    for _ in 0..50 {
        let inputs: Vec<[f32; 1]> = (0..12).map(|_| [rng.uniform() as f32]).collect();
        let labels: Vec<[f32; 1]> = [[0.0]].into_iter().chain(inputs.iter().copied()).take(12).collect();
        data.push(&inputs, &labels)?;
    }

    let model = Rnn::<1, 8, 1>::new(Activation::Tanh, 1)?;
    let mut trainer = Trainer::new(model, TrainConfig { learning_rate: 0.1, ..Default::default() })?;
    trainer.fit(&data, 500, |epoch, _model| {
        if epoch.epoch % 100 == 0 {
            println!("epoch {:>3}: loss {:.6}", epoch.epoch, epoch.loss);
        }
        ControlFlow::Continue(())
    })?;

    let model = trainer.into_model();
    for (input, output) in
        [[0.9], [0.1], [0.5], [0.3]].iter().zip(model.predict(&[[0.9], [0.1], [0.5], [0.3]])?)
    {
        println!("now {:.1}, the network says the step before was {:.2}", input[0], output[0]);
    }
    Ok(())
}
