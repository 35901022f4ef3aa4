//! `bptt sweep`: many settings and seeds, on all cores.
//!
//! [`grid`] turns the file into settings, [`results`] keeps what came of them, [`ranking`] puts them in order.

pub mod grid;
pub mod ranking;
pub mod results;
