//! The commands, one file each.

pub mod bench;
pub mod evaluate;
pub mod inspect;
pub mod predict;
pub mod train;
