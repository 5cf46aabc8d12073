//! What the real program says of a database, and whether that is one of the states that may be.

use std::fs;

use fastrand::Rng;

use crate::base;
use crate::disk::Image;
use crate::error::{Doing, Error, Outcome};
use crate::history::{LOCAL, Model};
use crate::sandbox::Sandbox;
use crate::state::{self, Node, Tree};
use crate::verbs::DATABASE;

/// What is put to see that writing works.
const PROBE: &str = "probe";
const PROBED: &[u8] = b"written after the cut\n";
/// Every so many images are collected after that.
const COLLECTED: u64 = 4;

/// What must be there after a command.
#[derive(Clone)]
pub struct Expected {
    /// What the readers print; none if there is no database.
    said: Option<[String; READERS.len()]>,
    head: Tree,
    /// Every file that a command has made so far beside the database, and its bytes.
    outputs: Image,
}

impl Expected {
    /// The same state where a command that was not acknowledged left its output, whole.
    pub fn with_outputs_of(&self, image: &Image) -> Expected {
        let is_output = |name: &str| name != DATABASE && !is_unfinished(name);
        let outputs = image.iter().filter(|(name, _)| is_output(name));
        let outputs = outputs.map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        Expected { outputs, ..self.clone() }
    }
}

/// True for what the program calls files that are not whole yet.
fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && (name.ends_with(".aeordb-tmp") || is_kept(name))
}

/// True for the name of a new database until its first commit is named.
fn is_kept(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".aeordb-unfinished")
}

/// The readers whose words are compared: HEAD with every hash, mode and time, the names, the past.
const READERS: [&str; 3] =
    ["ls -r -l --json / -d d.aeordb", "snapshot list --json -d d.aeordb", "log --json -d d.aeordb"];

/// Looks at the database and the outputs after a command; they must be what the model says.
pub fn expected(sandbox: &Sandbox, model: &Model) -> Outcome<Expected> {
    let database = sandbox.path(DATABASE);
    let mut expected = Expected { said: None, head: model.head.clone(), outputs: Image::new() };
    for name in model.outputs() {
        let path = sandbox.path(name);
        state::sound(&path)?;
        expected.outputs.insert(name.to_owned(), fs::read(&path).doing_to("cannot read", &path)?);
    }
    if !database.exists() {
        return Ok(expected);
    }
    let (head, snapshots) = state::trees(&database)?;
    if head != model.head {
        return Err(Error::new(format!(
            "HEAD is not as it must be: {}",
            differ(&head, &model.head)
        )));
    }
    if snapshots != model.snapshots {
        return Err(Error::new("the snapshots are not as they must be"));
    }
    expected.said = Some(ask(sandbox)?);
    Ok(expected)
}

/// The first path that differs.
fn differ(found: &Tree, expected: &Tree) -> String {
    let paths = found.keys().chain(expected.keys());
    let other = paths.into_iter().find(|path| found.get(*path) != expected.get(*path));
    other.cloned().unwrap_or_default()
}

fn ask(sandbox: &Sandbox) -> Outcome<[String; READERS.len()]> {
    let mut said = READERS.map(str::to_owned);
    for words in &mut said {
        *words = sandbox.ok(&words.split(' ').collect::<Vec<_>>())?;
    }
    Ok(said)
}

/// Puts an image on the sandbox.
pub fn lay_out(sandbox: &Sandbox, image: &Image) -> Outcome<()> {
    sandbox.clear()?;
    for (name, bytes) in image {
        let path = sandbox.path(name);
        fs::write(&path, bytes).doing_to("cannot write", &path)?;
    }
    Ok(())
}

/// Opens what is on the sandbox, and says which of the states it is. Each command that was done has
/// its output.
pub fn check(sandbox: &Sandbox, image: &Image, states: &[Expected], seed: u64) -> Outcome<usize> {
    let Some(acknowledged) = states.first() else { return Err(Error::new("no state may be")) };
    outputs(image, states)?;
    let found = match image.contains_key(DATABASE) {
        false => None,
        true => {
            run(sandbox, "verify --deep -d d.aeordb")?;
            run(sandbox, "info -d d.aeordb")?;
            Some(ask(sandbox)?)
        }
    };
    let Some(state) = states.iter().position(|state| state.said == found) else {
        return Err(Error::new(tell(&found, acknowledged)));
    };
    if let (Some(path), true) = (a_file(&states[state].head, seed), found.is_some()) {
        reads(sandbox, &path, &states[state].head)?;
    }
    for (name, bytes) in image {
        if fs::read(sandbox.path(name)).doing("cannot read an image")? != *bytes {
            return Err(Error::new(format!("a reader changed {name}")));
        }
    }
    let written = writes(sandbox, &states[state], seed);
    match (written, states.get(state + 1)) {
        // The first command was whole but for the name of the database: it comes with the next write.
        (Err(_), Some(next)) if found.is_none() && image.keys().any(|name| is_kept(name)) => {
            writes(sandbox, next, seed)?;
        }
        (written, _) => written?,
    }
    Ok(state)
}

