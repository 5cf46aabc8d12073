#!/usr/bin/env bash
# cargo 1.95.0: `cargo install --git` with a CARGO_TARGET_DIR that others use too (one for all checkouts of
# a machine, a cache of a CI) moves the program out of that folder instead of copying it: what a build
# of the same program left there at release/NAME is gone afterwards, without a word. `cargo install --path`
# with the same folder leaves it. Scripts that build, install and then package target/release/NAME fail
# at the third step, and only where the target is shared.
#
# Seen with cargo 1.95.0 (amd64, Linux). Needs cargo and git. Exit code 0: it is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR=$work/shared
cd "$work"

cargo new --quiet --vcs git hello
cd hello
git add .
git -c user.name=nobody -c user.email=nobody@example.org commit --quiet --message first

there() { if [ -e "$CARGO_TARGET_DIR/release/hello" ]; then echo there; else echo gone; fi; }

cargo build --quiet --release
cargo install --quiet --path . --root "$work/one"
by_path=$(there)
cargo build --quiet --release
before=$(there)
cargo install --quiet --git "file://$PWD" --root "$work/two"
by_git=$(there)
echo "release/hello of the shared target: $by_path after install --path, $by_git after install --git"
[ "$by_path $before $by_git" = 'there there gone' ] && [ -x "$work/two/bin/hello" ] || { echo 'no longer so'; exit 1; }
