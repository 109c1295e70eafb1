//! Clusters to run obwarden against.
pub mod sim;
