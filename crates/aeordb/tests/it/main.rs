//! The engine as a whole, over a simulated disk and over real files: crashes, faults, damage,
//! histories, collection, locks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::type_complexity,
    reason = "a test fails by panicking, its numbers are small, and a long one says how far it is"
)]

mod compact;
mod copied;
mod crash;
mod damage;
mod examples;
mod faults;
mod fixture;
mod forged;
mod full_disk;
mod fuzz;
mod gc;
mod golden;
mod locks;
mod model;
mod newer;
mod own;
mod retained;
mod salvage;
mod scrub;
mod space;
mod stale;
mod torn;
