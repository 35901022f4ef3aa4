//! The GRU whose reset gate acts before the product: a unit's new gate depends on the reset gates of all units.

use super::{Layer, Sent, Unit, sigmoid};

impl Layer<'_> {
    /// `b_ih + W_ih·x + b_hh + W_hh·h` of a gate of a unit.
    fn sum(&self, gate: usize, n: usize, x: &[f64], h: &[f64]) -> f64 {
        let row = gate * self.hidden + n;
        let mut sum = self.bias_ih[row] + self.bias_hh[row];
        for k in 0..x.len() {
            sum += self.weight_ih[row * x.len() + k] * x[k];
        }
        for k in 0..h.len() {
            sum += self.weight_hh[row * h.len() + k] * h[k];
        }
        sum
    }

    /// All units at all steps, in the order of `xs`, from states of 0.
    pub(super) fn forward_reset_before(&self, xs: &[&[f64]]) -> Vec<Vec<Unit>> {
        let mut past = vec![0.0; self.hidden];
        let mut steps = Vec::new();
        for x in xs {
            let gate = |gate: usize, n: usize| sigmoid(self.sum(gate, n, x, &past));
            let reset: Vec<f64> = (0..self.hidden).map(|n| gate(0, n)).collect();
            let product: Vec<f64> = reset.iter().zip(&past).map(|(r, h)| r * h).collect();
            let unit = |n: usize| {
                let (r, z, new) = (reset[n], gate(1, n), self.sum(2, n, x, &product).tanh());
                let (h_past, h) = (past[n], (1.0 - z) * new + z * past[n]);
                Unit { gates: [r, z, new, 0.0], q: product[n], h_past, c_past: 0.0, h, c: 0.0 }
            };
            let units: Vec<Unit> = (0..self.hidden).map(unit).collect();
            past = units.iter().map(|unit| unit.h).collect();
            steps.push(units);
        }
        steps
    }

    /// What all units of a step send back, from the gradients of their `h_t`. What goes to `h_{t−1}` through `W_hn` and the
    /// reset gate is in `h_past`.
    pub(super) fn backward_reset_before(&self, units: &[Unit], d_hs: &[f64]) -> Vec<Sent> {
        let h = self.hidden;
        let d_new: Vec<f64> = units
            .iter()
            .zip(d_hs)
            .map(|(unit, d_h)| d_h * (1.0 - unit.gates[1]) * (1.0 - unit.gates[2] * unit.gates[2]))
            .collect();
        let sent = |k: usize| {
            let [r, z, new, _] = units[k].gates;
            let mut d_product = 0.0;
            for n in 0..h {
                d_product += d_new[n] * self.weight_hh[(2 * h + n) * h + k];
            }
            let d_r = d_product * units[k].h_past * r * (1.0 - r);
            let d_z = d_hs[k] * (units[k].h_past - new) * z * (1.0 - z);
            let d = [d_r, d_z, d_new[k], 0.0];
            Sent { input: d, hidden: d, h_past: d_hs[k] * z + d_product * r, c_past: 0.0 }
        };
        (0..h).map(sent).collect()
    }
}
