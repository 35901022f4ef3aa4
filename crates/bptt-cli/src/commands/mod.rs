//! The commands, one file each.

pub mod bench;
pub mod evaluate;
pub mod example;
pub mod export;
pub mod follow;
pub mod import;
pub mod inspect;
pub mod predict;
pub mod sweep;
pub mod train;
