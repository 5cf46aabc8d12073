//! Who has locked a file: best effort, for the text of an error only.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::same_file;

/// Descriptors that are looked at before we give up: naming the holder must not take long.
const DESCRIPTORS_MAX: usize = 65_536;
/// Bytes of a descriptor's description that are read.
const DESCRIPTION_LEN_MAX: u64 = 16 * 1024;

/// Names the process that holds an exclusive open-file-description lock on the file at `path`:
/// `process 1234 (aeordb)`, or `this process`, or `another process` if it cannot be found: it may
/// be gone, be another user's, or run on another machine. The system itself does not tell; the
/// lists of the processes' descriptors do.
pub fn lock_holder(path: &Path) -> String {
    find_holder(path).unwrap_or_else(|| "another process".to_owned())
}

fn find_holder(path: &Path) -> Option<String> {
    let wanted = fs::metadata(path).ok()?;
    let mut left = DESCRIPTORS_MAX;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fdinfo")) else { continue };
        for descriptor in descriptors.flatten() {
            left = left.checked_sub(1)?;
            // The description is asked first: it never touches a file system that may hang.
            // Its device number differs from the file's on some (btrfs, overlays), so the file
            // itself is compared.
            let file = process.path().join("fd").join(descriptor.file_name());
            if holds_exclusive_lock(&descriptor.path())
                && fs::metadata(file).is_ok_and(|found| same_file(&found, &wanted))
            {
                return Some(describe(id, &process.path()));
            }
        }
    }
    None
}

/// Looks for a line like `lock: 1: OFDLCK  ADVISORY  WRITE -1 fe:00:1234 0 EOF`.
fn holds_exclusive_lock(description: &Path) -> bool {
    let Ok(file) = File::open(description) else { return false };
    let mut text = Vec::new();
    if file.take(DESCRIPTION_LEN_MAX).read_to_end(&mut text).is_err() {
        return false;
    }
    String::from_utf8_lossy(&text).lines().filter(|line| line.starts_with("lock:")).any(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "OFDLCK");
        words.next().is_some() && words.any(|word| word == "WRITE")
    })
}

fn describe(id: u32, process: &Path) -> String {
    if id == std::process::id() {
        return "this process".to_owned();
    }
    let mut name = Vec::new();
    let read =
        File::open(process.join("comm")).and_then(|file| file.take(64).read_to_end(&mut name));
    // A process chooses its name itself: no control characters into our messages.
    let name: String =
        String::from_utf8_lossy(&name).chars().filter(|letter| !letter.is_control()).collect();
    match read {
        Ok(_) if !name.is_empty() => format!("process {id} ({name})"),
        _ => format!("process {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_named_by_its_number_and_its_program() {
        let id = std::os::unix::process::parent_id();
        let process = format!("/proc/{id}");
        let program = fs::read_to_string(format!("{process}/comm")).unwrap();
        let expected = format!("process {id} ({})", program.trim_end());
        assert_eq!(describe(id, Path::new(&process)), expected);
        assert_eq!(describe(id, Path::new("/nowhere")), format!("process {id}"));
    }
}
