//! Several threads: the sequences of a batch in parts, each worked on by one thread from its first timestep to its last; or,
//! where there are few sequences on a large network, the units of each timestep.
//!
//! - [`Threads`]: the workers, and the parts that they take;
//! - [`phases`]: parts of a single sequence's timestep, where there are no other sequences;
//! - [`pieces`]: buffers in pieces;
//! - [`share`]: into how many parts a batch is cut, a matter of sizes alone, so that the bits are the same at any number
//!   of threads;
//! - [`words`]: numbers on their way from one thread to others;
//! - [`tempo`]: whether one thread or several are quicker, where sizes do not tell;
//! - [`available`]: how many threads there are where nobody says.

pub(crate) mod available;
pub(crate) mod phases;
pub(crate) mod pieces;
mod pool;
pub(crate) mod share;
pub(crate) mod tempo;
pub(crate) mod words;

pub use pool::Threads;
pub(crate) use pool::{Line, inner, locked};
