//! The reference for stacks: every cell, any number of layers, one direction or both, in plain scalar loops over
//! PyTorch's layout, written to be read.
//!
//! As in `oracle`, nothing is shared with the library's kernels, and every sum runs in index order. It works in `f64`
//! throughout, one sequence at a time, so that there are no batches, groups or paddings to get wrong.

// Each test file compiles this module for itself and uses its own part of it.
#![allow(dead_code)]
// Indices as in the formulas; several of the loops index more than one buffer.
#![allow(clippy::needless_range_loop)]

mod reset_before;

use std::collections::BTreeMap;

use bptt::{Activation, Cell, DynRnn, Float};

/// Parameters, or their gradients, by PyTorch's names, row-major in its shapes.
pub type Tensors = BTreeMap<String, Vec<f64>>;

/// The network.
pub struct PlainStack {
    hidden: usize,
    input: usize,
    output: usize,
    cell: Cell,
    layers: usize,
    directions: usize,
    params: Tensors,
}

/// One layer in one direction.
struct Layer<'a> {
    cell: Cell,
    hidden: usize,
    /// `"l0"`, `"l0_reverse"`, …
    suffix: String,
    /// (G·H, K)
    weight_ih: &'a [f64],
    /// (G·H, H)
    weight_hh: &'a [f64],
    /// (G·H)
    bias_ih: &'a [f64],
    /// (G·H)
    bias_hh: &'a [f64],
}

/// What one unit did at one step.
#[derive(Clone, Copy)]
struct Unit {
    /// In PyTorch's order, after their activations.
    gates: [f64; 4],
    /// GRU: `W_hn·h_{t−1} + b_hn`, or where the reset gate acts before, `r ⊙ h_{t−1}`.
    q: f64,
    h_past: f64,
    c_past: f64,
    h: f64,
    c: f64,
}

/// The gradients that a unit sends back.
struct Sent {
    /// With respect to each gate's `W_ih·x + b_ih`.
    input: [f64; 4],
    /// With respect to each gate's `W_hh·h + b_hh`.
    hidden: [f64; 4],
    /// To `h_{t−1}`, past the gates.
    h_past: f64,
    c_past: f64,
}

fn gates(cell: Cell) -> usize {
    match cell {
        Cell::Elman(_) => 1,
        Cell::Gru | Cell::GruResetBefore => 3,
        Cell::Lstm => 4,
    }
}

fn sigmoid(a: f64) -> f64 {
    1.0 / (1.0 + (-a).exp())
}

/// The cell's equations; `input` and `hidden` are the halves of each gate's sum.
fn forward(cell: Cell, input: [f64; 4], hidden: [f64; 4], h_past: f64, c_past: f64) -> Unit {
    let sum = |gate: usize| input[gate] + hidden[gate];
    let mut unit = Unit { gates: [0.0; 4], q: hidden[2], h_past, c_past, h: 0.0, c: 0.0 };
    match cell {
        Cell::Elman(activation) => {
            unit.h = match activation {
                Activation::Tanh => sum(0).tanh(),
                Activation::Relu => sum(0).max(0.0),
                Activation::Sigmoid => sigmoid(sum(0)),
            };
        }
        Cell::Gru => {
            let (r, z) = (sigmoid(sum(0)), sigmoid(sum(1)));
            let n = (input[2] + r * hidden[2]).tanh();
            unit.gates = [r, z, n, 0.0];
            unit.h = (1.0 - z) * n + z * h_past;
        }
        Cell::Lstm => {
            let (i, f, g, o) = (sigmoid(sum(0)), sigmoid(sum(1)), sum(2).tanh(), sigmoid(sum(3)));
            unit.gates = [i, f, g, o];
            unit.c = f * c_past + i * g;
            unit.h = o * unit.c.tanh();
        }
        Cell::GruResetBefore => unreachable!("its units are not by themselves"),
    }
    unit
}

/// Their derivatives: from those with respect to `h_t` and `c_t`.
fn backward(cell: Cell, unit: &Unit, d_h: f64, d_c: f64) -> Sent {
    let through_sigmoid = |d: f64, s: f64| d * s * (1.0 - s);
    let through_tanh = |d: f64, t: f64| d * (1.0 - t * t);
    match cell {
        Cell::Elman(activation) => {
            let d = match activation {
                Activation::Tanh => through_tanh(d_h, unit.h),
                Activation::Relu => d_h * f64::from(u8::from(unit.h > 0.0)),
                Activation::Sigmoid => through_sigmoid(d_h, unit.h),
            };
            let d = [d, 0.0, 0.0, 0.0];
            Sent { input: d, hidden: d, h_past: 0.0, c_past: 0.0 }
        }
        Cell::Gru => {
            let [r, z, n, _] = unit.gates;
            let d_n = through_tanh(d_h * (1.0 - z), n);
            let d_z = through_sigmoid(d_h * (unit.h_past - n), z);
            let d_r = through_sigmoid(d_n * unit.q, r);
            Sent {
                input: [d_r, d_z, d_n, 0.0],
                hidden: [d_r, d_z, d_n * r, 0.0],
                h_past: d_h * z,
                c_past: 0.0,
            }
        }
        Cell::Lstm => {
            let [i, f, g, o] = unit.gates;
            let squashed = unit.c.tanh();
            let d_o = through_sigmoid(d_h * squashed, o);
            let d_c = d_c + through_tanh(d_h * o, squashed);
            let d_i = through_sigmoid(d_c * g, i);
            let d_f = through_sigmoid(d_c * unit.c_past, f);
            let d = [d_i, d_f, through_tanh(d_c * i, g), d_o];
            Sent { input: d, hidden: d, h_past: 0.0, c_past: d_c * f }
        }
        Cell::GruResetBefore => unreachable!("its units are not by themselves"),
    }
}

