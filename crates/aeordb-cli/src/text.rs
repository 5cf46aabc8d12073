//! How values look to a person.

use std::borrow::Cow;
use std::str::Utf8Chunk;
use std::time::Duration;

use jiff::Timestamp;

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

/// Reads a size: bytes, or with K, M, G or T so many times 1024 of them; KB and so on are 1000s.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.to_ascii_uppercase();
    let (letter, base) = match unit.as_str() {
        "" | "B" => ("", 1024u64),
        unit => match (unit.strip_suffix("IB"), unit.strip_suffix('B')) {
            (Some(letter), _) => (letter, 1024),
            (None, Some(letter)) => (letter, 1000),
            (None, None) => (unit, 1024),
        },
    };
    let power = ["", "K", "M", "G", "T", "P"].iter().position(|known| *known == letter);
    let power = power.and_then(|power| base.checked_pow(u32::try_from(power).ok()?));
    let size = number.parse::<u64>().ok().zip(power).and_then(|(many, of)| many.checked_mul(of));
    size.ok_or_else(|| format!("'{text}' is not a size such as 500K, 100M or 2G"))
}

/// Reads a duration: a number of ms, s, m, h, d or w; without a unit, seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    aeordb::moment::duration(text).map_err(|error| error.to_string())
}

/// A duration in its two largest units.
pub fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A size with the exact bytes beside it where the two differ.
pub fn exact_size(bytes: u64) -> String {
    if bytes < 1024 { size(bytes) } else { format!("{} ({bytes} bytes)", size(bytes)) }
}

/// Nanoseconds since 1970 as RFC 3339 in UTC, to the second.
pub fn time(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).map_or_else(
        |_| nanoseconds.to_string(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// How long something took.
pub fn duration(took: Duration) -> String {
    let milliseconds = took.as_millis();
    match milliseconds {
        0..10_000 => format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000),
        10_000..60_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1000),
    }
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

/// A line that a terminal only shows; tabs stay.
pub fn printable_line(bytes: &[u8]) -> String {
    let pieces = bytes.split(|byte| *byte == b'\t').map(printable_name);
    pieces.collect::<Vec<_>>().join("\t")
}

/// A name on one line, so that every line stands for one name: in double quotes with the escapes of
/// C where it has control characters or starts as a quoted name does, and as it is otherwise. A
/// terminal is shown no bytes that are not text.
pub fn quoted(bytes: &[u8], terminal: bool) -> Cow<'_, [u8]> {
    let odd = |piece: Utf8Chunk<'_>| {
        piece.valid().contains(char::is_control) || (terminal && !piece.invalid().is_empty())
    };
    if !bytes.starts_with(b"\"") && !bytes.utf8_chunks().any(odd) {
        return Cow::Borrowed(bytes);
    }
    let mut quoted = vec![b'"'];
    for piece in bytes.utf8_chunks() {
        for character in piece.valid().chars() {
            match character {
                '"' | '\\' => quoted.extend([b'\\', character as u8]),
                '\n' => quoted.extend(b"\\n"),
                '\r' => quoted.extend(b"\\r"),
                '\t' => quoted.extend(b"\\t"),
                _ => {
                    let mut buffer = [0; 4];
                    let text = character.encode_utf8(&mut buffer);
                    match character.is_control() {
                        true => octal(&mut quoted, text.as_bytes()),
                        false => quoted.extend(text.as_bytes()),
                    }
                }
            }
        }
        octal(&mut quoted, piece.invalid());
    }
    quoted.push(b'"');
    Cow::Owned(quoted)
}

/// Adds bytes as three octal digits each.
fn octal(quoted: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        quoted.extend(format!("\\{byte:03o}").bytes());
    }
}

/// A mode as `ls` shows it: what it is, then who may read, write and execute it.
pub fn mode(kind: &str, mode: Option<u32>) -> String {
    let Some(mode) = mode else { return "-".to_owned() };
    let letters = [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')];
    let mut shown = String::from(match kind {
        "directory" => "d",
        "symlink" => "l",
        "fifo" => "p",
        "chardev" => "c",
        "blockdev" => "b",
        "socket" => "s",
        _ => "-",
    });
    for (shift, special, letter) in letters {
        let bits = mode >> shift;
        shown.push(if bits & 4 == 0 { '-' } else { 'r' });
        shown.push(if bits & 2 == 0 { '-' } else { 'w' });
        shown.push(match (mode & special == 0, bits & 1 == 0) {
            (true, true) => '-',
            (true, false) => 'x',
            (false, true) => letter.to_ascii_uppercase(),
            (false, false) => letter,
        });
    }
    shown
}

/// A word as a shell takes it.
pub fn shell(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./+:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
