#!/usr/bin/env bash
# Makes the data sets of the benchmark: two releases of a source tree (many
# small files) and two releases of large binaries (few large files).
#
#   benches/make-data.sh [DIRECTORY]        default: target/bench-data
#
#   kernel/1    kernel/2     Debian's linux-source-6.1, unpacked
#   binaries/1  binaries/2   Python wheels packed and unpacked, a tar of a
#                            source tree, a SQLite file updated in place
#
# What is there already is kept, so that it can be run again at any time.
# Versions come from the environment:
#   KERNEL_1, KERNEL_2                    of the package linux-source-6.1
#   PYARROW_1, PYARROW_2, SCIPY_1, SCIPY_2, POLARS_1, POLARS_2
#   ONLY=kernel | binaries                make one set alone (the binaries need
#                                         the kernel trees for their tar)
set -euo pipefail

KERNEL_1=${KERNEL_1:-6.1.170-3}
KERNEL_2=${KERNEL_2:-6.1.192-2}
PYARROW_1=${PYARROW_1:-15.0.1}
PYARROW_2=${PYARROW_2:-15.0.2}
SCIPY_1=${SCIPY_1:-1.14.0}
SCIPY_2=${SCIPY_2:-1.14.1}
POLARS_1=${POLARS_1:-1.20.0}
POLARS_2=${POLARS_2:-1.21.0}
ONLY=${ONLY:-all}
PACKAGE=linux-source-6.1

# Names that sort and print the same everywhere.
export LC_ALL=C

say() { printf '%s\n' "$*"; }
die() { printf 'make-data: %s\n' "$*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is not installed${2:+ ($2)}"; }

case "${1:-}" in
  -h|--help) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
  -*) die "unknown option $1 (see --help)" ;;
esac
case "$ONLY" in all|kernel|binaries) ;; *) die "ONLY must be kernel or binaries, not '$ONLY'" ;; esac
DATA=${1:-target/bench-data}
mkdir -p "$DATA"
DATA=$(cd "$DATA" && pwd)
DOWNLOADS=$DATA/downloads
mkdir -p "$DOWNLOADS"

# A tree is built beside its place and renamed into it, so that a tree that is
# there is a whole one.
begin() { rm -rf "$1.part"; mkdir -p "$1.part"; }
finish() { mv -T "$1.part" "$1"; }