impl Layer<'_> {
    /// All units at all steps, in the order of `xs`, from states of 0.
    fn forward(&self, xs: &[&[f64]]) -> Vec<Vec<Unit>> {
        if self.cell == Cell::GruResetBefore {
            return self.forward_reset_before(xs);
        }
        let h = self.hidden;
        let mut steps: Vec<Vec<Unit>> = Vec::new();
        for x in xs {
            let past: Vec<(f64, f64)> = match steps.last() {
                Some(units) => units.iter().map(|unit| (unit.h, unit.c)).collect(),
                None => vec![(0.0, 0.0); h],
            };
            let mut units = Vec::new();
            for n in 0..h {
                let (mut input, mut hidden) = ([0.0; 4], [0.0; 4]);
                for gate in 0..gates(self.cell) {
                    let row = gate * h + n;
                    (input[gate], hidden[gate]) = (self.bias_ih[row], self.bias_hh[row]);
                    for k in 0..x.len() {
                        input[gate] += self.weight_ih[row * x.len() + k] * x[k];
                    }
                    for k in 0..h {
                        hidden[gate] += self.weight_hh[row * h + k] * past[k].0;
                    }
                }
                units.push(forward(self.cell, input, hidden, past[n].0, past[n].1));
            }
            steps.push(units);
        }
        steps
    }

    /// Adds the gradients of the parameters to `sums`, and those of the inputs to `d_xs`; `steps`, `xs`, `d_hs` and
    /// `d_xs` are in the order of the forward pass.
    fn backward(
        &self,
        (steps, xs): (&[Vec<Unit>], &[&[f64]]),
        d_hs: &[&[f64]],
        sums: &mut Tensors,
        d_xs: &mut [Vec<f64>],
    ) {
        let h = self.hidden;
        let mut tensor = |name: &str| sums.remove(&format!("{name}_{}", self.suffix)).unwrap();
        let [mut d_weight_ih, mut d_weight_hh, mut d_bias_ih, mut d_bias_hh] =
            ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(&mut tensor);
        let (mut d_h_next, mut d_c_next) = (vec![0.0; h], vec![0.0; h]);
        for t in (0..steps.len()).rev() {
            let (x, inputs) = (xs[t], xs[t].len());
            let (mut d_h_past, mut d_c_past) = (vec![0.0; h], vec![0.0; h]);
            let d_hs: Vec<f64> = d_hs[t].iter().zip(&d_h_next).map(|(above, after)| above + after).collect();
            let all = match self.cell {
                Cell::GruResetBefore => self.backward_reset_before(&steps[t], &d_hs),
                cell => (0..h).map(|n| backward(cell, &steps[t][n], d_hs[n], d_c_next[n])).collect(),
            };
            for (n, sent) in all.into_iter().enumerate() {
                d_h_past[n] += sent.h_past;
                d_c_past[n] = sent.c_past;
                for gate in 0..gates(self.cell) {
                    let (row, input, hidden) = (gate * h + n, sent.input[gate], sent.hidden[gate]);
                    d_bias_ih[row] += input;
                    d_bias_hh[row] += hidden;
                    for k in 0..inputs {
                        d_weight_ih[row * inputs + k] += input * x[k];
                        d_xs[t][k] += input * self.weight_ih[row * inputs + k];
                    }
                    let reset_before = self.cell == Cell::GruResetBefore && gate == 2;
                    for k in 0..h {
                        let unit = &steps[t][k];
                        d_weight_hh[row * h + k] += hidden * if reset_before { unit.q } else { unit.h_past };
                        // By way of r ⊙ h it has been sent already.
                        if !reset_before {
                            d_h_past[k] += hidden * self.weight_hh[row * h + k];
                        }
                    }
                }
            }
            (d_h_next, d_c_next) = (d_h_past, d_c_past);
        }
        let all = [d_weight_ih, d_weight_hh, d_bias_ih, d_bias_hh];
        for (name, tensor) in ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].into_iter().zip(all) {
            sums.insert(format!("{name}_{}", self.suffix), tensor);
        }
    }
}

/// `rows` in the order in which a direction meets them.
fn ordered<'a>(rows: &'a [Vec<f64>], direction: usize) -> Vec<&'a [f64]> {
    let mut rows: Vec<&'a [f64]> = rows.iter().map(|row| &row[..]).collect();
    if direction == 1 {
        rows.reverse();
    }
    rows
}

