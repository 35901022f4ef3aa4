//! Every gradient against central finite differences of the loss, in `f64`.
//!
//! This needs no other implementation to be right: only the forward pass and the definition of a derivative.

use bptt::{Activation, Dataset, DynRnn, Gradients, Level, Reduction, Rng};

/// Half the distance of the two losses: rounding and the third derivative then both cost about 1e-10.
const STEP: f64 = 1e-5;
/// Relative to the largest gradient. Measured: 1.0e-10.
const BOUND: f64 = 2e-9;

fn random(rng: &mut Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| 2.0 * rng.uniform() - 1.0).collect()
}

fn ragged(input: usize, output: usize, rng: &mut Rng) -> Dataset<f64> {
    let mut data = Dataset::new(input, output).unwrap();
    for steps in [4, 1, 7, 2] {
        data.push(&random(rng, steps * input), &random(rng, steps * output)).unwrap();
    }
    data
}

/// The derivative of the loss by element `index` of parameter `name`.
fn difference(
    model: &mut DynRnn<f64>,
    data: &Dataset<f64>,
    (reduction, level): (Reduction, Level),
    (name, index): (&str, usize),
) -> f64 {
    let values = model.params().get(name).unwrap();
    let mut loss_at = |shift: f64| {
        let mut shifted = values.clone();
        shifted[index] += shift;
        model.params_mut().set(name, &shifted).unwrap();
        Gradients::of(model, data, reduction, level).unwrap().loss
    };
    let slope = (loss_at(STEP) - loss_at(-STEP)) / (2.0 * STEP);
    model.params_mut().set(name, &values).unwrap();
    slope
}

/// The largest error over all parameters, relative to the largest gradient.
fn check(mut model: DynRnn<f64>, data: &Dataset<f64>, reduction: Reduction, level: Level) -> f64 {
    let gradients = Gradients::of(&model, data, reduction, level).unwrap().params;
    let scale = gradients.flat().iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    let names: Vec<&str> = gradients.shapes().map(|(name, _)| name).collect();
    let mut worst: f64 = 0.0;
    for name in names {
        for (index, found) in gradients.get(name).unwrap().into_iter().enumerate() {
            let expected = difference(&mut model, data, (reduction, level), (name, index));
            let error = (found - expected).abs() / scale;
            // A kink of ReLU within a step of a pre-activation would show here; the fixed seeds have none.
            let case = format!("{} {reduction} {level} {name}[{index}]", model.architecture().cell);
            assert!(error <= BOUND, "{case}: found {found:e}, expected {expected:e}, error {error:e}");
            worst = worst.max(error);
        }
    }
    worst
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    let mut worst: f64 = 0.0;
    for (input, hidden, output) in [(1, 1, 1), (2, 3, 2), (9, 4, 1), (3, 17, 5)] {
        for activation in Activation::ALL {
            let mut rng = Rng::new(5);
            let data = ragged(input, output, &mut rng);
            let model = DynRnn::new(input, hidden, output, activation, rng.next_u64()).unwrap();
            for reduction in Reduction::ALL {
                for level in Level::available() {
                    worst = worst.max(check(model.clone(), &data, reduction, level));
                }
            }
        }
    }
    println!("largest error: {worst:e}");
}
