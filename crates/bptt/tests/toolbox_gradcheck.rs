//! The gradients of every cell, loss and kind of target against central finite differences of the loss, in `f64`.

use bptt::{
    Activation, Architecture, Dataset, DynRnn, Gradients, Level, Loss, Reduction, Rng, State, TrainConfig,
};

/// Half the distance of the two losses: rounding and the third derivative then both cost about 1e-10.
const STEP: f64 = 1e-5;
/// Relative to the largest gradient.
const BOUND: f64 = 5e-9;

fn random(rng: &mut Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| 2.0 * rng.uniform() - 1.0).collect()
}

/// A network, a batch, and how its loss is taken.
struct Case {
    architecture: Architecture,
    model: DynRnn<f64>,
    data: Dataset<f64>,
    config: TrainConfig,
    initial: Option<State<f64>>,
    level: Level,
}

impl Case {
    fn gradients(&self, model: &DynRnn<f64>) -> Gradients<f64> {
        Gradients::with_config(model, &self.data, &self.config, self.initial.as_ref(), self.level).unwrap().0
    }

    /// Compares every `every`-th parameter.
    fn check(&self, every: usize) -> f64 {
        let gradients = self.gradients(&self.model).params;
        let scale = gradients.flat().iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        assert!(scale > 0.0, "{:?}", self.architecture);
        let mut model = self.model.clone();
        let (mut worst, mut number): (f64, usize) = (0.0, 0);
        for (name, _) in gradients.shapes() {
            let values = model.params().get(name).unwrap();
            for (index, found) in gradients.get(name).unwrap().into_iter().enumerate() {
                number += 1;
                if number % every != 0 {
                    continue;
                }
                let mut loss_at = |shift: f64| {
                    let mut shifted = values.clone();
                    shifted[index] += shift;
                    model.params_mut().set(name, &shifted).unwrap();
                    self.gradients(&model).loss
                };
                let expected = (loss_at(STEP) - loss_at(-STEP)) / (2.0 * STEP);
                let error = (found - expected).abs() / scale;
                let case =
                    format!("{:?} {:?} {} {name}[{index}]", self.architecture, self.config.loss, self.level);
                assert!(error <= BOUND, "{case}: found {found:e}, expected {expected:e}, error {error:e}");
                worst = worst.max(error);
            }
            model.params_mut().set(name, &values).unwrap();
        }
        worst
    }
}

/// Ragged sequences whose labels suit `loss`; with `partial` some labels are missing.
fn data(rng: &mut Rng, (input, output): (usize, usize), loss: Loss, partial: bool) -> Dataset<f64> {
    let mut data = Dataset::new(input, output).unwrap();
    for steps in [4, 1, 7, 2, 3] {
        let features = random(rng, steps * input);
        if loss == Loss::CrossEntropy {
            let class =
                |t: usize| (!partial || !(t + steps).is_multiple_of(3)).then_some((t * 7 + steps) % output);
            data.push_classes(&features, &(0..steps).map(class).collect::<Vec<_>>()).unwrap();
            continue;
        }
        let label = |x: f64| if loss == Loss::Bce { f64::from(x > 0.0) } else { x };
        let mut labels: Vec<f64> = random(rng, steps * output).into_iter().map(label).collect();
        if partial {
            labels.iter_mut().step_by(3).for_each(|label| *label = f64::NAN);
        }
        data.push_partial(&features, &labels).unwrap();
    }
    data
}

fn cells() -> [Architecture; 5] {
    let elman = Architecture::elman;
    let gated = [Architecture::gru(), Architecture::gru_reset_before(), Architecture::lstm()];
    [elman(Activation::Tanh), elman(Activation::Sigmoid), gated[0], gated[1], gated[2]]
}

fn case(architecture: Architecture, sizes: (usize, usize, usize), loss: Loss, seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let (input, hidden, output) = sizes;
    let model = DynRnn::with_architecture(input, hidden, output, architecture, rng.next_u64()).unwrap();
    let data = data(&mut rng, (input, output), loss, seed % 2 == 1);
    let config = TrainConfig { loss, ..Default::default() };
    Case { architecture, model, data, config, initial: None, level: Level::best() }
}

#[test]
fn stacks_of_every_cell() {
    let mut worst: f64 = 0.0;
    for cell in cells() {
        for (layers, both) in [(1, false), (2, false), (1, true), (2, true), (3, true)] {
            for (number, sizes) in [(1, 1, 1), (2, 3, 2), (5, 9, 1)].into_iter().enumerate() {
                let architecture = cell.num_layers(layers).bidirectional(both);
                for level in Level::available() {
                    let every = if sizes.1 > 4 { 7 } else { 1 };
                    let case = Case { level, ..case(architecture, sizes, Loss::Mse, number as u64) };
                    worst = worst.max(case.check(every));
                }
            }
        }
    }
    println!("largest error: {worst:e}");
}

#[test]
fn losses_weights_and_missing_labels() {
    for (loss, output) in [
        (Loss::Mse, 2),
        (Loss::Mae, 2),
        (Loss::Huber { delta: 0.3 }, 2),
        (Loss::Bce, 2),
        (Loss::CrossEntropy, 4),
    ] {
        for reduction in Reduction::ALL {
            for weighted in [false, true] {
                let mut case = case(Architecture::gru().bidirectional(true), (3, 5, output), loss, 3);
                case.config.reduction = reduction;
                if weighted {
                    let rows = case.data.rows();
                    case.data.set_weights((0..rows).map(|row| 0.5 + (row % 4) as f64).collect()).unwrap();
                    case.config.class_weights = match loss {
                        Loss::Bce => Some(vec![0.5, 3.0]),
                        Loss::CrossEntropy => Some(vec![1.0, 0.25, 2.0, 1.5]),
                        _ => None,
                    };
                }
                case.check(1);
            }
        }
    }
}

#[test]
fn dropout_with_fixed_draws() {
    for cell in cells() {
        for both in [false, true] {
            let architecture = cell.num_layers(3).bidirectional(both).dropout(0.4);
            let mut case = case(architecture, (2, 6, 2), Loss::Mse, 2);
            case.config.dropout_seed = 11;
            case.check(3);
        }
    }
}

#[test]
fn initial_states() {
    for cell in cells() {
        let architecture = cell.num_layers(2).bidirectional(true);
        let mut case = case(architecture, (2, 5, 1), Loss::Mse, 4);
        let mut rng = Rng::new(9);
        let len = 4 * case.data.len() * 5;
        let c = if cell == Architecture::lstm() { random(&mut rng, len) } else { Vec::new() };
        case.initial = Some(State { h: random(&mut rng, len), c });
        case.check(2);
    }
}