impl PlainStack {
    /// The same network as `model`.
    pub fn of<T: Float>(model: &DynRnn<T>) -> Self {
        let architecture = model.architecture();
        let values = |name: &str| model.params().get(name).unwrap().iter().map(|x| x.to_f64()).collect();
        Self {
            hidden: model.hidden_size(),
            input: model.input_size(),
            output: model.output_size(),
            cell: architecture.cell,
            layers: architecture.num_layers,
            directions: architecture.directions(),
            params: model.params().shapes().map(|(name, _)| (name.to_owned(), values(name))).collect(),
        }
    }

    /// Gradients of 0.
    pub fn zeros(&self) -> Tensors {
        self.params.iter().map(|(name, tensor)| (name.clone(), vec![0.0; tensor.len()])).collect()
    }

    fn layer(&self, layer: usize, direction: usize) -> Layer<'_> {
        let suffix = format!("l{layer}{}", ["", "_reverse"][direction]);
        let tensor = |name: &str| &self.params[&format!("{name}_{suffix}")][..];
        let [weight_ih, weight_hh, bias_ih, bias_hh] =
            ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(tensor);
        Layer { cell: self.cell, hidden: self.hidden, weight_ih, weight_hh, bias_ih, bias_hh, suffix }
    }

    /// What each layer got at each timestep, and last what the readout gets; and the units of each layer and direction.
    #[allow(clippy::type_complexity)]
    fn run(&self, x: &[f64]) -> (Vec<Vec<Vec<f64>>>, Vec<Vec<Vec<Unit>>>) {
        let mut inputs: Vec<Vec<Vec<f64>>> = vec![x.chunks(self.input).map(<[f64]>::to_vec).collect()];
        let mut units = Vec::new();
        for layer in 0..self.layers {
            let mut outputs = vec![Vec::new(); inputs[layer].len()];
            for direction in 0..self.directions {
                let steps = self.layer(layer, direction).forward(&ordered(&inputs[layer], direction));
                for (step, units) in steps.iter().enumerate() {
                    let t = if direction == 1 { outputs.len() - 1 - step } else { step };
                    outputs[t].extend(units.iter().map(|unit| unit.h));
                }
                units.push(steps);
            }
            inputs.push(outputs);
        }
        (inputs, units)
    }

    /// The outputs of the timesteps of which `top` is what the readout gets.
    fn readout(&self, top: &[Vec<f64>]) -> Vec<f64> {
        let (weight, bias) = (&self.params["fc.weight"], &self.params["fc.bias"]);
        let mut outputs = Vec::new();
        for h in top {
            for o in 0..self.output {
                let mut y = bias[o];
                for k in 0..h.len() {
                    y += weight[o * h.len() + k] * h[k];
                }
                outputs.push(y);
            }
        }
        outputs
    }

    /// The outputs `(T, O)` of one sequence.
    pub fn predict(&self, x: &[f64]) -> Vec<f64> {
        self.readout(&self.run(x).0[self.layers])
    }

    /// Adds to `sums` the gradient of one sequence's `Σ (y − label)²` over the labels that are not NaN; returns that sum
    /// and how many there are.
    pub fn accumulate(&self, x: &[f64], labels: &[f64], sums: &mut Tensors) -> (f64, usize) {
        let (inputs, units) = self.run(x);
        let top = &inputs[self.layers];
        let outputs = self.readout(top);
        let (mut squared_error, mut count) = (0.0, 0);
        let mut d_outputs: Vec<Vec<f64>> = top.iter().map(|h| vec![0.0; h.len()]).collect();
        for (at, (y, label)) in outputs.iter().zip(labels).enumerate() {
            if label.is_nan() {
                continue;
            }
            let (t, o, error) = (at / self.output, at % self.output, y - label);
            (squared_error, count) = (squared_error + error * error, count + 1);
            sums.get_mut("fc.bias").unwrap()[o] += 2.0 * error;
            let width = top[t].len();
            for k in 0..width {
                sums.get_mut("fc.weight").unwrap()[o * width + k] += 2.0 * error * top[t][k];
                d_outputs[t][k] += 2.0 * error * self.params["fc.weight"][o * width + k];
            }
        }
        for layer in (0..self.layers).rev() {
            let mut d_inputs: Vec<Vec<f64>> = inputs[layer].iter().map(|x| vec![0.0; x.len()]).collect();
            for direction in 0..self.directions {
                let columns = direction * self.hidden..(direction + 1) * self.hidden;
                let own: Vec<Vec<f64>> = d_outputs.iter().map(|d| d[columns.clone()].to_vec()).collect();
                let steps = &units[layer * self.directions + direction];
                let seen = (&steps[..], &ordered(&inputs[layer], direction)[..]);
                // A direction's own order, and back.
                let turn = |rows: &mut Vec<Vec<f64>>| {
                    if direction == 1 {
                        rows.reverse()
                    }
                };
                turn(&mut d_inputs);
                let d_hs = ordered(&own, direction);
                self.layer(layer, direction).backward(seen, &d_hs, sums, &mut d_inputs);
                turn(&mut d_inputs);
            }
            d_outputs = d_inputs;
        }
        (squared_error, count)
    }
}
