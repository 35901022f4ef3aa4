//! `contestants count TASK DTYPE BATCH EPOCHS`: trains so many epochs and prints the timesteps of one, for a program that
//! counts instructions (`bench/count`).

use bptt::{Activation, Architecture, Dataset, DynRnn, Float, Rng, TrainConfig, Trainer};

/// Runs it; the error is the usage.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let [task, dtype, batch_size, epochs] = arguments else {
        return Err("usage: contestants count small|fraud|gru|lstm f32|f64 BATCH EPOCHS".into());
    };
    let (batch_size, epochs) = (batch_size.parse()?, epochs.parse()?);
    let timesteps = match dtype.as_str() {
        "f32" => train::<f32>(task, batch_size, epochs)?,
        "f64" => train::<f64>(task, batch_size, epochs)?,
        other => return Err(format!("no element type `{other}`").into()),
    };
    println!("{timesteps}");
    Ok(())
}

/// Trains the run-time face on random numbers: instructions do not depend on what they are.
fn train<T: Float>(
    task: &str,
    batch_size: usize,
    epochs: usize,
) -> Result<usize, Box<dyn std::error::Error>> {
    let elman = Architecture::elman;
    let (input, hidden, architecture, sequences, steps) = match task {
        "small" => (3, 5, elman(Activation::Relu), 12, 5),
        "fraud" => (29, 10, elman(Activation::Tanh), 128, 5),
        "gru" => (16, 32, Architecture::gru(), 32, 20),
        "lstm" => (16, 32, Architecture::lstm(), 32, 20),
        other => return Err(format!("no task `{other}`").into()),
    };
    let mut rng = Rng::new(1);
    let mut data = Dataset::<T>::new(input, 1)?;
    for _ in 0..sequences {
        let mut draw = |count| (0..count).map(|_| T::from_f64(rng.uniform())).collect::<Vec<T>>();
        data.push(&draw(steps * input), &draw(steps))?;
    }
    let config = TrainConfig { learning_rate: 1e-3, batch_size, threads: 1, ..Default::default() };
    let model = DynRnn::<T>::with_architecture(input, hidden, 1, architecture, 1)?;
    let mut trainer = Trainer::new(model, config)?;
    for _ in 0..epochs {
        trainer.epoch(&data)?;
    }
    Ok(data.rows())
}
