//! Real servers on loopback, each with a database of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod backups;
mod conditions;
mod damage;
mod files;
mod keys;
mod limits;
mod meta;
mod openapi;
mod operators;
mod page;
mod served;
mod slow;
mod streams;
mod tar;
mod tar_tools;
mod trees;
mod versions;