/// What does not fit.
fn tell(found: &Option<[String; READERS.len()]>, acknowledged: &Expected) -> String {
    let (Some(found), Some(said)) = (found, &acknowledged.said) else {
        let there = |is: bool| if is { "a database" } else { "no database" };
        let (found, said) = (there(found.is_some()), there(acknowledged.said.is_some()));
        return format!("{found} where {said} was acknowledged");
    };
    for place in 0..READERS.len() {
        let (found, said) = (&found[place], &said[place]);
        if found != said {
            let other = found.lines().zip(said.lines()).find(|(found, said)| found != said);
            let (lines, more) = (found.lines().count(), said.lines().count());
            return format!(
                "{}: neither what was acknowledged nor the next: {lines} lines for {more}, first \
                 {other:?}",
                READERS[place]
            );
        }
    }
    "it is no state that may be".to_owned()
}

/// What a command that was done made is there, whatever is there is whole, and there is nothing
/// else but what calls itself unfinished.
fn outputs(image: &Image, states: &[Expected]) -> Outcome<()> {
    for (name, bytes) in states.first().into_iter().flat_map(|state| &state.outputs) {
        match image.get(name) {
            Some(found) if found == bytes => {}
            Some(_) => return Err(Error::new(format!("{name} is not what was acknowledged"))),
            None => return Err(Error::new(format!("{name} is gone"))),
        }
    }
    for (name, bytes) in image {
        let known = states.iter().any(|state| state.outputs.get(name) == Some(bytes));
        if !known && !is_unfinished(name) && name != DATABASE {
            return Err(Error::new(format!("{name} of {} bytes is not whole", bytes.len())));
        }
    }
    Ok(())
}

fn a_file(tree: &Tree, seed: u64) -> Option<String> {
    let files = tree.iter().filter(|(_, node)| matches!(node, Node::File(_)));
    Rng::with_seed(seed).choice(files.map(|(path, _)| path.clone()).collect::<Vec<_>>())
}

/// A file has its bytes.
fn reads(sandbox: &Sandbox, path: &str, head: &Tree) -> Outcome<()> {
    let Some(Node::File(bytes)) = head.get(path) else { return Ok(()) };
    let output = sandbox.run(&["cat", path, "-d", DATABASE])?;
    match output.status.success() && output.stdout == *bytes {
        true => Ok(()),
        false => {
            let err = String::from_utf8_lossy(&output.stderr);
            Err(Error::new(format!("cat {path}: {}, other bytes: {err}", output.status)))
        }
    }
}

/// The words that put something new, and where it is then.
pub fn probe(sandbox: &Sandbox) -> Outcome<(Vec<String>, String)> {
    let local = format!("{LOCAL}/{PROBE}");
    base::write(&sandbox.path(&local), PROBED)?;
    let path = format!("/{PROBE}");
    Ok((["put", &local, &path, "-d", DATABASE].map(str::to_owned).to_vec(), path))
}

/// What must be there once that was put.
pub fn probed(sandbox: &Sandbox, before: &Expected) -> Outcome<Expected> {
    let mut after = before.clone();
    after.head.insert(format!("/{PROBE}"), Node::File(PROBED.to_vec()));
    after.said = Some(ask(sandbox)?);
    Ok(after)
}

/// The next write works, and takes nothing away.
fn writes(sandbox: &Sandbox, state: &Expected, seed: u64) -> Outcome<()> {
    let after = |error: Error| Error::new(format!("after the next write: {error}"));
    let (words, path) = probe(sandbox)?;
    let mut head = state.head.clone();
    head.insert(path.clone(), Node::File(PROBED.to_vec()));
    sandbox.ok(&words)?;
    if seed.is_multiple_of(COLLECTED) {
        run(sandbox, "gc -d d.aeordb").map_err(after)?;
    }
    run(sandbox, "verify --deep -d d.aeordb").map_err(after)?;
    let listed = run(sandbox, "ls -r / -d d.aeordb").map_err(after)?;
    let listed: Vec<&str> = listed.lines().map(|path| path.trim_end_matches('/')).collect();
    if listed.len() != head.len() || listed.iter().any(|path| !head.contains_key(*path)) {
        return Err(after(Error::new(format!("{} paths for {}", listed.len(), head.len()))));
    }
    reads(sandbox, &path, &head).map_err(after)?;
    match a_file(&state.head, !seed) {
        Some(path) => reads(sandbox, &path, &head).map_err(after),
        None => Ok(()),
    }
}

fn run(sandbox: &Sandbox, line: &str) -> Outcome<String> {
    sandbox.ok(&line.split(' ').collect::<Vec<_>>())
}
