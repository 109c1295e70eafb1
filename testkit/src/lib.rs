//! Clusters to run obwarden against.

pub mod paths;
mod ports;
pub mod process;
