//! `serve`

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};

use aeordb_api::command::Listening;
use aeordb_server::{Config, Level, Server, TlsFiles};

use crate::app::{App, Outcome};
use crate::args::{LogLevel, Serve};
use crate::exit::{self, About, Attempt, Subject};

pub fn run(app: &mut App, args: Serve) -> Outcome {
    let mut config = Config::new(app.path(), args.listen);
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
    let server = Server::start(config).about(Subject::Serving)?;
    let url = format!("{scheme}://{}", server.address());
    if let Err(failure) = announce(app, &server, &url) {
        // A key that nobody saw must not stay: the next start makes another.
        server.withdraw_first_key().about(Subject::Database)?;
        return Err(failure);
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
