#!/usr/bin/env bash
# rustix (crates.io): getxattr and fgetxattr with an empty buffer ask the kernel how long an attribute
# is. In 0.38.44 they return that length, as the system call does. In 1.1.6 the same call with an empty
# slice of bytes compiles, the system call is made and answers the length, and the function returns
# Ok(0): what an attribute of no bytes looks like. So a program that asks for the length first, makes room, then reads, finds every
# attribute empty after the upgrade, without an error from the compiler or at run time. listxattr and
# flistxattr do the same: a file with attributes has none. A buffer of at least one byte answers ERANGE
# where the attribute is longer.
#
# Seen with rustix 1.1.6 and 0.38.44, rustc 1.95, Linux 6.18, on tmpfs and ext4 (amd64). Needs cargo
# and a temporary folder on a file system with user attributes. Exit code 0: it is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "size-query"
version = "0.0.0"
edition = "2021"

[dependencies]
new = { package = "rustix", version = "=1.1.6", features = ["fs"] }
old = { package = "rustix", version = "=0.38.44", features = ["fs"] }
TOML
cat > src/main.rs <<'RUST'
use std::fs::File;

fn main() {
    let file = File::create("a-file").unwrap();
    let value = [b'v'; 44];
    let flags = new::fs::XattrFlags::empty();
    if let Err(error) = new::fs::fsetxattr(&file, "user.note", &value, flags) {
        println!("this file system takes no user attributes: {error}");
        std::process::exit(2);
    }
    let (mut room, none) = ([0u8; 64], &mut [0u8; 0][..]);
    println!("a whole buffer: {:?}", new::fs::fgetxattr(&file, "user.note", &mut room[..]));
    println!("0.38 get, empty buffer: {:?}", old::fs::fgetxattr(&file, "user.note", none));
    println!("1.1 get, empty buffer: {:?}", new::fs::fgetxattr(&file, "user.note", &mut *none));
    let short = new::fs::fgetxattr(&file, "user.note", &mut room[..1]);
    println!("1.1 get, buffer of one byte: {}", short.is_err());
    let chars = &mut [0; 0][..];
    println!("0.38 list, empty buffer: {:?}", old::fs::flistxattr(&file, chars).map(|n| n > 0));
    let listed = new::fs::flistxattr(&file, &mut *none);
    println!("1.1 list, empty buffer: {:?}", listed.map(|n| n > 0));
}
RUST
cargo run --quiet > said
cat said
expected='a whole buffer: Ok(44)
0.38 get, empty buffer: Ok(44)
1.1 get, empty buffer: Ok(0)
1.1 get, buffer of one byte: true
0.38 list, empty buffer: Ok(true)
1.1 list, empty buffer: Ok(false)'
[ "$(cat said)" = "$expected" ] || { echo "no longer so; it was:"; echo "$expected"; exit 1; }
