//! Overwrites what is in no cell of a page: text that SQLite moved or deleted, and left lying.
//!
//! `secure_delete` overwrites a deleted cell where it lies. But when SQLite rearranges a full page, it packs the cells
//! anew and does not clear the room that this leaves (`rebuildPage` in its source), so that the page holds old copies of
//! cells between its list of cells and the cells, until new ones need that room. A copy outlives the deletion of its cell.
//!
//! So after an erasure every page is looked at, and what is neither header nor cell is overwritten with zeros. Which page
//! holds what does not matter for that, nor what the text was; only pages of indexes and of tables without a rowid are
//! looked at, because all players' data is in these. It is done once for each page: what is not in a cell is never copied
//! to another page, so a page that was cleaned after the deletion stays clean of it.

use std::ops::Range;

use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Binary};
use diesel::sqlite::SqliteConnection;
use thiserror::Error;

use super::statement::statement;

/// A file with so many pages (128 GiB) may hold pages of other kinds that look like those of a tree: they begin with the
/// number of a page, and that with the byte that marks a page of a tree.
const PAGES_MAX: i64 = 0x0200_0000;

/// The kinds of page that hold cells of indexes and of tables without a rowid, and how long their headers are.
const KINDS: [(u8, usize); 2] = [(2, 12), (10, 8)];

/// As many as the largest page has bytes. Comparing with them is much faster than looking at each byte.
static ZEROS: [u8; 65_536] = [0; 65_536];

statement! {
    /// A page as it is.
    ReadPage { number: i64 => BigInt } -> (Binary,) = "SELECT data FROM sqlite_dbpage WHERE pgno = ?"
}

statement! {
    /// Replaces a page.
    WritePage<'a> { data: &'a [u8] => Binary, number: i64 => BigInt }
    -> () = "UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?"
}

#[derive(QueryableByName)]
struct Shape {
    #[diesel(sql_type = BigInt)]
    pages: i64,
    #[diesel(sql_type = BigInt)]
    auto_vacuum: i64,
}

/// A file in which this module cannot tell the pages of trees from others.
#[derive(Debug, Error)]
#[error("unused parts of pages cannot be told apart in a file of {pages} pages with auto_vacuum {auto_vacuum}")]
struct UnknownShape {
    pages: i64,
    auto_vacuum: i64,
}

/// How many pages the file has.
pub(super) fn pages(connection: &mut SqliteConnection) -> QueryResult<i64> {
    let select = "SELECT page_count AS pages, auto_vacuum FROM pragma_page_count, pragma_auto_vacuum";
    let Shape { pages, auto_vacuum } = diesel::sql_query(select).get_result(connection)?;
    if pages < PAGES_MAX && auto_vacuum == 0 {
        Ok(pages)
    } else {
        Err(Error::QueryBuilderError(Box::new(UnknownShape { pages, auto_vacuum })))
    }
}

/// Those of the pages `numbers` that hold anything where there is no cell.
pub(super) fn littered(connection: &mut SqliteConnection, numbers: Range<i64>) -> QueryResult<Vec<i64>> {
    let mut found = Vec::new();
    for number in numbers {
        let page = ReadPage { number }.get_result::<(Vec<u8>,)>(connection).optional()?;
        if page.is_some_and(|(page,)| is_littered(&page)) {
            found.push(number);
        }
    }
    Ok(found)
}

/// Overwrites what is in no cell of the pages `numbers`.
pub(super) fn sweep(connection: &mut SqliteConnection, numbers: &[i64]) -> QueryResult<()> {
    for number in numbers.iter().copied() {
        let page = ReadPage { number }.get_result::<(Vec<u8>,)>(connection).optional()?;
        let Some((mut page,)) = page else { continue };
        if is_littered(&page) {
            for range in unused(&page).unwrap_or_default() {
                if let Some(unused) = page.get_mut(range) {
                    unused.fill(0);
                }
            }
            WritePage { data: &page, number }.execute(connection)?;
        }
    }
    Ok(())
}

fn is_littered(page: &[u8]) -> bool {
    let littered = |range: Range<usize>| page.get(range).is_some_and(|unused| !ZEROS.starts_with(unused));
    unused(page).is_some_and(|ranges| ranges.into_iter().any(littered))
}

/// The parts of `page` that are in no cell, without what links them; `None` when it is not a page with cells of the kinds
/// looked for.
fn unused(page: &[u8]) -> Option<Vec<Range<usize>>> {
    let kind = page.first()?;
    let (_, header) = KINDS.into_iter().find(|(known, _)| known == kind)?;
    let (mut block, cells, top) = (number(page, 1)?, number(page, 3)?, number(page, 5)?);
    let gap = header + 2 * cells..top;
    let sound = gap.start <= gap.end && gap.end <= page.len();
    let mut ranges = vec![gap];
    let mut end = top;
    while sound && block != 0 {
        let (next, length) = (number(page, block)?, number(page, block + 2)?);
        if block < end || length < 4 || page.len() < block + length {
            return None;
        }
        end = block + length;
        ranges.push(block + 4..end);
        block = next;
    }
    sound.then_some(ranges)
}

fn number(page: &[u8], at: usize) -> Option<usize> {
    let bytes = page.get(at..at + 2)?.try_into().ok()?;
    Some(usize::from(u16::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leaf of 64 bytes with two cells at 50 and 56, and a free block of 6 bytes at 44.
    fn leaf() -> Vec<u8> {
        let mut page = vec![7; 64];
        page[..12].copy_from_slice(&[10, 0, 44, 0, 2, 0, 40, 0, 0, 50, 0, 56]);
        page[44..48].copy_from_slice(&[0, 0, 0, 6]);
        page
    }

    #[test]
    fn what_is_in_no_cell_is_found() {
        assert_eq!(unused(&leaf()), Some(vec![12..40, 48..50]));
        assert!(is_littered(&leaf()));
        let mut clean = leaf();
        clean[12..40].fill(0);
        assert!(is_littered(&clean), "the free block");
        clean[48..50].fill(0);
        assert!(!is_littered(&clean));
    }

    #[test]
    fn other_pages_are_left_alone() {
        for kind in [0, 5, 13, 255] {
            let mut page = leaf();
            page[0] = kind;
            assert_eq!(unused(&page), None, "{kind}");
        }
        for (at, wrong) in [(5, [0, 65]), (5, [0, 11]), (1, [0, 30]), (46, [0, 3]), (46, [0, 21]), (44, [0, 44])] {
            let mut page = leaf();
            page[at..at + 2].copy_from_slice(&wrong);
            assert_eq!(unused(&page), None, "{at}");
        }
        assert_eq!(unused(&[]), None);
    }
}
