//! obwarden before simulated nodes: every fault that no real server shows on demand.

#[path = "../support/mod.rs"]
mod support;

mod backends;
mod cancel;
mod detours;
mod failed_nodes;
mod kill;
mod lists;
mod login_names;
mod rights;
mod topology;