describe() {
  local files dirs bytes
  files=$(find "$1" -type f | wc -l)
  dirs=$(find "$1" -type d | wc -l)
  bytes=$(find "$1" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%.1f MB", n / 1e6 }')
  say "$2: $files files, $dirs directories, $bytes in $1"
}

UPDATED=
apt_update() {
  [ -n "$UPDATED" ] && return
  say "apt-get update ..."
  apt-get update -qq || die "apt-get update failed (it needs the right to write the package lists)"
  UPDATED=yes
}

kernel() { # RELEASE VERSION
  local out=$DATA/kernel/$1 version=$2 deb
  if [ -d "$out" ]; then say "kernel/$1 is there already"; return; fi
  need dpkg-deb; need xz "package xz-utils"; need apt-get
  deb=$(find "$DOWNLOADS" -name "${PACKAGE}_${version}_*.deb" -print -quit)
  if [ -z "$deb" ]; then
    apt_update
    if ! apt-cache madison "$PACKAGE" | awk '{ print $3 }' | grep -qxF -- "$version"; then
      die "$PACKAGE $version is not to be had; set KERNEL_$1 to one of:
$(apt-cache madison "$PACKAGE" | awk '{ print "  " $3 }' | sort -uV)"
    fi
    say "downloading $PACKAGE=$version ..."
    (cd "$DOWNLOADS" && apt-get download -qq -o APT::Sandbox::User=root "$PACKAGE=$version")
    deb=$(find "$DOWNLOADS" -name "${PACKAGE}_${version}_*.deb" -print -quit)
    [ -n "$deb" ] || die "apt-get download left no ${PACKAGE}_${version}_*.deb in $DOWNLOADS"
  fi
  say "unpacking kernel/$1 ($version) ..."
  begin "$out"
  dpkg-deb --fsys-tarfile "$deb" \
    | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' \
    | xz -dc -T0 \
    | tar -x --no-same-owner --strip-components=1 -C "$out.part"
  finish "$out"
}

wheel() { # RELEASE NAME VERSION
  local dir=$DOWNLOADS/wheels/$1 file
  mkdir -p "$dir"
  file=$(find "$dir" -name "$2-$3-*.whl" -print -quit)
  if [ -z "$file" ]; then
    say "downloading $2 $3 ..." >&2
    pip download --quiet --disable-pip-version-check --no-deps \
      --only-binary=:all: --implementation cp --python-version 3.11 \
      --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 \
      --platform manylinux_2_28_x86_64 --dest "$dir" "$2==$3" >&2 \
      || die "no wheel of $2 $3 to be had (pip index versions $2 lists what exists)"
    file=$(find "$dir" -name "$2-$3-*.whl" -print -quit)
    [ -n "$file" ] || die "pip left no wheel of $2 $3 in $dir"
  fi
  printf '%s\n' "$file"
}

# A database of 150,000 rows, the same bytes at every call; release 2 is the
# file of release 1 with 3 % of its rows updated in place and 1 % added.
sqlite() { # RELEASE FILE
  python3 - "$1" "$2" <<'PYTHON'
import hashlib, random, sqlite3, sys
release, path = sys.argv[1], sys.argv[2]
words = [hashlib.sha256(b"word%d" % i).hexdigest()[: 3 + i % 9] for i in range(4000)]
def row(rng, key):
    body = " ".join(rng.choices(words, k=rng.randint(20, 90)))
    return (key, "item-%06d" % key, rng.randint(0, 1 << 40), body, rng.randbytes(48))
db = sqlite3.connect(path)
db.execute("PRAGMA page_size = 4096")
db.execute("PRAGMA journal_mode = DELETE")
db.execute("PRAGMA synchronous = OFF")
db.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, stamp INTEGER, body TEXT, digest BLOB)")
db.execute("CREATE INDEX item_stamp ON item (stamp)")
rng = random.Random(1)
db.executemany("INSERT INTO item VALUES (?, ?, ?, ?, ?)", (row(rng, k) for k in range(150_000)))
db.commit()
if release == "2":
    rng = random.Random(2)
    for key in sorted(rng.sample(range(150_000), 4_500)):
        db.execute("UPDATE item SET stamp = ?, digest = ? WHERE id = ?",
                   (rng.randint(0, 1 << 40), rng.randbytes(48), key))
    db.executemany("INSERT INTO item VALUES (?, ?, ?, ?, ?)", (row(rng, k) for k in range(150_000, 151_500)))
    db.commit()
db.close()
PYTHON
}

binaries() { # RELEASE
  local out=$DATA/binaries/$1 file name version
  if [ -d "$out" ]; then say "binaries/$1 is there already"; return; fi
  need python3; need pip; need tar
  [ -d "$DATA/kernel/$1" ] || die "binaries/$1 needs kernel/$1: run without ONLY first"
  begin "$out"
  mkdir -p "$out.part/wheels" "$out.part/site-packages" "$out.part/data"
  for name in pyarrow scipy polars; do
    version=${name^^}_$1
    file=$(wheel "$1" "$name" "${!version}")
    cp --preserve=timestamps "$file" "$out.part/wheels/"
    python3 -m zipfile -e "$file" "$out.part/site-packages"
  done
  # Packed wheels carry their version in the name; a build's output directory
  # would not: keep the name, so that the next release replaces the file.
  for file in "$out.part"/wheels/*.whl; do
    name=${file##*/}
    mv -T "$file" "$out.part/wheels/${name%%-*}.whl"
  done
  tar --sort=name --owner=0 --group=0 --numeric-owner --format=gnu \
    -C "$DATA/kernel/$1" -cf "$out.part/data/source.tar" \
    fs include kernel lib mm net sound tools
  sqlite "$1" "$out.part/data/items.sqlite"
  finish "$out"
}

if [ "$ONLY" != binaries ]; then
  mkdir -p "$DATA/kernel"
  kernel 1 "$KERNEL_1"
  kernel 2 "$KERNEL_2"
fi
if [ "$ONLY" != kernel ]; then
  mkdir -p "$DATA/binaries"
  binaries 1
  binaries 2
fi

say
say "made:"
for set in kernel binaries; do
  for release in 1 2; do
    [ -d "$DATA/$set/$release" ] || continue
    describe "$DATA/$set/$release" "$set/$release"
  done
done
