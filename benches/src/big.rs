//! Single commands on a database of a million files: their cost must follow
//! what they touch, not what there is.

use crate::alone::Alone;
use crate::error::{Doing, Outcome};
use crate::machine;
use crate::measure::Call;
use crate::options::Options;
use crate::results::Metric;
use crate::tree;
use std::fs;
use std::path::{Path, PathBuf};

const DATABASE: &str = "big.aeordb";
const START: &str = "start: --version";
const READ: &str = "open and read one file: cat";
const PUT: &str = "put one new file";
const OVERWRITE: &str = "put over one file";
const PAGE: &str = "list a page of 100 names: ls --limit";
const REMOVE: &str = "rm one file";
const LIST: &str = "diff of 10 changed files, listed";
const PATCH: &str = "diff of 10 changed files, as a patch";
const CHANGED: u64 = 10;

/// Makes the tree, loads it, and measures.
pub fn run(options: &Options) -> Outcome<bool> {
    let dir = options.work.join("big");
    tree::remove(&dir)?;
    fs::create_dir_all(&dir).doing("cannot create", &dir)?;
    let mut alone = Alone::new(options, "big", &dir);

    let source = source_directory(options, &dir)?;
    make(options, &source)?;
    let load = alone.verb(&["put"], DATABASE).arg(&source).arg("/many");
    alone.measure("put of all", [load])?;
    tree::remove(&source)?;

    alone.verb(&["snapshot", "create", "before"], DATABASE).read()?;
    singles(&mut alone, options, &dir)?;
    alone.verb(&["snapshot", "create", "after"], DATABASE).read()?;
    differences(&mut alone, options, &dir)?;
    bars(&mut alone);

    let shape = if options.nested { "in directories of a thousand" } else { "in one directory" };
    let about = format!(
        "Single commands of ours on a database of {} files {shape}, each a whole process.\n\
         The bar of a put's CPU is net of what `--version` takes.",
        options.files
    );
    let well = alone.finish("A database of many files", &about)?;
    if !options.keep {
        tree::remove(&dir)?;
    }
    Ok(well)
}

/// The path of the n-th file below the root of the tree.
fn place(options: &Options, n: u64) -> PathBuf {
    let name = format!("file-{n:08}.txt");
    if options.nested {
        Path::new(&format!("directory-{:06}", n / 1000)).join(name)
    } else {
        name.into()
    }
}

/// In memory when it has room: a page and an inode per file.
fn source_directory(options: &Options, dir: &Path) -> Outcome<PathBuf> {
    let memory = Path::new("/dev/shm");
    let room = memory.is_dir() && machine::free(memory)? > options.files * 8192;
    let parent = if room { memory } else { dir };
    let source = parent.join(format!("aeordb-bench-big-{}", std::process::id()));
    tree::remove(&source)?;
    fs::create_dir_all(&source).doing("cannot create", &source)?;
    Ok(source)
}

fn make(options: &Options, source: &Path) -> Outcome<()> {
    for n in 0..options.files {
        let path = source.join(place(options, n));
        if options.nested && n % 1000 == 0 {
            let parent = path.parent().unwrap_or(source);
            fs::create_dir_all(parent).doing("cannot create", parent)?;
        }
        fs::write(&path, format!("this is file {n}\n")).doing("cannot write", &path)?;
    }
    Ok(())
}

/// Paths in the database, spread evenly.
fn spread(options: &Options, many: u64, shift: u64) -> Vec<PathBuf> {
    let stride = (options.files / many.max(1)).max(1);
    (0..many)
        .map(|n| n * stride + stride / 2 + shift)
        .map(|n| Path::new("/many").join(place(options, n.min(options.files - 1))))
        .collect()
}

fn singles(alone: &mut Alone<'_>, options: &Options, dir: &Path) -> Outcome<()> {
    let runs = options.runs as u64;
    let new = dir.join("new.txt");
    fs::write(&new, "new content\n").doing("cannot write", &new)?;

    let version = Call::new(&options.aeordb).arg("--version");
    alone.measure(START, vec![version; options.runs])?;

    let paths = spread(options, runs, 0);
    let calls: Vec<Call> =
        paths.iter().map(|path| alone.verb(&["cat"], DATABASE).arg(path)).collect();
    alone.measure(READ, calls)?;

    let page = |path: &PathBuf| {
        let parent = path.parent().unwrap_or(path);
        alone.verb(&["ls", "--limit", "100"], DATABASE).arg(parent)
    };
    let calls: Vec<Call> = paths.iter().map(page).collect();
    if let Err(error) = alone.measure(PAGE, calls) {
        eprintln!("big: {PAGE}: skipped: {error}");
    }

    let calls: Vec<Call> = spread(options, runs, 1)
        .iter()
        .map(|path| alone.verb(&["put"], DATABASE).arg(&new).arg(path.with_extension("new")))
        .collect();
    alone.measure(PUT, calls)?;
    let calls: Vec<Call> = spread(options, runs, 1)
        .iter()
        .map(|path| alone.verb(&["rm"], DATABASE).arg(path.with_extension("new")))
        .collect();
    alone.measure(REMOVE, calls)?;
    let calls: Vec<Call> = spread(options, CHANGED, 2)
        .iter()
        .map(|path| alone.verb(&["put"], DATABASE).arg(&new).arg(path))
        .collect();
    alone.measure(OVERWRITE, calls)
}

fn differences(alone: &mut Alone<'_>, options: &Options, dir: &Path) -> Outcome<()> {
    let between = ["diff", "--from", "before", "--to", "after"];
    let list = alone.verb(&between, DATABASE);
    alone.measure(LIST, vec![list; options.runs])?;
    let patch = |run| {
        let output = dir.join(format!("{run}.patch"));
        alone.verb(&between, DATABASE).arg("--output").arg(output)
    };
    let calls: Vec<Call> = (0..options.runs).map(patch).collect();
    alone.measure(PATCH, calls)
}

fn bars(alone: &mut Alone<'_>) {
    let start = alone.median(START, Metric::Cpu).unwrap_or(0.0);
    alone.bar(READ, Metric::Wall, 0.020, 0.0);
    alone.bar(READ, Metric::Peak, 128e6, 0.0);
    alone.bar(PUT, Metric::Cpu, 0.002, start);
    alone.bar(OVERWRITE, Metric::Cpu, 0.002, start);
    alone.bar(PAGE, Metric::Wall, 0.010, 0.0);
    alone.bar(LIST, Metric::Wall, 0.030, 0.0);
    alone.bar(PATCH, Metric::Wall, 0.030, 0.0);
    alone.bar(PATCH, Metric::Peak, 128e6, 0.0);
}
