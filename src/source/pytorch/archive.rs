//! The directory of a zip archive, as far as mapped tensors need it.
//!
//! This is a separate reader because the position of an entry in the file is needed, not a reader
//! of its bytes, and because every offset must be checked before any is used. Compressed entries
//! may be present (TorchScript's code is compressed); only reading one is refused.
//!
//! Format: APPNOTE.TXT of PKWARE, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to
//! 4.3.16 (its end, and the 64-bit one), 4.5.3 (64-bit sizes).

use std::collections::BTreeMap;
use std::ops::Range;

use super::cursor::Cursor;

const END: &[u8] = b"PK\x05\x06";
const END_LENGTH: usize = 22;
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const LOCATOR_64_LENGTH: usize = 20;
const HEADER: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LENGTH: usize = 30;
/// Entries with longer names are refused, so that a message can include a name.
const NAME: usize = 1024;

/// The entries of an archive by name.
pub(super) struct Archive<'a> {
    entries: BTreeMap<&'a str, Entry>,
}

struct Entry {
    bytes: Range<usize>,             // in the file
    plain: Result<(), &'static str>, // or why its bytes are not the content
}

impl<'a> Archive<'a> {
    /// Reads and checks the directory.
    pub(super) fn read(file: &'a [u8]) -> Result<Self, String> {
        let whole = |why: String| format!("not a whole zip archive: {why}");
        let directory = directory(file).map_err(whole)?;
        let mut cursor = Cursor::new(&file[..directory.end], directory.start);
        let mut entries = BTreeMap::new();
        // The ranges that the entries take, headers included.
        let mut taken = vec![(directory.start, directory.end)];
        while cursor.at() < directory.end {
            let (name, start, entry) = entry(file, &mut cursor).map_err(whole)?;
            taken.push((start, entry.bytes.end));
            if entries.insert(name, entry).is_some() {
                return Err(whole(format!("two entries are named {name:?}")));
            }
        }
        taken.sort_unstable();
        if taken.windows(2).any(|pair| pair[1].0 < pair[0].1) {
            return Err(whole("two of its entries lie over each other".to_owned()));
        }
        Ok(Self { entries })
    }

    /// An archive of torch, and the name of its folder.
    pub(super) fn of_torch(file: &'a [u8]) -> Result<(Self, &'a str), String> {
        let archive = Self::read(file)?;
        let roots = archive.names().filter_map(|name| name.strip_suffix("/data.pkl"));
        let root = { roots }.find(|root| !root.contains('/')).ok_or(
            "a zip archive without NAME/data.pkl: not one that torch.save or VarStore::save wrote",
        )?;
        if let Some(order) = archive.stored(&format!("{root}/byteorder"))?
            && file.get(order) == Some(b"big")
        {
            return Err(
                "its tensors are big-endian: save it again on a little-endian machine".into()
            );
        }
        Ok((archive, root))
    }

    fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.entries.keys().copied()
    }

    /// The position of the bytes of an entry in the file; `None` when there is no such entry.
    pub(super) fn stored(&self, name: &str) -> Result<Option<Range<usize>>, String> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        entry.plain.map_err(|why| format!("its entry {name:?} is {why}"))?;
        Ok(Some(entry.bytes.clone()))
    }
}

/// Where the entries of an archive say how long their own headers are. The directory is read already.
pub(in super::super) fn heads(file: &[u8]) -> Result<Vec<Range<usize>>, String> {
    let directory = directory(file)?;
    let mut cursor = Cursor::new(&file[..directory.end], directory.start);
    let mut heads = Vec::new();
    while cursor.at() < directory.end {
        let Listed { name, start, .. } = listed(&mut cursor)?;
        let end = start.saturating_add(LOCAL_LENGTH + name.len());
        heads.push(start.min(file.len())..end.min(file.len()));
    }
    Ok(heads)
}

/// Where the pickle, the byte order and the numbers of an archive of torch lie. The headers are read
/// already.
pub(in super::super) fn pickled(file: &[u8]) -> Result<Vec<Range<usize>>, String> {
    let archive = Archive::read(file)?;
    let entries = archive.entries.into_iter();
    // A step may be a tensor of one element.
    let is_wanted = |(name, entry): &(&str, Entry)| {
        name.ends_with("/data.pkl") || entry.bytes.len() <= size_of::<u64>()
    };
    Ok(entries.filter(is_wanted).map(|(_, entry)| entry.bytes).collect())
}

