//! Clusters to run obwarden against.
