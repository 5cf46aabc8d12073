//! Archives between the server and the programs that people have: `.ci/run` sees to it that all of
//! them are there, elsewhere those are asked that are.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, FileTimes, Permissions};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::served::{Served, noise};

/// Unpacks the archive that it is given into the directory that it runs in.
const UNPACKERS: [&[&str]; 6] = [
    &["tar", "-xpf"],
    &["bsdtar", "-xpf"],
    &["busybox", "tar", "-xpf"],
    &["toybox", "tar", "-xpf"],
    &["pax", "-r", "-pp", "-f"],
    &["python3", "-c", PYTHON],
];

const PYTHON: &str = "
import sys, tarfile
archive = tarfile.open(sys.argv[1])
archive.extraction_filter = lambda member, path: member
archive.extractall()
";

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).exists());
    if !found {
        // Past what holds back the output of a test that passes.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {program} is not installed");
    }
    found
}

/// Runs a program where `directory` is the current one; gives what it printed, if it ended well.
fn run(directory: &Path, locale: &str, words: &[&str], last: &[&OsStr]) -> Vec<u8> {
    let (program, arguments) = words.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).args(last).current_dir(directory).env("LC_ALL", locale);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?} under {locale}: {} {said}", output.status);
    output.stdout
}

/// What is at a path: permissions and time of a file or directory, and the bytes or the target.
type Found = (u32, Option<i64>, Vec<u8>);

fn tree(top: &Path) -> BTreeMap<OsString, Found> {
    let (mut found, mut left) = (BTreeMap::new(), vec![top.to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let mode = metadata.mode() & 0o7777;
            let what = if metadata.is_dir() {
                left.push(path.clone());
                (mode, None, Vec::new())
            } else if metadata.is_symlink() {
                (0o777, None, fs::read_link(&path).unwrap().into_os_string().into_vec())
            } else {
                (mode, Some(metadata.mtime()), fs::read(&path).unwrap())
            };
            found.insert(path.strip_prefix(top).unwrap().into(), what);
        }
    }
    found
}

fn write(path: &Path, bytes: &[u8], mode: u32, time: Duration) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = fs::File::create(path).unwrap();
    fs::write(path, bytes).unwrap();
    file.set_permissions(Permissions::from_mode(mode)).unwrap();
    file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + time)).unwrap();
}

/// Names at every border of a header's fields, short and long, of letters and of any bytes.
fn names() -> Vec<Vec<u8>> {
    let mut names = vec![b"-x".to_vec(), b"two words".to_vec(), vec![0xff, 0xfe]];
    for len in [1, 98, 99, 100, 101, 154, 155, 156, 200, 254, 255] {
        names.push(vec![b'n'; len]);
    }
    names.push("\u{fc}".repeat(5).into_bytes());
    names.push("\u{fc}".repeat(60).into_bytes());
    names.push("\u{fc}".repeat(127).into_bytes());
    names.push([vec![0xff], vec![b'n'; 150]].concat());
    names
}

/// A tree that a ustar header and records of up to 512 bytes can tell of.
fn ordinary(top: &Path) {
    let second = Duration::from_secs(1_700_000_000);
    for (count, name) in names().iter().enumerate() {
        let name = OsStr::from_bytes(name);
        let fraction = Duration::from_nanos(count as u64 % 3 * 250_000_001);
        write(&top.join(name), name.as_bytes(), 0o640, second + fraction);
        write(&top.join("below").join(name), b"", 0o604, Duration::ZERO);
        write(&top.join("deep").join("d".repeat(120)).join(name), b"deep", 0o755, second);
        fs::create_dir_all(top.join("directories").join(name)).unwrap();
    }
    for len in [1, 99, 100] {
        symlink("t".repeat(len), top.join(format!("link {len}"))).unwrap();
    }
    let bytes = noise(1_000_000);
    for len in [1, 511, 512, 513, 1_000_000] {
        write(&top.join(format!("{len} bytes")), &bytes[..len], 0o600, second);
    }
}

