//! The engine as a whole, over a simulated disk and over real files: crashes, faults, damage,
//! histories, collection, locks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and a long one says how far it is"
)]

mod crash;
mod damage;
mod faults;
mod gc;
mod locks;
mod model;
mod world;
