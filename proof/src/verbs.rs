//! The verbs that write, each with what it needs and what it leaves.

/// The database that verbs work on.
pub const DATABASE: &str = "d.aeordb";

/// A command.
#[derive(Debug)]
pub struct Verb {
    pub name: &'static str,
    /// Files and trees of the base, and what they are called where the command runs.
    pub files: &'static [(&'static str, &'static str)],
    /// The words of the command; `BASE` stands for the directory of the base.
    pub line: &'static str,
    /// Files that it makes.
    pub outputs: &'static [&'static str],
    /// The directory that it restores, and the tree of the base that must be there then.
    pub restores: Option<(&'static str, &'static str)>,
    /// The tree of the base that HEAD must be then.
    pub holds: Option<&'static str>,
    /// Exit codes of the same command once it was done.
    pub again: &'static [i32],
    /// The database of the base that is damaged; as it is, it counts as none.
    pub mends: Option<&'static str>,
}

impl Verb {
    const fn new(name: &'static str, line: &'static str) -> Verb {
        let (outputs, files, again): (&[_], &[_], &[_]) = (&[], &[], &[]);
        Verb { name, files, line, outputs, restores: None, holds: None, again, mends: None }
    }

    const fn with(mut self, files: &'static [(&'static str, &'static str)]) -> Verb {
        self.files = files;
        self
    }

    const fn makes(mut self, outputs: &'static [&'static str]) -> Verb {
        self.outputs = outputs;
        self
    }

    const fn restores(mut self, directory: &'static str, tree: &'static str) -> Verb {
        self.restores = Some((directory, tree));
        self
    }

    const fn holds(mut self, tree: &'static str) -> Verb {
        self.holds = Some(tree);
        self
    }

    const fn again(mut self, codes: &'static [i32]) -> Verb {
        self.again = codes;
        self
    }

    const fn mends(mut self, damaged: &'static str) -> Verb {
        self.mends = Some(damaged);
        self
    }

    /// The words of the command.
    pub fn words(&self, base: &str) -> Vec<String> {
        self.line.split(' ').map(|word| word.replace("BASE", base)).collect()
    }

    /// True if it works on a database.
    pub fn has_database(&self) -> bool {
        self.line.contains(DATABASE)
    }
}

/// Nothing is there any more.
const GONE: i32 = 10;
/// A patch does not follow HEAD.
const NOT_NEXT: i32 = 13;
/// It is there already.
pub const THERE: i32 = 15;

const FIRST: &[(&str, &str)] = &[("first.aeordb", DATABASE)];
const SECOND: &[(&str, &str)] = &[("second.aeordb", DATABASE)];
const WORN: &[(&str, &str)] = &[("worn.aeordb", DATABASE)];
const FULL: &[(&str, &str)] = &[("full.aeordb", "f")];
const FIRST_AND_FULL: &[(&str, &str)] = &[("first.aeordb", DATABASE), ("full.aeordb", "f")];
const FIRST_AND_PATCH: &[(&str, &str)] = &[("first.aeordb", DATABASE), ("patch.aeordb", "p")];
const OVER: &[(&str, &str)] = &[("second.aeordb", DATABASE), ("stale", "r")];
const STRANGE: &[(&str, &str)] = &[("second.aeordb", DATABASE), ("strange", "r")];
const TORN: &[(&str, &str)] = &[("torn.aeordb", DATABASE), ("full-first.aeordb", "f")];
const TORN_ALONE: &[(&str, &str)] = &[("torn.aeordb", "torn")];
const CHAIN: &[(&str, &str)] = &[("full-first.aeordb", "f"), ("patch.aeordb", "p")];

