//! `serve`

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use aeordb_api::command::Listening;
use aeordb_server::{Beside, Config, Level, Server, TlsFiles};
use clap::Args;
use jiff::tz::TimeZone;

use crate::app::{App, Outcome};
use crate::exit::{self, About, Attempt, Subject};
use crate::profiles::schedule::Schedule;
use crate::profiles::scheduler;
use crate::text;

const HELP: &str = "\
Makes the database if it is not there. If it has no key yet, one that may do everything is made \
and shown once. Everything but /healthz needs a key: Authorization: Bearer KEY. GET /openapi.json \
describes all calls. A port without an address is one of this machine alone. SIGTERM ends the server when it has finished what it accepted, SIGHUP reads \
the certificate again, or ends a server that has none.

Examples:
  aeordb serve --database data.aeordb
  aeordb serve --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem
  curl -H \"Authorization: Bearer $AEORDB_API_KEY\" http://127.0.0.1:3000/files/";

/// Serve the database over HTTP
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Serve {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000",
        value_parser = address)]
    pub listen: SocketAddr,
    /// The directory of backups; `backups` beside the database if not given
    #[arg(long, value_name = "DIRECTORY")]
    pub backup_dir: Option<PathBuf>,
    /// The chain of certificates, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Listen without TLS where others than this machine can hear it
    #[arg(long)]
    pub allow_plaintext: bool,
    /// Write the first key to this new file, readable by its owner alone, instead of showing it
    #[arg(long, value_name = "FILE")]
    pub first_key_file: Option<PathBuf>,
    /// Connections that are open at once; one address of another machine has a quarter of them
    #[arg(long, value_name = "COUNT", default_value = "8192",
        value_parser = clap::value_parser!(u32).range(4..=1_000_000))]
    pub max_connections: u32,
    /// Run this profile on its `schedule`, on the database that is served; may be repeated
    #[arg(long = "profile", value_name = "PROFILE")]
    pub profiles: Vec<PathBuf>,
    /// Go on with a deep verification whenever this expression of cron is due, as in '30 3 * * *'
    #[arg(long, value_name = "SCHEDULE")]
    pub scrub: Option<String>,
    /// How long such a run takes
    #[arg(long, value_name = "DURATION", default_value = "10m", requires = "scrub",
        value_parser = text::parse_duration)]
    pub scrub_budget: Duration,
    /// What is logged to standard error, as JSON lines
    #[arg(long, value_enum, default_value = "changes")]
    pub log: LogLevel,
}

/// What a server logs.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    /// Only what the server failed at
    Errors,
    /// Also every request that changes something or fails
    Changes,
    /// Every request
    Requests,
}

pub fn run(app: &mut App, args: Serve) -> Outcome {
    let profiles = scheduler::read(&args.profiles, app.path())?;
    let scrub = args.scrub.as_deref().map(|when| Schedule::parse(when, TimeZone::system()));
    let scrub = scrub.transpose()?;
    let mut config = Config::new(app.path(), args.listen);
    let options = app.global.options(None);
    (config.workers, config.lock_wait) = (options.workers, options.lock_wait);
    config.backup_directory = args.backup_dir;
    config.tls =
        args.tls_cert.zip(args.tls_key).map(|(certificates, key)| TlsFiles { certificates, key });
    config.allow_plaintext = args.allow_plaintext;
    config.first_key_file = args.first_key_file;
    config.connections_max = usize::try_from(args.max_connections).unwrap_or(usize::MAX);
    config.level = match args.log {
        LogLevel::Errors => Level::Errors,
        LogLevel::Changes => Level::Changes,
        LogLevel::Requests => Level::Requests,
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let mut server = Server::start(config).about(Subject::Serving)?;
    let url = format!("{scheme}://{}", server.address());
    if let Err(failure) = announce(app, &server, &url) {
        // A key that nobody saw must not stay: the next start makes another.
        server.withdraw_first_key().about(Subject::Database)?;
        return Err(failure);
    }
    for profile in profiles {
        let global = app.global.clone();
        server.beside(move |beside| profile.run(&global, beside)).about(Subject::Serving)?;
    }
    if let Some(schedule) = scrub {
        let budget = args.scrub_budget;
        let work = move |beside: &Beside| scheduler::scrub(&schedule, budget, beside);
        server.beside(work).about(Subject::Serving)?;
    }
    server.run_until_signal().about(Subject::Database)?;
    Ok(exit::DONE)
}

/// Says where the server listens, and shows its first key. Whoever started it waits for this.
fn announce(app: &mut App, server: &Server, url: &str) -> Attempt<()> {
    let key = server.first_key();
    if app.global.json {
        app.out.json(&Listening { url: url.into(), key: key.map(Into::into) })?;
    } else {
        if let Some(key) = key {
            app.out.line(&format!("API key (shown only this once): {key}"))?;
        }
        app.out.line(&format!("Listening on {url}"))?;
    }
    Ok(app.out.flush()?)
}

/// `ADDRESS:PORT` or `NAME:PORT`; a port alone is one of this machine.
pub fn address(word: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = word.parse() {
        return Ok(address);
    }
    let bad = || "expected ADDRESS:PORT, as in 127.0.0.1:3000, localhost:3000 or 3000".to_owned();
    let (host, port) = word.rsplit_once(':').unwrap_or(("", word));
    let port: u16 = port.parse().map_err(|_| bad())?;
    if matches!(host, "" | "localhost") {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    (host, port).to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_machine_and_what_is_no_address_is_told_by_an_example() {
        for word in ["localhost:4444", ":4444", "4444", "127.0.0.1:4444"] {
            assert_eq!(address(word).unwrap(), "127.0.0.1:4444".parse().unwrap(), "{word}");
        }
        assert_eq!(address("[::1]:1").unwrap(), "[::1]:1".parse().unwrap());
        for word in ["", "localhost", "127.0.0.1", "::1", "127.0.0.1:70000", "a b:1"] {
            assert!(address(word).unwrap_err().contains("127.0.0.1:3000"), "{word}");
        }
    }
}