/// The position of the directory.
pub(in super::super) fn directory(file: &[u8]) -> Result<Range<usize>, String> {
    // A comment of at most 65535 bytes may follow.
    let last = file.len().checked_sub(END_LENGTH).ok_or("it ends too soon")?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    let ends_the_file = |at: usize| {
        let comment = &file[at + END_LENGTH - 2..at + END_LENGTH];
        let comment = usize::from(u16::from_le_bytes([comment[0], comment[1]]));
        file[at..].starts_with(END) && at + END_LENGTH + comment == file.len()
    };
    let end = (first..=last).rev().find(|&at| ends_the_file(at));
    let end = end.ok_or("its directory is missing (was it cut short?)")?;
    let mut cursor = Cursor::new(file, end + 12);
    let (size, start) = (u64::from(cursor.u32()?), u64::from(cursor.u32()?));
    let locator =
        end.checked_sub(LOCATOR_64_LENGTH).filter(|&at| file[at..].starts_with(LOCATOR_64));
    let ((size, start), limit) = match locator {
        Some(at) => {
            let at_64 = Cursor::new(file, at + 8).length()?;
            let mut cursor = Cursor::new(file, at_64);
            if cursor.take(4)? != END_64 {
                return Err("its 64-bit directory is not where it says".to_owned());
            }
            cursor.take(36)?;
            ((cursor.u64()?, cursor.u64()?), at_64)
        }
        None => ((size, start), end),
    };
    let range =
        usize::try_from(start).ok().zip(start.checked_add(size).and_then(|e| e.try_into().ok()));
    match range {
        // Several archives one after the other are not one.
        Some((start, stop)) if stop == limit => Ok(start..stop),
        _ => Err("its directory does not lie in the file".to_owned()),
    }
}

/// An entry as the directory has it.
struct Listed<'a> {
    name: &'a str,
    flags: u16,
    method: u16,
    size: usize,
    packed: usize,
    start: usize, // of its local header
}

/// The next entry of the directory.
fn listed<'a>(cursor: &mut Cursor<'a>) -> Result<Listed<'a>, String> {
    if cursor.take(4)? != HEADER {
        return Err("its directory is damaged".to_owned());
    }
    cursor.take(4)?;
    let (flags, method) = (cursor.u16()?, cursor.u16()?);
    cursor.take(8)?;
    let (packed, size) = (cursor.u32()?, cursor.u32()?);
    let lengths = [cursor.u16()?, cursor.u16()?, cursor.u16()?];
    cursor.take(8)?;
    let start = cursor.u32()?;
    let [name, extra, comment] = lengths.map(usize::from);
    let name = cursor.take(name)?;
    let name = std::str::from_utf8(name).map_err(|_| "the name of an entry is not UTF-8")?;
    if name.len() > NAME {
        return Err(format!("the name of an entry is longer than {NAME} bytes"));
    }
    let extra = cursor.take(extra)?;
    cursor.take(comment)?;
    let beyond = |_| format!("its entry {name:?} does not lie in the file");
    let [size, packed, start] = wide_sizes(extra, [size, packed, start]).map_err(beyond)?;
    Ok(Listed { name, flags, method, size, packed, start })
}

/// The next entry of the directory: its name, the offset of its local header, and the entry.
fn entry<'a>(file: &'a [u8], cursor: &mut Cursor<'a>) -> Result<(&'a str, usize, Entry), String> {
    let Listed { name, flags, method, size, packed, start } = listed(cursor)?;
    let beyond = || format!("its entry {name:?} does not lie in the file");
    let mut local = Cursor::new(file, start);
    if local.take(4).map_err(|_| beyond())? != LOCAL {
        return Err(format!("its entry {name:?} is not where it says"));
    }
    local.take(LOCAL_LENGTH - 8).map_err(|_| beyond())?;
    let lengths = [local.u16().map_err(|_| beyond())?, local.u16().map_err(|_| beyond())?];
    let [again, extra] = lengths.map(usize::from);
    let again = local.take(again).map_err(|_| beyond())?;
    if again != name.as_bytes() {
        return Err(format!("its entry {name:?} has another name where it lies"));
    }
    local.take(extra).map_err(|_| beyond())?;
    let first = local.at();
    local.take(packed).map_err(|_| beyond())?;
    let plain = match method {
        _ if flags & 1 != 0 => Err("encrypted"),
        0 if size == packed => Ok(()),
        0 => Err("damaged: its sizes differ"),
        _ => Err("compressed, which torch.save never does: unpack it and store it uncompressed \
                  (zip -0), or save it again with torch.save"),
    };
    Ok((name, start, Entry { bytes: first..local.at(), plain }))
}

/// Size, packed size and offset; those that do not fit 32 bits are, in this order, in the extra
/// field of id 1.
fn wide_sizes(extra: &[u8], narrow: [u32; 3]) -> Result<[usize; 3], String> {
    let mut cursor = Cursor::new(extra, 0);
    let mut wide = Cursor::new(&[], 0);
    while cursor.at() + 4 <= extra.len() {
        let (id, length) = (cursor.u16()?, cursor.u16()?);
        let field = cursor.take(usize::from(length))?;
        if id == 1 {
            wide = Cursor::new(field, 0);
            break;
        }
    }
    let mut sizes = [0; 3];
    for (size, narrow) in sizes.iter_mut().zip(narrow) {
        *size = match narrow {
            u32::MAX => wide.length()?,
            narrow => narrow as usize,
        };
    }
    Ok(sizes)
}