/// A tree with paths that are longer, and targets of more than 100 bytes.
fn long(top: &Path) {
    for name in names() {
        let directory = top.join("deeper/".repeat(60));
        write(&directory.join(OsStr::from_bytes(&name)), b"deeper", 0o444, Duration::ZERO);
    }
    for len in [101, 150, 255, 4000] {
        symlink("\u{fc}t/".repeat(len / 4), top.join(format!("link {len}"))).unwrap();
    }
}

#[test]
fn what_is_sent_is_unpacked_the_same_by_every_program_in_every_locale() {
    check(ordinary, &[]);
}

#[test]
fn long_paths_and_targets_are_unpacked_the_same_by_whatever_reads_such_records() {
    // The one reads no `linkpath`, the other no record of more than 512 bytes.
    check(long, &["toybox", "pax"]);
}

fn check(build: fn(&Path), but: &[&str]) {
    let served = Served::new();
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    fs::create_dir(at("tree")).unwrap();
    build(&at("tree"));
    let sent = at("sent.tar");
    run(&at("tree"), "C", &["tar", "-cf"], &[sent.as_os_str(), OsStr::new(".")]);
    served.send("PUT", "/files/t/?archive=tar", &[], &fs::read(&sent).unwrap()).expect(200);
    // What has a type has a record that nobody else knows.
    served.send("PUT", "/files/t/typed", &[("content-type", "text/x-odd")], b"x").expect(201);
    fs::write(at("got.tar"), served.get("/files/t/?archive=tar").expect(200).body).unwrap();
    let expected = tree(&at("tree"));
    let asked = |words: &&&[&str]| !but.contains(&words[0]) && is_there(words[0]);
    for words in UNPACKERS.iter().filter(asked) {
        for locale in ["C", "C.UTF-8"] {
            let to = tempfile::tempdir().unwrap();
            run(to.path(), locale, words, &[at("got.tar").as_os_str()]);
            let mut found = tree(to.path());
            let typed = found.remove(OsStr::new("typed")).unwrap();
            assert_eq!(typed.2, b"x");
            let wrong = |name: &&OsString| found.get(*name) != expected.get(*name);
            let all: Vec<&OsString> = expected.keys().chain(found.keys()).filter(wrong).collect();
            assert!(all.is_empty(), "{words:?} under {locale}: {all:?}");
        }
    }
    // Sent in again it is the same tree.
    let again = fs::read(at("got.tar")).unwrap();
    served.send("PUT", "/files/u/?archive=tar", &[], &again).expect(200);
    let hash = |path: &str| served.get(path).json()["hash"].clone();
    assert_eq!(hash("/files/u/?stat"), hash("/files/t/?stat"));
}

/// Writes a file with these bytes at these places, and holes elsewhere.
fn with_holes(path: &Path, size: u64, pieces: &[(u64, &[u8])]) {
    let file = fs::File::create(path).unwrap();
    file.set_len(size).unwrap();
    pieces.iter().for_each(|(offset, bytes)| file.write_all_at(bytes, *offset).unwrap());
}

