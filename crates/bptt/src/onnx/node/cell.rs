//! The equations of the three operators, for one step of one sequence.

use super::activation::Activation;
use super::{Node, Operator};

/// The weights of one direction.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    pub node: &'a Node,
    /// (G·H, I)
    pub w: &'a [f64],
    /// (G·H, H)
    pub r: &'a [f64],
    /// (2·G·H), or nothing
    pub b: &'a [f64],
    /// (3·H), or nothing
    pub p: &'a [f64],
    pub activations: &'a [Activation],
    pub hidden: usize,
}

impl Cell<'_> {
    /// `h_t`, and with LSTM `c_t`, from the features `x` (I) and the states before.
    pub fn step(&self, x: &[f64], h: &mut [f64], c: &mut [f64]) {
        let before = h.to_vec();
        match self.node.operator {
            Operator::Rnn => {
                for (unit, h) in h.iter_mut().enumerate() {
                    *h = self.activate(0, self.input(0, unit, x) + self.recurrent(0, unit, &before));
                }
            }
            Operator::Gru => self.gru(x, &before, h),
            Operator::Lstm => self.lstm(x, &before, h, c),
        }
    }

    /// z, r, h: `h_t = (1 − z) · h' + z · h_{t−1}`.
    fn gru(&self, x: &[f64], before: &[f64], h: &mut [f64]) {
        let gate = |gate: usize, unit| {
            self.activate(0, self.input(gate, unit, x) + self.recurrent(gate, unit, before))
        };
        let reset: Vec<f64> = (0..self.hidden).map(|unit| gate(1, unit)).collect();
        let kept: Vec<f64> = before.iter().zip(&reset).map(|(h, r)| h * r).collect();
        for (unit, h) in h.iter_mut().enumerate() {
            let recurrent = if self.node.linear_before_reset {
                reset[unit] * self.recurrent(2, unit, before)
            } else {
                self.recurrent(2, unit, &kept)
            };
            let (z, new) = (gate(0, unit), self.activate(1, self.input(2, unit, x) + recurrent));
            *h = (1.0 - z) * new + z * before[unit];
        }
    }

    /// i, o, f, c: `c_t = f · c_{t−1} + i · c'`, `h_t = o · h(c_t)`.
    fn lstm(&self, x: &[f64], before: &[f64], h: &mut [f64], c: &mut [f64]) {
        let sum = |gate: usize, unit| self.input(gate, unit, x) + self.recurrent(gate, unit, before);
        let peephole =
            |which: usize, unit: usize| self.p.get(which * self.hidden + unit).copied().unwrap_or(0.0);
        for (unit, (h, c)) in h.iter_mut().zip(c).enumerate() {
            let i = self.activate(0, sum(0, unit) + peephole(0, unit) * *c);
            let f = if self.node.input_forget {
                1.0 - i
            } else {
                self.activate(0, sum(2, unit) + peephole(2, unit) * *c)
            };
            *c = f * *c + i * self.activate(1, sum(3, unit));
            let o = self.activate(0, sum(1, unit) + peephole(1, unit) * *c);
            *h = o * self.activations[2].apply(*c);
        }
    }

    /// The part of a gate's sum that comes from the features.
    fn input(&self, gate: usize, unit: usize, x: &[f64]) -> f64 {
        let row = gate * self.hidden + unit;
        dot(&self.w[row * x.len()..][..x.len()], x) + self.b.get(row).copied().unwrap_or(0.0)
    }

    /// The part of a gate's sum that comes from the states before.
    fn recurrent(&self, gate: usize, unit: usize, h: &[f64]) -> f64 {
        let row = gate * self.hidden + unit;
        let bias = self.b.get(self.node.operator.gates() * self.hidden + row).copied().unwrap_or(0.0);
        dot(&self.r[row * h.len()..][..h.len()], h) + bias
    }

    fn activate(&self, which: usize, sum: f64) -> f64 {
        let sum = match self.node.clip {
            Some(clip) => sum.max(-clip).min(clip),
            None => sum,
        };
        self.activations[which].apply(sum)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
