//! One address from which a DBA sees and ends every session of an OceanBase cluster.
//!
//! `ARCHITECTURE.md` has the picture. From the top down: [`server`] accepts clients, [`session`] is one
//! client's life, [`console`] answers virtual [`statement`]s, [`cluster`] asks the servers, [`transport`]
//! carries both, [`wire`] is the protocol.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod audit;
pub mod check;
pub mod clients;
pub mod cluster;
pub mod config;
pub mod console;
pub mod deadline;
pub mod execute;
pub mod mask;
pub mod secret;
pub mod server;
pub mod session;
pub mod sql;
pub mod statement;
pub mod status;
pub mod table;
pub mod transport;
pub mod utc;
pub mod wire;