/// Every verb that writes anything, in every form that takes another way through the program.
pub const VERBS: &[Verb] = &[
    Verb::new("put-new", "put BASE/new / -d d.aeordb").holds("new"),
    Verb::new("put", "put BASE/new / -d d.aeordb").with(FIRST),
    Verb::new("put-mirror", "put --mirror BASE/new / -d d.aeordb").with(FIRST).holds("new"),
    Verb::new("put-new-kept", "put --checkpoint 128K BASE/new / -d d.aeordb").holds("new"),
    Verb::new("put-kept", "put --checkpoint 128K --mirror BASE/new / -d d.aeordb")
        .with(FIRST)
        .holds("new"),
    Verb::new("rm", "rm -r /sub -d d.aeordb").with(SECOND).again(&[GONE]),
    Verb::new("mv", "mv /numbers /moved -d d.aeordb").with(SECOND).again(&[GONE]),
    Verb::new("cp", "cp /numbers /copied -d d.aeordb").with(SECOND).again(&[THERE]),
    Verb::new("snapshot", "snapshot create more -d d.aeordb").with(SECOND).again(&[THERE]),
    Verb::new("snapshot-delete", "snapshot delete v0 -d d.aeordb").with(SECOND).again(&[GONE]),
    Verb::new("snapshot-rename", "snapshot rename v0 before -d d.aeordb")
        .with(SECOND)
        .again(&[GONE]),
    Verb::new("snapshot-edit", "snapshot edit v0 --meta why=this -d d.aeordb").with(SECOND),
    Verb::new("snapshot-hold", "snapshot hold v0 -d d.aeordb").with(SECOND),
    Verb::new("keep", "keep --last 1 -d d.aeordb").with(SECOND),
    Verb::new("keep-set", "keep --set --last 1 -d d.aeordb").with(SECOND),
    Verb::new("forget", "forget v0 -d d.aeordb").with(SECOND).again(&[GONE]),
    Verb::new("forget-history", "forget --history -d d.aeordb").with(WORN),
    Verb::new("promote", "promote --hash v0 -d d.aeordb").with(SECOND).holds("old"),
    Verb::new("import-new", "import --file f --promote -d d.aeordb").with(FULL).holds("new"),
    Verb::new("import", "import --file f -d d.aeordb").with(FIRST_AND_FULL).holds("old"),
    Verb::new("import-patch", "import --file p --promote -d d.aeordb")
        .with(FIRST_AND_PATCH)
        .holds("new")
        .again(&[NOT_NEXT]),
    Verb::new("import-chain", "import --file f --file p --promote --snapshot came -d d.aeordb")
        .with(CHAIN)
        .holds("new")
        .again(&[THERE]),
    Verb::new("import-undo", "import --file f --promote --undo u -d d.aeordb")
        .with(FIRST_AND_FULL)
        .makes(&["u"])
        .holds("new"),
    Verb::new("import-merge", "import --file p --merge --promote -d d.aeordb")
        .with(FIRST_AND_PATCH)
        .holds("new"),
    Verb::new("gc", "gc -d d.aeordb").with(WORN),
    Verb::new("compact", "compact -d d.aeordb").with(WORN),
    Verb::new("repair", "repair --from f -d d.aeordb").with(TORN).mends("torn.aeordb"),
    Verb::new("salvage", "salvage --database torn --from BASE/full-first.aeordb --output d.aeordb")
        .with(TORN_ALONE)
        .again(&[THERE]),
    Verb::new("key", "key create --name k --scope read -d d.aeordb").with(SECOND),
    Verb::new("export", "export --output o -d d.aeordb").with(SECOND).makes(&["o"]),
    Verb::new("diff", "diff --from v0 --to v1 --output o -d d.aeordb").with(SECOND).makes(&["o"]),
    Verb::new("combine", "combine f p --output o").with(CHAIN).makes(&["o"]),
    Verb::new("get", "get --force / r -d d.aeordb").with(SECOND).restores("r", "new"),
    Verb::new("get-over", "get --force / r -d d.aeordb").with(OVER).restores("r", "new"),
    Verb::new("get-always", "get --overwrite always / r -d d.aeordb")
        .with(OVER)
        .restores("r", "new"),
    Verb::new("get-mirror", "get --mirror --max-delete 100% / r -d d.aeordb")
        .with(STRANGE)
        .restores("r", "new"),
];
