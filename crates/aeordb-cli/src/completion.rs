//! What a shell asks for while a command is typed: flags, and what the database has, which no script
//! can know. The script of `aeordb completions` runs the program with `COMPLETE` set and the words so
//! far behind `--`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use aeordb::object::Path;
use aeordb_api::item::Kind;
use clap::{Command, CommandFactory};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::app::App;
use crate::args::{At, Cli, With};
use crate::cmd;
use crate::exit::Attempt;
use crate::home::{self, File, Home, Server};
use crate::location::Location;
use crate::out::Out;

/// No more names than a person looks through.
const NAMES_MAX: usize = 1000;

/// Answers a shell and ends the program, if it is a shell that asks.
pub fn answer() {
    CompleteEnv::with_factory(command).complete();
}

/// The command line, with what its arguments can be.
fn command() -> Command {
    Cli::command().mut_subcommands(|verb| match verb.get_name() {
        "snapshot" => verb.mut_subcommands(|verb| match verb.get_name() {
            "create" => asked(verb, false),
            _ => asked(verb, true),
        }),
        "export" => asked(verb, true),
        _ => asked(verb, false),
    })
}

/// A verb, with places and versions of the database where it takes them, and with snapshots where a
/// name is that of one.
fn asked(verb: Command, names: bool) -> Command {
    let moves = matches!(verb.get_name(), "mv" | "cp");
    verb.mut_args(|argument| {
        let first =
            argument.get_value_names().and_then(|names| names.first()).map(|name| name.as_str());
        match first {
            Some("PATH") => argument.add(ArgValueCompleter::new(places)),
            Some("FROM" | "TO") if moves => argument.add(ArgValueCompleter::new(places)),
            Some("VERSION") => argument.add(ArgValueCompleter::new(versions)),
            Some("NAME" | "OLD") if names => argument.add(ArgValueCompleter::new(snapshots)),
            _ => argument,
        }
    })
}

/// What may be named where a version is: HEAD, and the snapshots.
fn versions(typed: &OsStr) -> Vec<CompletionCandidate> {
    let mut all = snapshots(typed);
    let known = ["HEAD", "latest"].into_iter().filter(|name| starts(name.as_bytes(), typed));
    all.extend(known.map(CompletionCandidate::new));
    all
}

fn snapshots(typed: &OsStr) -> Vec<CompletionCandidate> {
    let mut found = Vec::new();
    // A shell has no place for errors: what cannot be asked completes nothing.
    let _ = ask(&mut |app, home| {
        home.snapshots(app, &mut |_, snapshot| {
            if starts(snapshot.name.as_bytes(), typed) {
                let from = snapshot.created_at.to_string();
                found.push(CompletionCandidate::new(snapshot.name).help(Some(from.into())));
            }
            Ok(found.len() < NAMES_MAX)
        })
    });
    found
}

/// What is in the directory that is typed so far, of the version that is named.
fn places(typed: &OsStr) -> Vec<CompletionCandidate> {
    let words = words();
    let split = typed.as_bytes().windows(2).position(|pair| pair == b":/");
    let (before, path) = match split.filter(|_| !typed.as_bytes().starts_with(b"/")) {
        Some(colon) => typed.as_bytes().split_at(colon + 1),
        None => (&b""[..], typed.as_bytes()),
    };
    let version = match before.strip_suffix(b":") {
        Some(version) => Some(version.to_vec()),
        // bash takes words apart at colons.
        None => named_before_colon(&words),
    };
    let at = version.or_else(|| option(&words, &["--at"]).map(OsString::into_vec));
    let at = at.and_then(|name| String::from_utf8(name).ok());
    if !path.starts_with(b"/") {
        return if path.is_empty() { vec![CompletionCandidate::new("/")] } else { Vec::new() };
    }
    let mut found = Vec::new();
    let _ = ask(&mut |app, home| below(app, home, at.as_deref(), before, path, &mut found));
    found
}

/// Adds what is in the directory that `path` begins with.
fn below(
    app: &mut App,
    home: &dyn Home,
    version: Option<&str>,
    before: &[u8],
    path: &[u8],
    found: &mut Vec<CompletionCandidate>,
) -> Attempt<()> {
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let directory = Path::parse(path.get(..=slash).unwrap_or(b"/"))?;
    let place = Location { version: version.map(str::to_owned), path: directory };
    let (_, reading) = home.reading(app, &[], &At::default(), &With::default())?;
    reading.list(&place, None, usize::MAX, &mut |child, item| {
        if child.as_bytes().starts_with(path) {
            let mut whole = [before, child.as_bytes()].concat();
            if item.kind == Kind::Directory {
                whole.push(b'/');
            }
            found.push(CompletionCandidate::new(OsString::from_vec(whole)));
        }
        Ok(found.len() < NAMES_MAX)
    })
}

/// Asks the database that the words so far name.
fn ask(work: &mut dyn FnMut(&mut App, &dyn Home) -> Attempt<()>) -> Attempt<()> {
    let words = words();
    let mut line: Vec<OsString> = vec!["aeordb".into(), "log".into()];
    for (flag, spellings) in
        [("--database", &["--database", "-d"][..]), ("--server", &["--server"][..])]
    {
        if let Some(value) = option(&words, spellings) {
            line.extend([flag.into(), value]);
        }
    }
    let Ok(cli) = Cli::understand(&line) else { return Ok(()) };
    let out = Out::new(Box::new(std::io::sink()), Box::new(std::io::sink()), false);
    let verb = cmd::name(&cli.verb).to_owned();
    let mut app = App { global: cli.global, verb, out, attended: false, within: None };
    match app.global.server.clone() {
        None => work(&mut app, &File),
        Some(url) => {
            let server = Server::new(&url, home::key()?, &app.global)?;
            work(&mut app, &server)
        }
    }
}

/// The words of the command that is typed.
fn words() -> Vec<OsString> {
    std::env::args_os().skip_while(|word| word != "--").skip(2).collect()
}

/// The last value of an option among words: `--at v1`, `--at=v1`, `-d x`, `-dx`.
fn option(words: &[OsString], spellings: &[&str]) -> Option<OsString> {
    let mut found = None;
    for (index, word) in words.iter().enumerate() {
        for spelling in spellings {
            let Some(rest) = word.as_bytes().strip_prefix(spelling.as_bytes()) else { continue };
            let long = spelling.starts_with("--");
            found = match rest {
                b"" => words.get(index + 1).cloned().or(found),
                [b'=', value @ ..] => Some(OsStr::from_bytes(value).to_owned()),
                value if !long => Some(OsStr::from_bytes(value).to_owned()),
                _ => found,
            };
        }
    }
    found
}

/// The version of `VERSION:/PATH`, where the shell made three words of it.
fn named_before_colon(words: &[OsString]) -> Option<Vec<u8>> {
    // The first word, the program, is not among them.
    let index: usize = std::env::var("_CLAP_COMPLETE_INDEX").ok()?.parse().ok()?;
    let colon = words.get(index.checked_sub(2)?)?;
    let version = words.get(index.checked_sub(3)?)?;
    (colon == ":").then(|| version.as_bytes().to_vec())
}

fn starts(name: &[u8], typed: &OsStr) -> bool {
    name.starts_with(typed.as_bytes())
}
