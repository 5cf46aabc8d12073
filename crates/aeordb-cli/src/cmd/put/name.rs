//! What the version that comes of a put is called, as it was typed.

use aeordb::db::Naming;
use clap::Args;
use nix::unistd::gethostname;

use crate::args::key_value;

/// What the version that comes of it is called.
#[derive(Args, Debug)]
#[command(next_help_heading = "What it is called")]
pub struct Called {
    /// Name the version that comes of it, in the same commit; refused if there is such a name
    #[arg(long, value_name = "NAME")]
    pub snapshot: Option<String>,
    /// Metadata to keep with the name; may be repeated. `host` is this machine unless said otherwise
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, requires = "snapshot")]
    pub meta: Vec<(String, String)>,
    /// What to keep with the name as `message`
    #[arg(long, short, value_name = "TEXT", requires = "snapshot")]
    pub message: Option<String>,
}

impl Called {
    /// The same for the library.
    pub fn naming(&self) -> Option<Naming> {
        let name = self.snapshot.clone()?;
        let host = gethostname().ok().map(|host| host.to_string_lossy().into_owned());
        let host = host.filter(|host| !host.is_empty()).map(|host| ("host".to_owned(), host));
        let message = self.message.clone().map(|message| ("message".to_owned(), message));
        let metadata = host.into_iter().chain(self.meta.clone()).chain(message).collect();
        Some(Naming { name, metadata })
    }
}
