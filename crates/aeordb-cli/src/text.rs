//! How values look to a person, and how names travel in JSON.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Binary sizes as people read them: `0 B`, `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths are cut, not rounded: 1023.99 KiB must not become 1024.0 KiB.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10 * 1024 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// A size with the exact bytes beside it where the two differ.
pub fn exact_size(bytes: u64) -> String {
    if bytes < 1024 { size(bytes) } else { format!("{} ({bytes} bytes)", size(bytes)) }
}

/// Nanoseconds since 1970 as RFC 3339 in UTC, to the second.
pub fn time(nanoseconds: i64) -> String {
    timestamp(nanoseconds).map_or_else(
        || nanoseconds.to_string(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// Nanoseconds since 1970 as RFC 3339 in UTC, with all digits that are not zero.
pub fn exact_time(nanoseconds: i64) -> String {
    timestamp(nanoseconds).map_or_else(|| nanoseconds.to_string(), |time| time.to_string())
}

fn timestamp(nanoseconds: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()
}

/// How long something took.
pub fn duration(took: std::time::Duration) -> String {
    let milliseconds = took.as_millis();
    match milliseconds {
        0..10_000 => format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000),
        10_000..60_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1000),
    }
}

/// The last bits of a mode, as `chmod` takes them.
pub fn mode(mode: u32) -> String {
    format!("{:04o}", mode & 0o7777)
}

/// A number with its digits in groups of three.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Text that a terminal only shows: control characters are escaped, lines stay lines.
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\n' {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// A name that a terminal only shows, on one line whatever its bytes are.
pub fn printable_name(bytes: &[u8]) -> String {
    let mut safe = String::with_capacity(bytes.len());
    for piece in bytes.utf8_chunks() {
        for character in piece.valid().chars() {
            if character.is_control() {
                safe.extend(character.escape_default());
            } else {
                safe.push(character);
            }
        }
        for byte in piece.invalid() {
            safe.push_str(&format!("\\x{byte:02x}"));
        }
    }
    safe
}

/// A word as a shell takes it.
pub fn shell(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./+:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Adds a name to a JSON object: as text, and in base64 beside it when it is not text.
pub fn insert_name(object: &mut Map<String, Value>, key: &str, bytes: &[u8]) {
    object.insert(key.to_owned(), String::from_utf8_lossy(bytes).into());
    if std::str::from_utf8(bytes).is_err() {
        let encoded = data_encoding::BASE64.encode(bytes);
        object.insert(format!("{key}_b64"), encoded.into());
    }
}

#[cfg(test)]
mod tests;
