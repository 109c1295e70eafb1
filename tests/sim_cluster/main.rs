//! obwarden before simulated nodes: every fault that no real server shows on demand.

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod backends;
mod cancel;
mod connections;
mod detours;
mod explain_kill;
mod failed_nodes;
mod health;
mod kill;
mod kill_by_id;
mod kill_many;
mod kill_many_faults;
mod kill_many_records;
mod kill_proxied;
mod kill_query;
mod lists;
mod login_names;
mod own_tables;
mod picked_lists;
mod prepared;
mod rights;
mod schema;
mod selects;
mod servers;
mod topology;
mod topology_cache;
mod topology_changes;
