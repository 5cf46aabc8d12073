//! Backups that run by themselves: what a profile says, one run of it, and when it runs.

pub mod age;
pub mod chain;
pub mod hooks;
pub mod lock;
pub mod metrics;
pub mod pattern;
pub mod profile;
pub mod run;
pub mod schedule;
pub mod scheduler;
pub mod target;
