//! One address from which a DBA sees and ends every session of an OceanBase cluster.

pub mod statement;
pub mod wire;
