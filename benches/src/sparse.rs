//! Peak memory at any size, shown on a tree of sparse files: a terabyte costs
//! no room on disk, and every byte of it goes through the chunker and the hash.

use crate::alone::Alone;
use crate::error::{Doing, Outcome};
use crate::options::Options;
use crate::results::Metric;
use crate::tree;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

const DATABASE: &str = "sparse.aeordb";
const RECEIVER: &str = "receiver.aeordb";
const FILE_GIB: u64 = 16;
const GIB: u64 = 1 << 30;

/// Makes the tree, and measures what reads or writes all of it.
pub fn run(options: &Options) -> Outcome<bool> {
    let dir = options.work.join("sparse");
    tree::remove(&dir)?;
    let source = dir.join("tree");
    fs::create_dir_all(&source).doing("cannot create", &source)?;
    make(&source, options.size)?;

    let mut alone = Alone::new(options, "sparse", &dir);
    let export = dir.join("export.aeordb");
    let calls = [
        ("put", alone.verb(&["put"], DATABASE).arg(&source).arg("/"), 256e6),
        ("export", alone.verb(&["export"], DATABASE).arg("--output").arg(&export), 128e6),
        (
            "import",
            alone.verb(&["import", "--promote"], RECEIVER).arg("--file").arg(&export),
            128e6,
        ),
        ("verify --deep", alone.verb(&["verify", "--deep"], RECEIVER), 128e6),
    ];
    for (what, call, limit) in calls {
        alone.measure(what, [call])?;
        alone.bar(what, Metric::Peak, limit, 0.0);
    }
    let about = format!(
        "Our commands on {} GiB of sparse files of {FILE_GIB} GiB, each with a head of its own.",
        options.size
    );
    let well = alone.finish("Memory at any size", &about)?;
    if !options.keep {
        tree::remove(&dir)?;
    }
    Ok(well)
}

fn make(source: &Path, gib: u64) -> Outcome<()> {
    for n in 0..gib.div_ceil(FILE_GIB) {
        let path = source.join(format!("disk-{n:05}.img"));
        let length = (gib - n * FILE_GIB).min(FILE_GIB) * GIB;
        let mut file = File::create(&path).doing("cannot write", &path)?;
        writeln!(file, "disk {n}")
            .and_then(|()| file.set_len(length))
            .doing("cannot write", &path)?;
    }
    Ok(())
}
