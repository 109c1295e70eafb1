//! One address from which a DBA sees and ends every session of an OceanBase cluster.

#![forbid(unsafe_code)]

pub mod audit;
pub mod check;
pub mod clients;
pub mod cluster;
pub mod config;
pub mod console;
pub mod deadline;
pub mod server;
pub mod session;
pub mod statement;
pub mod table;
pub mod wire;
