//! obwarden and a network that fails: links that are slow, narrow, black holes or broken, and hosts that are
//! gone without a word. Whatever it is, the node is named in time, all others' rows are there, there are
//! never more than two connections to it, and it comes back by itself.

#[path = "../support/mod.rs"]
mod support;

mod broken;
mod connecting;
mod half_open;
mod hosts;
mod scene;
mod slow;
