//! The client of a server: what the table of calls says, made as calls. Synchronous. It knows no
//! terminal and no environment; what goes wrong is an error of the library, as it would be on a
//! file.
//!
//! ```no_run
//! use aeordb_api::table::{GetReady, NoQuery};
//! use aeordb_client::Client;
//!
//! # fn main() -> aeordb::Result<()> {
//! let client = Client::new("http://127.0.0.1:3000", "aeor_…".into())?;
//! println!("{}", client.ask::<GetReady>(b"", &NoQuery {})?.head);
//! # Ok(())
//! # }
//! ```

mod client;
pub mod import;
pub mod jobs;
mod overlay;
pub mod place;
pub mod stream;
mod throttle;
pub mod tree;
mod waiting;

pub use client::{Client, Payload, denied, json};
pub use overlay::Overlay;
pub use waiting::waiting;
