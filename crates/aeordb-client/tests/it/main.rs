//! The client against a server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod examples;
