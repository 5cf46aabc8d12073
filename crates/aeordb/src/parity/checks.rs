//! The table of checks, which is there twice. A page that is bad in one is taken from the other; what is
//! bad in both says nothing, and what it was for counts as bad.

use std::cell::RefCell;
use std::io;

use crate::format::parity::{CHECK_LEN, PAGE_CHECKS, ParityHead};
use crate::media::Media;

const CHECK: usize = CHECK_LEN;
const PAGE: usize = (PAGE_CHECKS + 1) * CHECK;

/// The check of bytes.
fn check_of(bytes: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.iter_mut().zip(blake3::hash(bytes).as_bytes()).for_each(|(to, from)| *to = *from);
    check
}

/// Writes the checks of pieces, in their order.
pub struct TableWriter<'a> {
    out: &'a dyn Media,
    tables: [u64; 2],
    page: Vec<u8>,
    pages: u64,
}

impl<'a> TableWriter<'a> {
    pub fn new(head: &ParityHead, out: &'a dyn Media) -> Self {
        TableWriter { out, tables: head.tables(), page: Vec::with_capacity(PAGE), pages: 0 }
    }

    /// Adds the next piece.
    pub fn add(&mut self, piece: &[u8]) -> io::Result<()> {
        self.page.extend(check_of(piece));
        if self.page.len() + CHECK == PAGE { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> io::Result<()> {
        self.page.resize(PAGE - CHECK, 0);
        let check = check_of(&self.page);
        self.page.extend(check);
        for table in self.tables {
            self.out.write_at(&self.page, table + self.pages * PAGE as u64)?;
        }
        self.page.clear();
        self.pages += 1;
        Ok(())
    }

    /// Writes what is left.
    pub fn finish(mut self) -> io::Result<()> {
        if self.page.is_empty() { Ok(()) } else { self.close() }
    }
}

/// The checks of pieces, read as they are asked for.
pub struct Table<'a> {
    parity: &'a dyn Media,
    tables: [u64; 2],
    /// The page that was read last, by its number; none if it is bad in both tables.
    last: RefCell<Option<(u64, Option<Vec<u8>>)>>,
}

impl<'a> Table<'a> {
    pub fn new(head: &ParityHead, parity: &'a dyn Media) -> Self {
        Table { parity, tables: head.tables(), last: RefCell::default() }
    }

    /// Whether `piece` is what the piece of this number was.
    pub fn is_check_of(&self, number: u64, piece: &[u8]) -> bool {
        let checks = PAGE_CHECKS as u64;
        let (page, index) = (number / checks, number % checks);
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_none_or(|(last, _)| *last != page) {
            *last = Some((page, self.page(page)));
        }
        let bytes = last.as_ref().and_then(|(_, bytes)| bytes.as_deref());
        let at = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(CHECK);
        let check = bytes.and_then(|bytes| bytes.get(at..at.checked_add(CHECK)?));
        check.is_some_and(|check| check == check_of(piece))
    }

    fn page(&self, number: u64) -> Option<Vec<u8>> {
        self.tables.iter().find_map(|table| {
            let mut page = vec![0; PAGE];
            self.parity.read_exact_at(&mut page, table + number * PAGE as u64).ok()?;
            let (checks, own) = page.split_at(PAGE - CHECK);
            (check_of(checks) == own).then_some(page)
        })
    }
}
