//! Networks of any architecture: stacks of recurrent layers, in one direction or both, of any cell.
//!
//! - [`layout`]: where the parameters lie;
//! - [`rows`]: the sequences of a pass, longest first, and where their rows lie;
//! - [`forward`], [`backward`]: the sweeps of one layer in one direction, generic over the cell
//!   ([`crate::cell::recurrence`]), one register of units of a few sequences at a time;
//! - [`wide`]: the same for large layers, as products of matrices;
//! - [`split`]: the same where no way back follows, in windows of timesteps and with the units cut into blocks for threads;
//! - [`pass`]: through all layers and the readout, and back;
//! - [`reset_before`]: the sweeps of the one cell whose step is two products;
//! - [`narrow`]: the same with a sequence in each lane, for training of few units;
//! - [`job`]: what runs inside one instruction-set level;
//! - [`learner`]: batches, windows of truncated backpropagation, updates;
//! - [`dropout`], [`buffers`], [`state`].
//!
//! One Elman layer in one direction is such a stack too, with the same parameters at the same places. For training it
//! with plain SGD on squared errors there are quicker ways ([`crate::epoch`]); everything else goes through here.

mod backward;
mod biases;
mod buffers;
mod derived;
mod dropout;
mod forward;
pub(crate) mod job;
mod layout;
pub(crate) mod learner;
mod narrow;
mod pass;
mod reset_before;
pub(crate) mod rows;
mod split;
pub(crate) mod state;
mod wide;

pub use buffers::Buffers;
pub use derived::Derived;
pub use layout::Stack;
pub use split::Split;
