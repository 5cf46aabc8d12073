//! The program as its users run it: every test starts the real binary in a directory of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod backups;
mod damage;
mod desk;
mod file_systems;
mod flags;
mod guards;
mod json;
mod manual;
mod names;
mod newer;
mod pipes;
mod readers;
mod refusals;
mod remote;
mod remote_trees;
mod salvage;
mod server;
mod server_manual;
mod serving;
mod stale;
mod transcripts;
mod trees;
mod writers;
