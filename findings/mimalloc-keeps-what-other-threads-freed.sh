#!/usr/bin/env bash
# mimalloc 0.1.52 (crates.io, with libmimalloc-sys 0.1.49, whose default is mimalloc 3): 128 threads
# make buffers of 1 to 65 KB and hand them to the next thread, which frees them, as servers do that read
# on one thread and answer on another. At most 68 MB can be alive at a time. Twelve seconds after the
# last buffer was freed, and still when all threads have ended, some 900 MB are resident. The same
# program on glibc's malloc has 10 MB then, and 4 in the end. So an allocator that was chosen to keep a
# server small can make it many times larger, with few processors above all.
#
# Seen with rustc 1.95, Linux 6.18, glibc 2.36, two processors (amd64). Needs cargo and a C compiler.
# Takes a minute. Exit code 0: it is still so (five times what was ever alive, ten times what glibc keeps).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "handed-on"
version = "0.0.0"
edition = "2021"

[features]
mimalloc = ["dep:mimalloc", "dep:libmimalloc-sys"]

[dependencies]
mimalloc = { version = "=0.1.52", optional = true }
libmimalloc-sys = { version = "=0.1.49", optional = true, default-features = false }
TOML
cat > src/main.rs <<'RUST'
use std::sync::{mpsc, Arc, Barrier};
use std::time::Duration;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

const THREADS: usize = 128;
const WAITING: usize = 8;
const LEN_MAX: usize = 65 * 1024;

fn resident_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1000
}

fn main() {
    let ends = (0..THREADS).map(|_| mpsc::sync_channel::<Vec<u8>>(WAITING));
    let (to, from): (Vec<_>, Vec<_>) = ends.unzip();
    let (emptied, stay) = (Arc::new(Barrier::new(THREADS + 1)), Arc::new(Barrier::new(THREADS + 1)));
    let threads: Vec<_> = from
        .into_iter()
        .enumerate()
        .map(|(number, mine)| {
            let (next, emptied, stay) = (to[(number + 1) % THREADS].clone(), emptied.clone(), stay.clone());
            std::thread::spawn(move || {
                let mut state = number as u64 + 1;
                for _ in 0..4000 {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let len = 1024 + (state >> 33) as usize % (LEN_MAX - 1024);
                    let _ = next.try_send(vec![1; len]);
                    while mine.try_recv().is_ok() {}
                }
                drop(next);
                // Until whoever sends here has ended: nothing is left then.
                emptied.wait();
                while mine.try_recv().is_ok() {}
                stay.wait();
            })
        })
        .collect();
    drop(to);
    emptied.wait();
    std::thread::sleep(Duration::from_secs(12));
    let idle = resident_megabytes();
    stay.wait();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    std::thread::sleep(Duration::from_secs(2));
    println!("{} {idle} {}", THREADS * WAITING * LEN_MAX / 1_000_000, resident_megabytes());
}
RUST
run() {
  cargo run --quiet --release "$@" > said
  read -r alive idle ended < said
}
run
glibc=$ended
echo "glibc: at most $alive MB alive; resident when idle: $idle MB, threads ended: $ended MB"
run --features mimalloc
echo "mimalloc: at most $alive MB alive; resident when idle: $idle MB, threads ended: $ended MB"
[ "$idle" -gt $((5 * alive)) ] && [ "$ended" -gt $((5 * alive)) ] && [ "$ended" -gt $((10 * glibc)) ] ||
  { echo "no longer so: mimalloc kept less"; exit 1; }
