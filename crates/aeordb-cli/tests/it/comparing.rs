//! What `diff` says of the bytes of files, on a file and through a server.

use std::process::{Command, Stdio};

use crate::remote_trees::Pair;
use crate::sandbox::Sandbox;
use crate::server::Served;

/// `v1` and HEAD, with a change of every sort; the same directory at both.
fn pair<'d>(local: &'d Sandbox, remote: &'d Sandbox) -> Pair<'d> {
    let lines: Vec<String> = (1..=20).map(|number| format!("line {number}\n")).collect();
    local.write("tree/long.txt", lines.concat());
    local.write("tree/gone.txt", "was here\n");
    local.write("tree/picture", [0, 1, 2]);
    local.write("tree/script", "echo\n");
    local.write("tree/sub/end.txt", "no break");
    let pair = Pair { local, served: Served::start(remote, "") };
    pair.ok(&["put", "tree", "/"]);
    pair.ok(&["snapshot", "create", "v1", "-q"]);
    local.write("tree/long.txt", lines.concat().replace("line 10\n", "line ten\nand a half\n"));
    std::fs::remove_file(local.path("tree/gone.txt")).unwrap();
    local.write("tree/picture", [0, 1, 2, 3]);
    local.write("tree/sub/end.txt", "no break\n");
    local.write("tree/sub/new.txt", "\u{e4}\n\x1b[31mred\n");
    set_mode(local, "tree/script", 0o755);
    pair.ok(&["put", "--mirror", "tree", "/"]);
    pair
}

fn set_mode(sandbox: &Sandbox, name: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(sandbox.path(name), permissions).unwrap();
}

#[test]
fn diff_lists_names_alone_and_counts_lines() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    let pair = pair(&local, &remote);
    let names = "/\n/gone.txt\n/long.txt\n/picture\n/script\n/sub\n/sub/end.txt\n/sub/new.txt\n";
    assert_eq!(pair.ok(&["diff", "v1", "--name-only"]), names);
    assert_eq!(pair.ok(&["diff", "v1", "--name-only", "-z"]), names.replace('\n', "\0"));
    let stat = pair.ok(&["diff", "v1", "--stat"]);
    let expected = "M /\ttime\nD /gone.txt\t+0 -1\nM /long.txt\t+2 -1\n\
        M /picture\tbinary, 3 B to 4 B\nM /script\tmode\nM /sub\ttime\nM /sub/end.txt\t+1 -1\n\
        A /sub/new.txt\t+2 -0\n8 paths changed, 1 added, 6 modified, 1 deleted, lines +5 -3, 1 binary\n";
    assert_eq!(stat, expected);
    let below = pair.ok(&["diff", "v1..HEAD", "--stat", "--path", "/long.txt"]);
    assert_eq!(below, "M /long.txt\t+2 -1\n1 path changed, 1 modified, lines +2 -1\n");
    let json = local.json_lines(&["diff", "v1", "--stat"]);
    assert_eq!((&json[2]["lines_added"], &json[2]["lines_removed"]), (&2.into(), &1.into()));
    assert_eq!((&json[3]["bytes_before"], &json[3]["bytes_after"]), (&3.into(), &4.into()));
    assert_eq!(json[4].get("lines_added"), None);
    assert_eq!(pair.ok(&["diff", "v1", "v1", "--stat"]), "0 paths changed\n");
}

#[test]
fn diff_names_alone_what_a_directory_has_otherwise() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    let pair = pair(&local, &remote);
    local.write("tree/sub/later.txt", "later\n");
    assert_eq!(pair.ok(&["diff", "--local", "tree", "--name-only"]), "/sub\n/sub/later.txt\n");
    local.run(&["diff", "--local", "tree", "--text"]).expect(2);
}

#[test]
fn what_diff_shows_of_text_is_applied_by_git() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    let pair = pair(&local, &remote);
    let text = pair.ok(&["diff", "v1", "--text"]);
    let hunk = "--- a/long.txt\n+++ b/long.txt\n@@ -7,7 +7,8 @@\n line 7\n line 8\n line 9\n-line 10\n\
        +line ten\n+and a half\n line 11\n";
    assert!(text.contains(hunk), "{text}");
    assert!(text.contains("M /script\tmode\n"), "{text}");
    assert!(text.contains("M /picture\tsize, content, time\nBinary, 3 B to 4 B\n"), "{text}");
    assert!(text.contains("\n--- /dev/null\n+++ b/sub/new.txt\n@@ -0,0 +1,2 @@\n"), "{text}");
    pair.ok(&["get", "v1:/", "back", "-q"]);
    let mut git = Command::new("git");
    git.args(["apply", "-p1", "-"]).current_dir(local.path("back")).stdin(Stdio::piped());
    let mut git = git.env("GIT_DIR", "/nonexistent").spawn().unwrap();
    std::io::Write::write_all(&mut git.stdin.take().unwrap(), text.as_bytes()).unwrap();
    assert!(git.wait().unwrap().success());
    for name in ["long.txt", "sub/end.txt", "sub/new.txt"] {
        assert_eq!(
            local.read(&format!("back/{name}")),
            local.read(&format!("tree/{name}")),
            "{name}"
        );
    }
    assert!(!local.exists("back/gone.txt"));
    local.run(&["diff", "v1", "--text", "--json"]).expect(2);
    local.run(&["diff", "v1", "--text", "--stat"]).expect(2);
}
