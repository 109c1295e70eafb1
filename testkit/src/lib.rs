//! Clusters to run obwarden against.

pub mod cluster;
pub mod mariadb;
pub mod paths;
mod ports;
pub mod process;
pub mod seekdb;
pub mod topology;
pub mod warden;
