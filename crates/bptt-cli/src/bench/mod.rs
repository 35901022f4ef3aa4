//! `bptt bench` behind the command: what is timed ([`plan`]), on which data ([`data`]), how ([`measurement`]) and how
//! it is told ([`report`]).

pub mod data;
pub mod measurement;
pub mod plan;
pub mod report;
