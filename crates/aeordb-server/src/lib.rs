//! The HTTP server: the only place that knows axum, JSON and API keys.
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
mod backups;
mod body;
mod cache;
mod comparisons;
mod connections;
mod digest;
pub mod hang_up;
mod jobs;
pub mod keys;
mod limiter;
mod log;
mod metrics;
mod outgoing;
mod overlays;
mod patience;
mod places;
pub mod problem;
mod request;
pub mod routes;
mod server;
mod sniff;
mod spool;
mod tarball;
#[cfg(test)]
mod testing;
mod traced;

pub use accept::TlsFiles;
pub use app::Deadlines;
pub use log::Level;
pub use server::{Config, Server, Stop};