#[test]
fn files_with_holes_are_taken_from_every_program_that_archives_them_so() {
    let served = Served::new();
    let work = tempfile::tempdir().unwrap();
    let top = work.path().join("tree");
    fs::create_dir(&top).unwrap();
    let bytes = noise(400_000);
    with_holes(&top.join("middle"), 5_000_000, &[(1_048_576, &bytes[..5000])]);
    with_holes(&top.join("end"), 3_000_001, &[(0, &bytes[..4096]), (3_000_000, b"z")]);
    with_holes(&top.join("nothing"), 1 << 20, &[]);
    let pieces = bytes.chunks(4096).enumerate();
    let pieces: Vec<(u64, &[u8])> =
        pieces.map(|(at, piece)| (at as u64 * 131_072, piece)).collect();
    with_holes(&top.join("many"), 16 << 20, &pieces);
    fs::write(top.join("whole"), &bytes).unwrap();
    let expected = tree(&top);
    let dump = work.path().join("dump");
    let gnu = |words: &[&'static str]| [&["tar"], words, &["-cf"]].concat();
    let archivers = [
        gnu(&["--format=gnu", "-S"]),
        gnu(&["--format=posix", "-S", "--sparse-version=0.0"]),
        gnu(&["--format=posix", "-S", "--sparse-version=0.1"]),
        gnu(&["--format=posix", "-S", "--sparse-version=1.0"]),
        gnu(&["-V", "the name of the archive"]),
        gnu(&["--format=posix", "-V", "the name of the archive"]),
        gnu(&["-S", "-g", "../dump"]),
        gnu(&["--format=posix", "-S", "-g", "../dump"]),
        vec!["bsdtar", "-cf"],
    ];
    let take = |archive: &Path| {
        let sent = fs::read(archive).unwrap();
        served.send("PUT", "/files/t/?archive=tar&mirror", &[], &sent).expect(200);
        for (name, (_, _, bytes)) in &expected {
            let name = name.to_str().unwrap();
            assert!(served.get(&format!("/files/t/{name}")).body == *bytes, "{archive:?}: {name}");
        }
    };
    for words in archivers.iter().filter(|words| is_there(words[0])) {
        let archive = work.path().join("sent.tar");
        // What is there already would be left out of a dump.
        let _ = fs::remove_file(&dump);
        run(&top, "C", words, &[archive.as_os_str(), OsStr::new(".")]);
        take(&archive);
    }
    let archive = work.path().join("rust.tar");
    let mut builder = ::tar::Builder::new(fs::File::create(&archive).unwrap());
    builder.append_dir_all(".", &top).unwrap();
    builder.finish().unwrap();
    take(&archive);
}

/// Runs a program that may not be able to do all of it.
fn may(directory: &Path, words: &[&str]) -> bool {
    let (program, arguments) = words.split_first().unwrap();
    let ran = Command::new(program).args(arguments).current_dir(directory).output();
    ran.is_ok_and(|output| output.status.success())
}

/// Owner, mode, device, links and attributes of everything in a tree, as `find`, `getfattr` and
/// `getfacl` say them.
fn kept(top: &Path) -> String {
    let find = ["find", ".", "-printf", "%P %y %m %U:%G %n %l\n"];
    let mut lines: Vec<String> =
        text(run(top, "C", &find, &[])).lines().map(str::to_owned).collect();
    lines.sort();
    let attributes = ["getfattr", "-R", "-h", "-d", "-m", "^(user|trusted|security)\\.", "."];
    let lists = ["getfacl", "-R", "-n", "-p", "-P", "."];
    let of = |words: &[&str]| {
        // In one order: each file system has its own.
        let said = text(run(top, "C", words, &[]));
        let mut parts: Vec<&str> = said.split("\n\n").collect();
        parts.sort_unstable();
        parts.join("\n\n")
    };
    format!("{}\n{}\n{}", lines.join("\n"), of(&attributes), of(&lists))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// A tree of everything that is kept; false where root or a file system is wanting.
fn machine(top: &Path) -> bool {
    write(&top.join("plain"), b"plain", 0o640, Duration::from_secs(1_700_000_000));
    write(&top.join("d/first"), b"one file", 0o600, Duration::from_secs(1));
    fs::hard_link(top.join("d/first"), top.join("second")).unwrap();
    fs::hard_link(top.join("d/first"), top.join("third")).unwrap();
    fs::create_dir(top.join("inherits")).unwrap();
    symlink("plain", top.join("link")).unwrap();
    [
        &["chown", "40001:40002", "plain", "d"][..],
        &["chown", "-h", "3000000000:40004", "link"],
        &["mkfifo", "-m", "640", "fifo"],
        &["mknod", "char", "c", "1", "300"],
        &["mknod", "block", "b", "7", "3"],
        &["setfattr", "-n", "user.comment", "-v", "text", "plain"],
        &["setfattr", "-n", "user.100%", "-v", "x", "plain"],
        &["setfattr", "-n", "user.long", "-v", &"y".repeat(2000), "d/first"],
        &["setfattr", "-n", "trusted.mark", "-v", "of root", "d"],
        &["setfacl", "-m", "u:40005:rw,g:40006:r,m::rwx", "plain"],
        &["setfacl", "-d", "-m", "u:40005:rwx", "inherits"],
    ]
    .iter()
    .all(|words| may(top, words))
}

const TAR: &[&str] = &["tar", "--acls", "--xattrs", "--xattrs-include=*", "--numeric-owner"];

#[test]
fn owners_attributes_lists_links_and_devices_go_to_other_programs_and_come_from_them() {
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    fs::create_dir(at("tree")).unwrap();
    if !machine(&at("tree")) {
        let why = "no root, setfattr or setfacl, or a file system without attributes";
        let _ = writeln!(std::io::stderr(), "NOT TESTED: tar with attributes: {why}");
        return;
    }
    let expected = kept(&at("tree"));
    let served = Served::new();
    let bsdtar: &[&str] = &["bsdtar", "--acls", "--xattrs", "--fflags"];
    let into = |words: &[&'static str], last: &[&'static str]| [words, last].concat();
    // Each of them writes what we take in, and unpacks what we send of that.
    let writers = [
        into(TAR, &["--format=posix", "-cf"]),
        into(bsdtar, &["--format=pax", "--numeric-owner", "-cf"]),
    ];
    let mut first: Option<String> = None;
    for (number, words) in writers.iter().filter(|words| is_there(words[0])).enumerate() {
        let (sent, url) = (at("sent.tar"), format!("/files/t{number}/"));
        run(&at("tree"), "C", words, &[sent.as_os_str(), OsStr::new(".")]);
        let sent = fs::read(sent).unwrap();
        served.send("PUT", &format!("{url}?archive=tar"), &[], &sent).expect(200);
        let got = served.get(&format!("{url}?archive=tar")).expect(200).body;
        fs::write(at("got.tar"), &got).unwrap();
        for words in [into(TAR, &["-xpf"]), into(bsdtar, &["--numeric-owner", "-xpf"])] {
            if is_there(words[0]) {
                let to = tempfile::tempdir().unwrap();
                run(to.path(), "C", &words, &[at("got.tar").as_os_str()]);
                let found = kept(to.path());
                let differs: Vec<(&str, &str)> =
                    found.lines().zip(expected.lines()).filter(|(a, b)| a != b).collect();
                assert!(found == expected, "{words:?} of {number}: {differs:#?}");
            }
        }
        // Sent in again it is the same tree, whoever wrote it.
        let again = format!("/files/again{number}/");
        served.send("PUT", &format!("{again}?archive=tar"), &[], &got).expect(200);
        let hash_of = |url: &str| served.get(&format!("{url}?stat")).json()["hash"].clone();
        assert_eq!(hash_of(&again), hash_of(&url));
        let listed = served.get(&format!("{url}?recursive")).json()["items"].to_string();
        let listed = listed.replace(&format!("/t{number}/"), "/").replace("},{", "},\n{");
        if let Some(first) = &first {
            assert_eq!(&listed, first);
        }
        first = Some(listed);
        // Of a part, the first path of a file has the bytes.
        let part = served.get(&format!("{url}d/?archive=tar")).expect(200).body;
        assert!(part.windows(8).any(|bytes| bytes == b"one file"));
    }
    python_reads(&at("got.tar"));
}

/// What Python's library finds in an archive.
fn python_reads(archive: &Path) {
    if !is_there("python3") {
        return;
    }
    let script = "
import sys, tarfile
members = {member.name: member for member in tarfile.open(sys.argv[1])}
plain, link = members['plain'], members['link']
assert (plain.uid, plain.gid, link.uid) == (40001, 40002, 3000000000), (plain.uid, link.uid)
assert plain.pax_headers['SCHILY.xattr.user.comment'] == 'text'
acl = plain.pax_headers['SCHILY.acl.access']
assert acl.split(',')[1] == 'user:40005:rw-:40005', acl
assert members['char'].ischr() and (members['char'].devmajor, members['char'].devminor) == (1, 300)
assert members['block'].isblk() and members['fifo'].isfifo()
assert members['second'].islnk() and members['second'].linkname == 'd/first'
";
    run(archive.parent().unwrap(), "C", &["python3", "-c", script], &[archive.as_os_str()]);
}
