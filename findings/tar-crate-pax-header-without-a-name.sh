#!/usr/bin/env bash
# tar 0.4.46 (crates.io): Builder::append_pax_extensions writes an extended header whose name field
# is empty. GNU tar and bsdtar read such an archive; BusyBox tar 1.35.0 stops with "invalid tar
# magic" and toybox tar 0.8.9 with "bad header", both with exit code 1 and nothing unpacked: an empty
# first byte is where they expect the end of the archive. So an archive made with this call cannot be
# unpacked on systems whose tar is BusyBox (Alpine) or toybox (Android). A name in the header helps.
#
# Seen with tar 0.4.46, busybox 1:1.35.0-4+deb12u1+b1, toybox 0.8.9+dfsg-1 (Debian 12, amd64).
# Needs cargo, apt-get with an index of Debian 12, dpkg-deb. Exit code 0: it is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir -p src out
cat > Cargo.toml <<'TOML'
[package]
name = "pax-header"
version = "0.0.0"
edition = "2021"

[dependencies]
tar = { version = "=0.4.46", default-features = false }
TOML
cat > src/main.rs <<'RUST'
fn main() {
    let mut builder = tar::Builder::new(std::fs::File::create("made.tar").unwrap());
    builder.append_pax_extensions([("mtime", b"1700000000.5".as_slice())]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    header.set_mode(0o644);
    builder.append_data(&mut header, "hello.txt", b"hi\n".as_slice()).unwrap();
    builder.finish().unwrap();
}
RUST
cargo run --quiet
apt-get download --quiet=2 busybox=1:1.35.0-4+deb12u1+b1 toybox=0.8.9+dfsg-1 2> apt.log ||
  { cat apt.log; exit 2; }
for package in ./*.deb; do dpkg-deb --extract "$package" programs; done
busybox=programs/bin/busybox toybox=$(find programs -type f -path "*/bin/toybox")

fail() { echo "no longer so: $*"; exit 1; }
first=$(head -c 1 made.tar | od -An -tx1 | tr -d ' ')
[ "$first" = 00 ] || fail "the extended header has a name, its first byte is $first"
echo "the first byte of the archive, where a name belongs: 0x$first"

tar -xf made.tar -C out && [ "$(cat out/hello.txt)" = hi ] || fail "GNU tar does not read it"
echo "GNU tar: unpacked"
rm out/hello.txt

refuses() {
  local name=$1 words=$2 said code=0
  shift 2
  said=$("$@" 2>&1) || code=$?
  echo "$name: exit code $code, $said"
  [ "$code" = 1 ] && [[ $said == *"$words"* ]] || fail "$name"
  [ ! -e out/hello.txt ] || fail "$name unpacked it"
}
refuses "BusyBox tar" "invalid tar magic" "$busybox" tar -xf made.tar -C out
refuses "toybox tar" "bad header" "$toybox" tar -xf made.tar -C out
