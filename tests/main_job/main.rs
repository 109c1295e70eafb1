//! The main job, on real servers: see every session of the cluster, end any of them, and have every
//! other statement go to the sys tenant as if obwarden were not there.
//!
//! Each body runs on OceanBase's kernel and on MariaDB. The clusters are shared, so that a test counts
//! on no sessions but those that it has opened.

mod execute;
mod kill;
mod kill_by_id;
mod kill_many;
mod kill_query;
mod list;
mod logins;
mod pass_through;
mod passwords;
mod rights;
mod servers;
#[path = "../support/mod.rs"]
mod support;
