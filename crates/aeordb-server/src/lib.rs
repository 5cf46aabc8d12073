//! The HTTP server: the only place that knows axum and API keys. What it does with the database is a
//! service that knows no HTTP (`service`).
//!
//! ```no_run
//! # fn main() -> aeordb::Result<()> {
//! use aeordb_server::{Config, Server};
//!
//! let server = Server::start(Config::new("data.aeordb", "127.0.0.1:3000".parse().unwrap()))?;
//! if let Some(key) = server.first_key() {
//!     println!("{key}");
//! }
//! server.run_until_signal()
//! # }
//! ```

mod accept;
mod app;
mod beside;
mod body;
mod cache;
mod connections;
mod digest;
pub mod hang_up;
pub mod keys;
mod limiter;
mod log;
mod logged_body;
mod metrics;
mod outgoing;
pub mod problem;
mod request;
pub mod routes;
mod server;
mod service;
mod sniff;
mod stall;
#[cfg(test)]
mod testing;

pub use accept::TlsFiles;
pub use app::Deadlines;
pub use beside::{Beside, OnStop};
pub use log::Level;
pub use server::{Config, Server, Stop};
