//! [`State`]: the hidden states that a pass begins with, or ends with.

use super::buffers::Buffers;
use super::layout::Stack;
use crate::buffer::zeros;
use crate::{Error, Float, Result};

/// `h`, and with LSTM `c`, of every layer, direction and sequence, in PyTorch's order: `(num_layers · D, B, H)`, row-major,
/// where of each layer the forward direction comes first.
#[derive(Debug, Clone, PartialEq)]
pub struct State<T = f32> {
    /// `h_0` or `h_n`.
    pub h: Vec<T>,
    /// `c_0` or `c_n`; empty for cells without a memory.
    pub c: Vec<T>,
}

impl<T: Float> State<T> {
    /// Zeros for `sequences` sequences.
    pub(crate) fn zeros(stack: &Stack, sequences: usize) -> Result<Self> {
        let len = stack.parts().saturating_mul(sequences).saturating_mul(stack.hidden);
        let c = if stack.architecture.cell.has_memory() { zeros(len)? } else { Vec::new() };
        Ok(Self { h: zeros(len)?, c })
    }

    /// Refuses a state of other sizes.
    pub(crate) fn check(&self, stack: &Stack, sequences: usize) -> Result<()> {
        let len = stack.parts().saturating_mul(sequences).saturating_mul(stack.hidden);
        let memory = if stack.architecture.cell.has_memory() { len } else { 0 };
        for (what, expected, found) in
            [("h of the state", len, self.h.len()), ("c of the state", memory, self.c.len())]
        {
            if expected != found {
                return Err(Error::Length { what: what.into(), expected, found });
            }
        }
        Ok(())
    }

    /// The states of the sequences `members`, from here into the buffers, or with `back` the other way.
    pub(crate) fn exchange(
        &mut self,
        stack: &Stack,
        members: impl Iterator<Item = usize> + Clone,
        buffers: &mut Buffers<T>,
        back: bool,
    ) {
        let (h, p, parts) = (stack.hidden, stack.stride::<T>(), stack.parts());
        let sequences = self.h.len() / (parts * h).max(1);
        let batch = buffers.batch;
        for (mine, theirs) in [(&mut self.h, &mut buffers.hidden), (&mut self.c, &mut buffers.memory)] {
            if mine.is_empty() {
                continue;
            }
            for part in 0..parts {
                for (m, member) in members.clone().enumerate() {
                    let mine = &mut mine[(part * sequences + member) * h..][..h];
                    let theirs = &mut theirs[(part * batch + m) * p..][..h];
                    if back { mine.copy_from_slice(theirs) } else { theirs.copy_from_slice(mine) }
                }
            }
        }
    }
}
