#!/usr/bin/env bash
# The main job on real files: load, snapshot, export, change, diff, import elsewhere, patch,
# promote, verify, get, compare. Usage: ./quickstart.sh [DIRECTORY]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source_dir=$(cd "${1:-$here}" && pwd)

cargo build --release --locked --manifest-path "$here/Cargo.toml" -p aeordb-cli
PATH="${CARGO_TARGET_DIR:-$here/target}/release:$PATH"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME="$work/cache"
cd "$work"

run() {
  printf '\n$ %s\n' "$*"
  local before after
  before=$(date +%s%N)
  "$@"
  after=$(date +%s%N)
  printf '  (%d ms)\n' $(((after - before) / 1000000))
}

mkdir files
tar -C "$source_dir" --exclude=./target --exclude=./.git -cf - . | tar -C files -xf -

run aeordb put --database data.aeordb files /
run aeordb snapshot create v1 --database data.aeordb
run aeordb export --database data.aeordb --output full.aeordb --snapshot v1

printf '\nNow the files change: one is added, one is changed, one is removed.\n'
mapfile -t some < <(find files -type f | LC_ALL=C sort | head -n 2)
echo "a new file" > files/added-by-quickstart.txt
[ "${#some[@]}" -lt 1 ] || echo "one more line" >> "${some[0]}"
[ "${#some[@]}" -lt 2 ] || rm -f "${some[1]}"

run aeordb put --mirror --database data.aeordb files /
run aeordb snapshot create v2 --database data.aeordb
run aeordb diff --database data.aeordb --from v1 --to v2
run aeordb diff --database data.aeordb --output patch.aeordb --from v1 --to v2

printf '\nOn the other side, with nothing but the two files:\n'
run aeordb import --database restored.aeordb --file full.aeordb
run aeordb promote --database restored.aeordb --hash "$(aeordb info --json full.aeordb | sed -n 's/.*"version":"\([0-9a-f]*\)".*/\1/p')"
run aeordb import --database restored.aeordb --file patch.aeordb --promote
run aeordb verify --deep --database restored.aeordb
run aeordb get --database restored.aeordb / out
run diff -r --no-dereference files out

printf '\nThe same files came out on the other side. What was made:\n'
printf '%12s  %s\n' "$(du -sb files | cut -f1)" "files (bytes of the tree)"
for file in data.aeordb full.aeordb patch.aeordb restored.aeordb; do
  printf '%12s  %s\n' "$(stat -c %s "$file")" "$file"
done
