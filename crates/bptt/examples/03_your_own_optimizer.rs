//! 3. Gradients by PyTorch's names, for code that brings its own optimizer: here SGD with momentum.
//!
//! Run with `cargo run --release -p bptt --example 03_your_own_optimizer`.

use bptt::{Activation, Dataset, DynRnn, Reduction, Rng};

fn main() -> bptt::Result<()> {
    let mut rng = Rng::new(5);
    let mut data = Dataset::<f64>::new(1, 1)?;
    for _ in 0..20 {
        let inputs: Vec<f64> = (0..10).map(|_| 2.0 * rng.uniform() - 1.0).collect();
        // The label is the running mean of the inputs so far.
        let mut sum = 0.0;
        let mean = |(step, x): (usize, &f64)| {
            sum += x;
            sum / (step + 1) as f64
        };
        let labels: Vec<f64> = inputs.iter().enumerate().map(mean).collect();
        data.push(&inputs, &labels)?;
    }

    let mut model = DynRnn::<f64>::new(1, 12, 1, Activation::Tanh, 2)?;
    let mut velocity = vec![0.0; model.params().flat().len()];
    for step in 1..=2000 {
        let gradients = model.gradients(&data, Reduction::Mean)?;
        if step % 500 == 0 {
            println!("step {step}: loss {:.6}", gradients.loss);
        }
        // All parameters lie in one flat buffer: an optimizer is one loop.
        let parameters = model.params_mut().flat_mut();
        for ((p, v), g) in parameters.iter_mut().zip(&mut velocity).zip(gradients.params.flat()) {
            *v = 0.9 * *v + g;
            *p -= 0.1 * *v;
        }
    }
    println!("d loss / d fc.bias = {:?}", model.gradients(&data, Reduction::Mean)?.params.get("fc.bias")?);
    Ok(())
}
