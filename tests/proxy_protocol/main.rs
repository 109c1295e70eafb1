//! Behind a load balancer that says by PROXY header whom it connects for.
//!
//! All load balancers here come from 127.0.0.5, which is listed; their clients come from 127.0.0.1.

#[path = "../support/mod.rs"]
mod support;

mod haproxy;
mod headers;
mod load_balancer;

/// The address that the proxy reads a header from.
const LISTED: [u8; 4] = [127, 0, 0, 5];
