//! The signal that a closed terminal sends.

use std::fs;

/// Its number on every Unix.
const SIGHUP: u32 = 1;

/// True if whoever started this program had it ignore the signal, as `nohup` does. To be asked
/// before anything listens for it.
pub fn is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (SIGHUP - 1) & 1 == 1)
}
