//! One address from which a DBA sees and ends every session of an OceanBase cluster.

pub mod audit;
pub mod clients;
pub mod cluster;
pub mod console;
pub mod statement;
pub mod table;
pub mod wire;
