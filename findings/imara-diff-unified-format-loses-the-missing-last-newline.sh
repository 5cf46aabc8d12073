#!/usr/bin/env bash
# imara-diff (crates.io, what gitoxide compares lines with): the printer of unified diffs that it brings
# since 0.2 (`BasicLineDiffPrinter` with `Diff::unified_diff`) ends the last line of a text that has no
# line break with one, and never says `\ No newline at end of file`. Two texts that differ in that alone
# are shown as `-a` and `+a`. So `patch` and `git apply` take the difference that removes the line break,
# exit with 0 and leave the old bytes; the difference that adds it they refuse, since the text does not
# hold what the difference says it holds. A patch made for a person is right to look at; one that is
# applied is not. The ranges of empty texts are counted from 1 too (`@@ -1,0` where the format has
# `-0,0`), which both programs forgive. `similar` writes the marker.
#
# Seen with imara-diff 0.2.0, similar 3.2.1, rustc 1.95, git 2.47 (amd64). Needs cargo and git.
# Exit code 0: it is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "last-line"
version = "0.0.0"
edition = "2021"

[dependencies]
imara-diff = "=0.2.0"
similar = "=3.2.1"
TOML
cat > src/main.rs <<'RUST'
use imara_diff::{Algorithm, BasicLineDiffPrinter, Diff, InternedInput, UnifiedDiffConfig};

fn imara(before: &str, after: &str) -> String {
    let input = InternedInput::new(before, after);
    let diff = Diff::compute(Algorithm::Histogram, &input);
    let printer = BasicLineDiffPrinter(&input.interner);
    diff.unified_diff(&printer, UnifiedDiffConfig::default(), &input).to_string()
}

fn similar(before: &str, after: &str) -> String {
    similar::TextDiff::from_lines(before, after).unified_diff().to_string()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [who, before, after] = arguments.as_slice() else { panic!("WHO BEFORE AFTER") };
    let [before, after] = [before, after].map(|name| std::fs::read_to_string(name).unwrap());
    let made = if who == "imara" { imara(&before, &after) } else { similar(&before, &after) };
    print!("--- a/f\n+++ b/f\n{made}");
}
RUST
cargo build --quiet

printf 'x\na\n' > with
printf 'x\na' > without
apply() { # WHO BEFORE AFTER
  local outcome
  target/debug/last-line "$@" > difference
  cp "$2" f
  if GIT_DIR=/nonexistent git apply -p1 difference 2> error; then outcome=applied; else outcome=refused; fi
  if cmp -s f "$3"; then outcome+=", as it should be"; else outcome+=", another text"; fi
  echo "$1, $2 to $3: $outcome"
}
{
  apply imara with without
  cat difference
  apply imara without with
  apply similar with without
  apply similar without with
} > said
cat said
expected='imara, with to without: applied, another text
--- a/f
+++ b/f
@@ -1,2 +1,2 @@
 x
-a
+a
imara, without to with: refused, another text
similar, with to without: applied, as it should be
similar, without to with: applied, as it should be'
# The printer ends its text with an empty line more; only what is on the lines counts.
[ "$(grep -v '^$' said)" = "$expected" ] || { echo "no longer so; it was:"; echo "$expected"; exit 1; }
