//! Random commands, and what HEAD, the snapshots and the outputs must be after each: a model that
//! knows trees and nothing of the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fastrand::Rng;

use crate::base::{noise, write};
use crate::error::{Doing, Outcome};
use crate::sandbox::{self, Sandbox};
use crate::state::{Node, Tree};
use crate::verbs::DATABASE;

/// Local files that commands read; they are no part of the disk that is cut off.
pub const LOCAL: &str = "local";
/// Bytes after which a put keeps what it has: of many files it does so several times.
const KEPT_EVERY: &str = "16K";
/// Directories of the database.
const DIRECTORIES: [&str; 3] = ["", "/docs", "/docs/deep"];

/// The database as it must be.
#[derive(Clone, Default)]
pub struct Model {
    pub head: Tree,
    pub snapshots: BTreeMap<String, Tree>,
    /// Exports, by the names of their files, and patches with where they start and lead.
    exports: BTreeMap<String, Tree>,
    patches: BTreeMap<String, Tree>,
}

impl Model {
    /// The files that commands have made beside the database.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.exports.keys().chain(self.patches.keys()).map(String::as_str)
    }
}

/// The words of a command, and what must be then.
pub struct Command {
    pub words: Vec<String>,
    pub after: Model,
}

/// Chooses one command after the other.
pub struct Chooser<'d> {
    sandbox: &'d Sandbox,
    pub random: Rng,
    /// Makes names that are new.
    next: usize,
}

impl<'d> Chooser<'d> {
    pub fn new(sandbox: &'d Sandbox, random: Rng) -> Self {
        Chooser { sandbox, random, next: 0 }
    }

    /// A command that succeeds on such a database.
    pub fn choose(&mut self, model: &Model) -> Outcome<Command> {
        loop {
            let chosen = match self.random.u8(0..18) {
                0..3 => self.put_file(model)?,
                3 => self.put_tree(model, false)?,
                4 => self.put_tree(model, true)?,
                5 => self.remove(model),
                6 => self.rename(model),
                7 => self.snapshot(model),
                8 => self.forget_snapshot(model),
                9 => self.promote(model),
                10 => self.export(model),
                11 => self.diff(model),
                12 => self.import_full(model),
                13 => self.import_patch(model),
                14..17 => Some(("gc".to_owned(), model.clone())),
                _ => Some(("compact".to_owned(), model.clone())),
            };
            let Some((line, after)) = chosen else { continue };
            let line = format!("{line} -d {DATABASE}");
            let words = line.split(' ').map(str::to_owned).collect();
            return Ok(Command { words, after });
        }
    }

    /// The first command of a database that is not there: it makes one.
    pub fn first(&mut self) -> Outcome<Command> {
        let model = Model::default();
        loop {
            if let Some((line, after)) = self.put_tree(&model, false)? {
                let line = format!("{line} -d {DATABASE}");
                let words = line.split(' ').map(str::to_owned).collect();
                return Ok(Command { words, after });
            }
        }
    }

    fn name(&mut self, stem: &str) -> String {
        self.next += 1;
        format!("{stem}{}", self.next)
    }

    /// Bytes of a random length: tiny, of one chunk, or of several.
    fn content(&mut self) -> Vec<u8> {
        let len = match self.random.u8(0..8) {
            0..5 => self.random.usize(1..200),
            5..7 => self.random.usize(1_000..30_000),
            _ => self.random.usize(30_000..250_000),
        };
        if self.random.bool() {
            return noise(self.random.u64(..), len);
        }
        let line = format!("line {}\n", self.random.u32(..));
        line.bytes().cycle().take(len).collect()
    }

    fn put_file(&mut self, model: &Model) -> Outcome<Chosen> {
        let content = self.content();
        let local = format!("{LOCAL}/{}", self.name("file"));
        write(&self.sandbox.path(&local), &content)?;
        let path = match self.file_of(&model.head) {
            Some(there) if self.random.u8(0..3) == 0 => there,
            _ => {
                let above = DIRECTORIES[self.random.usize(0..DIRECTORIES.len())];
                format!("{above}/{}", self.name("f"))
            }
        };
        let mut after = model.clone();
        add(&mut after.head, &path, Node::File(content));
        Ok(Some((format!("put --checkpoint {KEPT_EVERY} {local} {path}"), after)))
    }

    /// A directory of files: beside what is there, or in its place.
    fn put_tree(&mut self, model: &Model, mirror: bool) -> Outcome<Chosen> {
        let local = format!("{LOCAL}/{}", self.name("tree"));
        let directory = self.sandbox.path(&local);
        fs::create_dir_all(&directory).doing_to("cannot create", &directory)?;
        let mut after = model.clone();
        if mirror {
            after.head.retain(|_, node| *node == Node::Directory || self.random.u8(0..4) > 0);
        }
        let mut tree = if mirror { after.head.clone() } else { Tree::new() };
        for _ in 0..self.random.usize(1..12) {
            let above = DIRECTORIES[self.random.usize(0..DIRECTORIES.len())];
            let path = format!("{above}/{}", self.name("t"));
            add(&mut tree, &path, Node::File(self.content()));
        }
        lay_out(&tree, &directory)?;
        after.head.extend(tree);
        let how = if mirror { "put --mirror --max-delete 100%" } else { "put" };
        Ok(Some((format!("{how} --checkpoint {KEPT_EVERY} {local} /"), after)))
    }

