//! `aeordb-proof`: see the library of this crate.

use std::process::ExitCode;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> ExitCode {
    aeordb_proof::main()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[expect(clippy::print_stderr, reason = "where errors go")]
fn main() -> ExitCode {
    eprintln!("aeordb-proof: it needs Linux on x86-64, whose calls and registers it knows");
    ExitCode::from(2)
}
