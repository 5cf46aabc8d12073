//! Measures the server under load, beside an object server: durable small PUTs and GETs by many
//! clients, and one large file. Both servers and all clients share the machine.
//!
//! `cargo run --release -p aeordb-bench --bin http -- [--seconds N] [--clients 1,16,64]
//! [--gigabyte N] [--weed PROGRAM] [--aeordb PROGRAM]`

mod load;
mod servers;

use std::process::ExitCode;
use std::time::Duration;

use crate::load::{Kind, Load};
use crate::servers::Server;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What is measured.
struct Options {
    seconds: u64,
    clients: Vec<usize>,
    large: usize,
    aeordb: String,
    weed: Option<String>,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options> {
    let mut options = Options {
        seconds: 5,
        clients: vec![1, 16, 64],
        large: 1_000_000_000,
        aeordb: "target/release/aeordb".into(),
        weed: None,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("seconds") => {
                options.seconds = arguments.value()?.string_value()?.parse()?
            }
            lexopt::Arg::Long("clients") => {
                let list = arguments.value()?.string_value()?;
                options.clients =
                    list.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
            }
            lexopt::Arg::Long("large") => {
                options.large = arguments.value()?.string_value()?.parse()?
            }
            lexopt::Arg::Long("weed") => options.weed = Some(arguments.value()?.string_value()?),
            lexopt::Arg::Long("aeordb") => options.aeordb = arguments.value()?.string_value()?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

/// Text of an argument.
trait StringValue {
    fn string_value(self) -> Result<String>;
}

impl StringValue for std::ffi::OsString {
    fn string_value(self) -> Result<String> {
        self.into_string().map_err(|value| format!("{value:?} is not UTF-8").into())
    }
}

fn run(options: &Options) -> Result<()> {
    let mut servers = vec![Server::aeordb(&options.aeordb)?];
    if let Some(weed) = &options.weed {
        servers.push(Server::weed(weed, false)?);
        servers.push(Server::weed(weed, true)?);
    }
    println!("| server | clients | PUT/s | p50 ms | p99 ms | GET/s | p50 ms | p99 ms |");
    println!("|---|---|---|---|---|---|---|---|");
    let time = Duration::from_secs(options.seconds);
    for clients in &options.clients {
        for server in &servers {
            let put = Load { server, clients: *clients, time, kind: Kind::Put }.run()?;
            let get = Load { server, clients: *clients, time, kind: Kind::Get(put.files) }.run()?;
            println!("| {} | {clients} | {put} | {get} |", server.name);
        }
    }
    if options.large == 0 {
        return Ok(());
    }
    println!("\n| server | upload s | download s | of {} bytes |", options.large);
    println!("|---|---|---|---|");
    for server in &servers {
        let (up, down) = load::large(server, options.large)?;
        println!("| {} | {:.2} | {:.2} | |", server.name, up.as_secs_f64(), down.as_secs_f64());
    }
    Ok(())
}
