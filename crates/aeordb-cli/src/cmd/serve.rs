//! `serve`

use aeordb_server::{Config, Level, Server, TlsFiles};
use serde_json::json;

use crate::app::{App, Outcome};
use crate::args::{LogLevel, Serve};
use crate::exit::{self, About, Subject};

pub fn run(app: &mut App, args: Serve) -> Outcome {
    let mut config = Config::new(app.path(), args.listen);
    config.backup_directory = args.backup_dir;
    config.tls =
        args.tls_cert.zip(args.tls_key).map(|(certificates, key)| TlsFiles { certificates, key });
    config.allow_plaintext = args.allow_plaintext;
    config.level = match args.log {
        LogLevel::Errors => Level::Errors,
        LogLevel::Changes => Level::Changes,
        LogLevel::Requests => Level::Requests,
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let server = Server::start(config).about(Subject::Database)?;
    let url = format!("{scheme}://{}", server.address());
    let key = server.first_key();
    if app.global.json {
        app.out.json(&json!({ "url": url, "key": key }))?;
    } else {
        if let Some(key) = key {
            app.out.line(&format!("API key (shown only this once): {key}"))?;
        }
        app.out.line(&format!("Listening on {url}"))?;
    }
    // Whoever started the server waits for this.
    app.out.flush()?;
    server.run_until_signal().about(Subject::Database)?;
    Ok(exit::DONE)
}
