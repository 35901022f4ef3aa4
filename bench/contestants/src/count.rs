//! `contestants count TASK DTYPE BATCH EPOCHS`: trains so many epochs and prints the timesteps of one, for a program that
//! counts instructions (`bench/count`).

use bptt::{Activation, Dataset, DynRnn, Float, Rng, TrainConfig, Trainer};

/// Runs it; the error is the usage.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let [task, dtype, batch_size, epochs] = arguments else {
        return Err("usage: contestants count small|fraud f32|f64 BATCH EPOCHS".into());
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
    let (input, hidden, activation, sequences) = match task {
        "small" => (3, 5, Activation::Relu, 12),
        "fraud" => (29, 10, Activation::Tanh, 128),
        other => return Err(format!("no task `{other}`").into()),
    };
    let mut rng = Rng::new(1);
    let mut data = Dataset::<T>::new(input, 1)?;
    for _ in 0..sequences {
        let mut draw = |count| (0..count).map(|_| T::from_f64(rng.uniform())).collect::<Vec<T>>();
        data.push(&draw(5 * input), &draw(5))?;
    }
    let config = TrainConfig { learning_rate: 1e-3, batch_size, ..Default::default() };
    let mut trainer = Trainer::new(DynRnn::<T>::new(input, hidden, 1, activation, 1)?, config)?;
    for _ in 0..epochs {
        trainer.epoch(&data)?;
    }
    Ok(data.rows())
}
