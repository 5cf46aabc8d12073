//! The only way out: data to standard output, everything else to standard error. Data is
//! buffered and its errors are kept, so that a full disk or a closed pipe is never taken for
//! success.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

use aeordb::Result;
use aeordb::error::Context;
use serde::Serialize;

use crate::exit::ClosedOutput;
use crate::text;

/// Bytes that are collected before they are written.
const BUFFER_LEN: usize = 64 * 1024;

/// Standard output and standard error.
pub struct Out {
    data: BufWriter<Data>,
    messages: Box<dyn Write + Send>,
    terminal: bool,
    /// Names are for a program that reads them up to a NUL byte.
    null: bool,
}

/// Standard output. That nobody reads it is told apart from every other pipe that is closed.
struct Data(Box<dyn Write + Send>);

impl Write for Data {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(closed)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(closed)
    }
}

fn closed(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, ClosedOutput),
        _ => error,
    }
}

impl Out {
    /// The streams of this process.
    pub fn standard() -> Result<Self> {
        let terminal = io::stdout().is_terminal();
        // Not `Stdout` itself: that would cut everything into lines once more.
        let stdout = io::stdout().as_fd().try_clone_to_owned().context(opening)?;
        Ok(Self::new(Box::new(File::from(stdout)), Box::new(io::stderr()), terminal))
    }

    /// Any two streams. `terminal` says that a person looks at the data as it comes.
    pub fn new(
        data: Box<dyn Write + Send>,
        messages: Box<dyn Write + Send>,
        terminal: bool,
    ) -> Self {
        Out {
            data: BufWriter::with_capacity(BUFFER_LEN, Data(data)),
            messages,
            terminal,
            null: false,
        }
    }

    /// True if a person looks at the data as it comes.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.data.write_all(bytes).context(writing)
    }

    /// Writes a line of text of ours.
    pub fn line(&mut self, line: &str) -> Result<()> {
        writeln!(self.data, "{line}").context(writing)
    }

    /// Makes lines of names end with a NUL byte, with every name as it is.
    pub fn null_terminated(&mut self, null: bool) {
        self.null = null;
    }

    /// Writes a name or path so that it is one line whatever its bytes are.
    pub fn name(&mut self, bytes: &[u8]) -> Result<()> {
        if self.null {
            return self.bytes(bytes);
        }
        self.bytes(&text::quoted(bytes, self.terminal))
    }

    /// Writes a line of a file: as it is, but that a terminal is given nothing that controls it.
    pub fn text(&mut self, line: &[u8]) -> Result<()> {
        match self.terminal {
            true => self.bytes(text::printable_line(line).as_bytes()),
            false => self.bytes(line),
        }
    }

    /// Whether colours are wanted: on a terminal that has them, unless `NO_COLOR` is set.
    pub fn colours(&self) -> bool {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        self.terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
    }

    /// Separates two names of a line.
    pub fn between_names(&mut self) -> Result<()> {
        self.bytes(if self.null { b"\0" } else { b"\t" })
    }

    /// Ends a line of names.
    pub fn end(&mut self) -> Result<()> {
        self.bytes(if self.null { b"\0" } else { b"\n" })
    }

    /// Writes one JSON value on a line.
    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other).context(writing)?;
        self.line(&text)
    }

    /// Writes a line to standard error. That nobody reads it changes nothing.
    pub fn message(&mut self, message: &str) {
        let _ = writeln!(self.messages, "{}", text::printable(message));
    }

    /// Writes one JSON value on a line of standard error.
    pub fn json_message(&mut self, value: &impl Serialize) {
        // What travels is made of text, numbers and lists alone.
        self.message(&serde_json::to_string(value).unwrap_or_default());
    }

    /// Where a verb writes data by itself.
    pub fn data(&mut self) -> &mut dyn Write {
        &mut self.data
    }

    /// Makes sure that all data has left.
    pub fn flush(&mut self) -> Result<()> {
        self.data.flush().context(writing)
    }
}

fn opening() -> String {
    "cannot open standard output".into()
}

fn writing() -> String {
    "cannot write to standard output".into()
}
