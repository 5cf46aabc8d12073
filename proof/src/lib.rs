//! Kills, starves and cuts off the real program at every step, and looks at what is left.
//!
//! `trace` stops a program at its system calls (`calls` says at which, `registers` how they are
//! changed), `inject` disturbs one of them. `verbs` are the commands, `base` what they work on,
//! `course` where they lead and what may be left, `sweep` goes through all points. `state` is what
//! a database shows.
//!
//! `record` writes down what a program does to the files of a directory, `disk` says what may be
//! left of that after a power cut, `history` makes random commands and knows where they lead,
//! `opened` has the real program look at an image, `power_cut` cuts at any moment. `readers` open a
//! database beside a writer.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod base;
mod calls;
mod course;
mod disk;
mod error;
mod history;
mod inject;
mod opened;
mod options;
mod power_cut;
mod readers;
mod record;
mod registers;
mod sandbox;
mod state;
mod sweep;
mod trace;
mod verbs;

use std::process::ExitCode;

use error::{Doing, Outcome};
use options::{HELP, Options, Task};

/// The program.
#[expect(clippy::print_stderr, reason = "where errors go")]
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|word| word == trace::TRACED).is_some() {
        eprintln!("aeordb-proof: {}", trace::become_traced(arguments));
        return ExitCode::from(2);
    }
    let done = match arguments.next_if(|word| word == readers::WRITER) {
        Some(_) => readers::write_beside(arguments).map(|()| true),
        None => run(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("aeordb-proof: {error}");
            ExitCode::from(2)
        }
    }
}

/// True if nothing was wrong.
#[expect(clippy::print_stdout, reason = "the help")]
fn run() -> Outcome<bool> {
    let Some(mut options) = Options::parse(lexopt::Parser::from_env())? else {
        print!("{HELP}");
        return Ok(true);
    };
    // Commands run in directories of their own, so every path is absolute.
    for path in [&mut options.program, &mut options.work] {
        *path = std::path::absolute(&*path).doing_to("cannot resolve", path)?;
    }
    match options.task {
        Task::Sweep => sweep::run(&options),
        Task::PowerCut => power_cut::run(&options),
        Task::Readers => readers::run(&options),
    }
}
