//! The program `aeordb`: argv, terminal and exit codes around the library.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use clap::error::ErrorKind;

mod app;
mod args;
mod cmd;
mod completion;
mod elsewhere;
mod encryption;
mod exit;
mod help;
mod home;
mod interrupt;
mod location;
mod out;
mod output;
mod profiles;
mod progress;
mod remote;
mod render;
mod text;
mod unattended;

#[cfg(all(feature = "jemalloc", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    completion::answer();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match args::Cli::understand(&arguments) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(unparsed(error, &arguments)),
    };
    let out = match out::Out::standard() {
        Ok(out) => out,
        Err(error) => return ExitCode::from(exit::code(&error)),
    };
    if let Err(error) = interrupt::survive() {
        return ExitCode::from(exit::code(&error));
    }
    remote::install();
    encryption::install(&cli.global);
    let verbose = cli.global.verbose > 0;
    let verb = cmd::name(&cli.verb).to_owned();
    let attended = std::io::stderr().is_terminal();
    let mut app = app::App { global: cli.global, verb, out, attended, within: None };
    let started = Instant::now();
    let outcome = cmd::run(&mut app, cli.verb);
    // What was said before an error must come out before it.
    let flushed = app.out.flush();
    let code = match (outcome, flushed) {
        (Err(failure), _) => app.fail(failure),
        (Ok(_), Err(error)) => app.fail(error.into()),
        (Ok(code), Ok(())) => code,
    };
    if verbose {
        app.out.message(&format!("aeordb: {}", text::duration(started.elapsed())));
    }
    ExitCode::from(code)
}

/// Shows help, or why the command line was not understood.
fn unparsed(mut error: clap::Error, arguments: &[OsString]) -> u8 {
    elsewhere::explain(&mut error);
    if !error.use_stderr() || !arguments.iter().any(|argument| argument == "--json") {
        let _ = error.print();
    } else if let Ok(mut out) = out::Out::standard() {
        out.json_message(&render::usage(&error.to_string()));
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => exit::DONE,
        _ => exit::USAGE,
    }
}
