#!/usr/bin/env bash
# The main job on real files: load, snapshot, export, restore, change, diff, patch, import elsewhere,
# promote, verify, compare. What it makes stays.
#
# Usage: ./quickstart.sh [DIRECTORY [FOLDER]]
#   DIRECTORY  the files to work on, which are only read; the sources of this project if not given
#   FOLDER     a new folder for what is made; aeordb-quickstart here, or with a number, if not given
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)

fail() { printf 'quickstart: %s\n' "$*" >&2; exit 2; }

[ $# -le 2 ] || fail "expected [DIRECTORY [FOLDER]], found $# arguments"
[ -d "${1:-$here}" ] || fail "$1 is not a directory"
source_dir=$(cd "${1:-$here/crates}" && pwd -P)

folder=${2:-aeordb-quickstart}
[ $# -eq 2 ] || for ((n = 2; ; n++)); do
  [ -e "$folder" ] || break
  folder=aeordb-quickstart-$n
done
[ ! -e "$folder" ] || fail "$folder exists already: name a new folder"
[ -n "$(ls -A "$source_dir")" ] || fail "$source_dir is empty"
case "$(realpath -m "$folder")/" in
  "$source_dir"/*) fail "$folder lies in $source_dir: name a FOLDER elsewhere after it" ;;
esac

command -v cargo >/dev/null || fail "cargo is not there: install Rust from https://rustup.rs"
printf 'Building aeordb, once …\n'
cargo build --profile quick --locked --manifest-path "$here/Cargo.toml" -p aeordb-cli --no-default-features
programs=$(cd "${CARGO_TARGET_DIR:-$here/target}/quick" && pwd)
PATH="$programs:$PATH"

mkdir -p "$folder"
cd "$folder"
folder=$(pwd)
export XDG_CACHE_HOME="$folder/.cache"

run() {
  printf '\n$ %s\n' "$*"
  local before after code=0
  before=$(date +%s%N)
  "$@" || code=$?
  after=$(date +%s%N)
  printf '  (%d ms)\n' $(((after - before) / 1000000))
  return $code
}

# A line for each path: what it is, its mode, time, size and target, and for root its owner; then one
# for the bytes of each file. Sizes of directories are the file system's own, and the top of a version
# has no time.
listing() {
  local who=
  [ "$(id -u)" -ne 0 ] || who=' %U %G'
  cd "$1"
  find . -mindepth 1 \( -type d -printf "%P\t%y %m %T@$who\n" \
    -o -type f -printf "%P\t%y %m %T@ %s$who\n" -o -type l -printf "%P\t%y %T@ %l$who\n" \) |
    LC_ALL=C sort
  find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum
}

same() {
  printf '\n$ # names, kinds, modes, times, targets and bytes: %s and %s\n' "$1" "$2"
  diff <(listing "$1") <(listing "$2") && printf '  the same\n'
}

# Exit code 3: done, but for what the messages name; a user may not read or give away everything.
but_for_some() { "$@" || [ $? -eq 3 ]; }

unread=
run aeordb put --database data.aeordb "$source_dir" / || { [ $? -eq 3 ] && unread=yes; }
run aeordb snapshot create v1 --database data.aeordb
run aeordb export --database data.aeordb --output full.aeordb --snapshot v1
but_for_some run aeordb get --database data.aeordb v1:/ files
if [ -z "$unread" ]; then
  same "$source_dir" files
else
  printf '\nWhat could not be read is named above; the rest is backed up.\n'
fi

printf '\nIn that copy one file is added, one is changed, one is removed.\n'
mapfile -t -d '' some < <(find files -type f -print0 | LC_ALL=C sort -z | head -z -n 2)
echo "a new file" > files/added-by-quickstart.txt
[ "${#some[@]}" -lt 1 ] || { chmod u+w "${some[0]}" && echo "one more line" >> "${some[0]}"; }
[ "${#some[@]}" -lt 2 ] || rm -f "${some[1]}"

run aeordb put --mirror --database data.aeordb files /
run aeordb snapshot create v2 --database data.aeordb
run aeordb diff --database data.aeordb --from v1 --to v2
run aeordb diff --database data.aeordb --output patch.aeordb --from v1 --to v2

printf '\nOn the other side, with nothing but the two files:\n'
run aeordb import --database restored.aeordb --file full.aeordb
run aeordb promote --database restored.aeordb --hash \
  "$(aeordb info --json full.aeordb | sed -n 's/.*"version":"\([0-9a-f]*\)".*/\1/p')"
run aeordb import --database restored.aeordb --file patch.aeordb --promote
run aeordb verify --deep --database restored.aeordb
but_for_some run aeordb get --database restored.aeordb / out
same files out

printf '\nThe same files came out on the other side. In %s:\n' "$folder"
printf '%12s  %s\n' "$(du -sb files | cut -f1)" "files (bytes of the tree)"
for file in data.aeordb full.aeordb patch.aeordb restored.aeordb; do
  printf '%12s  %s\n' "$(stat -c %s "$file")" "$file"
done

cat <<END

The program: $programs/aeordb
To go on:
  cd $folder && export PATH="$programs:\$PATH" AEORDB_DATABASE=data.aeordb
  aeordb log && aeordb ls -l v1:/          # what HEAD was, and what is in a version
  aeordb serve                             # the same over HTTP, on 127.0.0.1:3000
END
