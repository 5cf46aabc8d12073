#!/usr/bin/env bash
# ignore 0.4.35 (crates.io, the matcher of .gitignore that ripgrep has, with globset 0.4.22): a line of an
# ignore file with braces means something else than to git. `{a,b}` leaves out `a` and `b`, and keeps a
# file that is really called `{a,b}`; git knows no braces and does the opposite. `[a\]]y` leaves out
# neither `]y` nor `ay`; git takes the escaped bracket as one of the set and leaves out both. Neither is an
# error. So a backup that reads .gitignore with the crate misses files that git would have kept.
#
# Seen with git 2.47.3 and rustc 1.95 (amd64). Needs cargo and git. Exit code 0: it is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "which-are-ignored"
version = "0.0.0"
edition = "2021"

[dependencies]
ignore = "=0.4.35"
globset = "=0.4.22"
TOML
cat > src/main.rs <<'RUST'
// Says which of the names that follow the first argument, a line of an ignore file, it leaves out.
fn main() {
    let mut words = std::env::args().skip(1);
    let mut builder = ignore::gitignore::GitignoreBuilder::new("/tree");
    builder.add_line(None, &words.next().unwrap()).unwrap();
    let rules = builder.build().unwrap();
    let out = words.filter(|name| rules.matched(format!("/tree/{name}"), false).is_ignore());
    println!("{}", out.collect::<Vec<_>>().join(" "));
}
RUST
cargo build --quiet
git init --quiet tree
held() { # LINE EXPECTED-OF-CRATE EXPECTED-OF-GIT NAME...
  local line=$1 crate=$2 git=$3 by_crate by_git
  shift 3
  printf '%s\n' "$line" > tree/.gitignore
  by_crate=$(target/debug/which-are-ignored "$line" "$@")
  by_git=$(cd tree && git -c core.quotePath=false check-ignore -- "$@" | paste -sd' ' || true)
  printf '%-8s the crate leaves out: %-8s git: %s\n' "$line" "${by_crate:-nothing}" "${by_git:-nothing}"
  [ "$by_crate" = "$crate" ] && [ "$by_git" = "$git" ] || { echo "no longer so"; exit 1; }
}
held '{a,b}' 'a b' '{a,b}' a b '{a,b}'
held '[a\]]y' '' 'ay ]y' ay ']y'