    fn remove(&mut self, model: &Model) -> Chosen {
        let path = self.random.choice(model.head.keys().cloned().collect::<Vec<_>>())?;
        let mut after = model.clone();
        let below = format!("{path}/");
        after.head.retain(|other, _| *other != path && !other.starts_with(&below));
        Some((format!("rm -r {path}"), after))
    }

    fn rename(&mut self, model: &Model) -> Chosen {
        let from = self.file_of(&model.head)?;
        let to = format!("/{}", self.name("m"));
        let mut after = model.clone();
        let keeps = self.random.bool();
        let node = after.head.get(&from)?.clone();
        if !keeps {
            after.head.remove(&from);
        }
        after.head.insert(to.clone(), node);
        Some((format!("{} {from} {to}", if keeps { "cp" } else { "mv" }), after))
    }

    fn snapshot(&mut self, model: &Model) -> Chosen {
        let name = self.name("s");
        let mut after = model.clone();
        after.snapshots.insert(name.clone(), model.head.clone());
        Some((format!("snapshot create {name}"), after))
    }

    fn forget_snapshot(&mut self, model: &Model) -> Chosen {
        let (name, _) = self.random.choice(&model.snapshots)?;
        let mut after = model.clone();
        after.snapshots.remove(name);
        Some((format!("snapshot delete {name}"), after))
    }

    fn promote(&mut self, model: &Model) -> Chosen {
        let (name, tree) = self.random.choice(&model.snapshots)?;
        let after = Model { head: tree.clone(), ..model.clone() };
        Some((format!("promote --hash {name}"), after))
    }

    fn export(&mut self, model: &Model) -> Chosen {
        let output = self.name("o");
        let mut after = model.clone();
        after.exports.insert(output.clone(), model.head.clone());
        Some((format!("export --output {output}"), after))
    }

    fn diff(&mut self, model: &Model) -> Chosen {
        let (from, _) = self.random.choice(&model.snapshots)?;
        let (to, tree) = self.random.choice(&model.snapshots)?;
        let output = self.name("p");
        let mut after = model.clone();
        after.patches.insert(output.clone(), tree.clone());
        Some((format!("diff --from {from} --to {to} --output {output}"), after))
    }

    fn import_full(&mut self, model: &Model) -> Chosen {
        let (file, tree) = self.random.choice(&model.exports)?;
        let mut after = model.clone();
        let mut line = format!("import --file {file}");
        if self.random.bool() {
            after.head = tree.clone();
            line += " --promote";
        }
        if self.random.bool() {
            let name = self.name("s");
            line += &format!(" --snapshot {name}");
            after.snapshots.insert(name, tree.clone());
        }
        Some((line, after))
    }

    fn import_patch(&mut self, model: &Model) -> Chosen {
        let (file, tree) = self.random.choice(&model.patches)?;
        let after = Model { head: tree.clone(), ..model.clone() };
        Some((format!("import --file {file} --promote --force"), after))
    }

    fn file_of(&mut self, tree: &Tree) -> Option<String> {
        let files = tree.iter().filter(|(_, node)| matches!(node, Node::File(_)));
        self.random.choice(files.map(|(path, _)| path.clone()).collect::<Vec<_>>())
    }
}

/// The line of a command and what must be then; none if there is nothing that such a command could
/// work on.
type Chosen = Option<(String, Model)>;

/// Adds a file and the directories above it.
fn add(tree: &mut Tree, path: &str, node: Node) {
    for (end, _) in path.match_indices('/').skip(1) {
        tree.insert(path[..end].to_owned(), Node::Directory);
    }
    tree.insert(path.to_owned(), node);
}

/// Makes a local directory of a tree.
fn lay_out(tree: &Tree, directory: &Path) -> Outcome<()> {
    for (path, node) in tree {
        let local = directory.join(path.trim_start_matches('/'));
        match node {
            Node::Directory => {
                fs::create_dir_all(&local).doing_to("cannot create", &local)?;
            }
            Node::File(bytes) => write(&local, bytes)?,
            Node::Link(target) => {
                use std::os::unix::ffi::OsStrExt;
                let target = std::ffi::OsStr::from_bytes(target);
                if let Some(above) = local.parent() {
                    fs::create_dir_all(above).doing_to("cannot create", above)?;
                }
                std::os::unix::fs::symlink(target, &local).doing_to("cannot link", &local)?;
            }
        }
    }
    Ok(())
}

/// Puts what a history starts from on the sandbox: a database, or none.
pub fn begin_from(sandbox: &Sandbox, database: Option<&Path>) -> Outcome<()> {
    sandbox.clear()?;
    match database {
        Some(database) => sandbox::copy(database, &sandbox.path(DATABASE)),
        None => Ok(()),
    }
}
