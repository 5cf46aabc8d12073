//! The program as its users run it: every test starts the real binary in a directory of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod attributes;
mod back;
mod backups;
mod cancelling;
mod choosing;
mod comparing;
mod completing;
mod damage;
mod encryption;
mod file_systems;
mod find;
mod flags;
mod forgetting;
mod guards;
mod json;
mod keeping;
mod manual;
mod names;
mod newer;
mod objects;
mod parity;
mod pipes;
mod profiles;
mod readers;
mod refusals;
mod remote;
mod remote_trees;
mod repair;
mod resuming;
mod salvage;
mod sandbox;
mod server;
mod server_manual;
mod serving;
mod snapshots;
mod space;
mod stale;
mod transcripts;
mod trees;
mod unattended;
mod writers;
