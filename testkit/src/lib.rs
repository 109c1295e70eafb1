//! Clusters to run obwarden against, and obwarden itself as a process.
//!
//! A cluster that all tests of a binary share is a static; it ends with the test process:
//!
//! ```no_run
//! use testkit::seekdb::SeekdbCluster;
//! use tokio::sync::OnceCell;
//!
//! async fn cluster() -> &'static SeekdbCluster {
//!     static CLUSTER: OnceCell<SeekdbCluster> = OnceCell::const_new();
//!     CLUSTER.get_or_init(async || SeekdbCluster::start(3).await.expect("three nodes")).await
//! }
//! ```

pub mod certificates;
pub mod cluster;
mod door;
pub mod host;
pub mod link;
mod lock;
pub mod mariadb;
pub mod paths;
pub mod ports;
pub mod process;
pub mod seekdb;
pub mod sim;
pub mod sim_process;
pub mod sockets;
pub mod topology;
pub mod warden;
