//! A file on a server, read in ranges.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use neuromfa::internals::source::Ranges;

use super::cache::Cache;
use super::transport::{Answer, Failure, Request, Transport};

/// The longest range of one request.
const CHUNK: u64 = 8 << 20;
/// Bytes after which a request that was cut counts as one that came further.
const FURTHER: usize = 64 << 10;
/// Bytes of the first request, which learns how long the file is.
const FIRST: u64 = 64 << 10;

/// Where a file lies, and how it is asked for.
pub trait Place: Send + Sync {
    /// The address that is shown.
    fn shown(&self) -> &str;

    /// A request for it.
    fn request(&self) -> Request;

    /// What to do about a status that refuses it.
    fn way_out(&self, answer: &Answer) -> String;
}

/// A file.
pub struct File {
    place: Box<dyn Place>,
    transport: Arc<Transport>,
    gap: u64,
    length: u64,
    version: Option<String>, // its ETag, or when it was last changed
    first: Vec<u8>,
    cache: Option<Cache>,
    /// Where a redirect led.
    led_to: Mutex<Option<String>>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("address", &self.place.shown()).finish_non_exhaustive()
    }
}

impl File {
    /// Asks for the first bytes of a file.
    pub fn open(
        place: Box<dyn Place>,
        transport: &Arc<Transport>,
        gap: u64,
        cache: Option<&std::path::Path>,
    ) -> io::Result<Self> {
        let transport = Arc::clone(transport);
        let led_to = Mutex::new(None);
        let (length, version, first) = (0, None, Vec::new());
        let mut file = Self { place, transport, gap, length, version, first, cache: None, led_to };
        let transport = Arc::clone(&file.transport);
        let (request, answer, bytes) = transport.again(|| {
            let mut bytes = Vec::new();
            let request = Request { range: Some((0, FIRST)), ..file.place.request() };
            let check = |answer: &Answer| file.check_first(answer);
            let answer = file.transport.once(&request, &mut bytes, check);
            let length = |answer: &Answer| total(answer).unwrap_or(bytes.len() as u64);
            let answer = answer.and_then(|answer| match bytes.len() as u64 {
                n if n == length(&answer).min(FIRST) => Ok(answer),
                _ => Err(Failure::Passing("the answer was cut short".to_owned(), None)),
            });
            (answer.map(|answer| (request, answer, bytes)), false)
        })?;
        file.length = total(&answer).unwrap_or(bytes.len() as u64);
        file.version = version_of(&answer);
        file.first = bytes;
        file.remember(&request, answer);
        let key = file.version.as_ref().filter(|_| cache.is_some());
        file.cache = key.zip(cache).map(|(version, folder)| {
            Cache::new(folder, &format!("{} {version} {}", file.place.shown(), file.length))
        });
        Ok(file)
    }

    /// How many bytes of the first answer are wanted.
    fn check_first(&self, answer: &Answer) -> Result<u64, Failure> {
        let length = answer.header("Content-Length").and_then(|text| text.parse::<u64>().ok());
        match answer.status.as_u16() {
            206 => match content_range(answer) {
                Some((0, _, _)) => Ok(FIRST),
                _ => Err(Failure::Final(self.lies(answer, 0, FIRST))),
            },
            // All of a short file.
            200 if length.is_some_and(|length| length <= FIRST) => Ok(FIRST),
            200 => Err(Failure::Final(ignores_ranges())),
            416 => Ok(0), // an empty file has no ranges
            _ => Err(Failure::Final(self.refused(answer))),
        }
    }

    fn refused(&self, answer: &Answer) -> String {
        format!("{}: {}", answer.status(), self.place.way_out(answer))
    }

    fn lies(&self, answer: &Answer, first: u64, end: u64) -> String {
        let said = answer.header("Content-Range").unwrap_or("no Content-Range");
        format!(
            "the server answers bytes={first}-{} with {said:?}: download the file, or use a server that \
             serves ranges",
            end.saturating_sub(1)
        )
    }

    /// The bytes of one range.
    fn range(&self, range: &Range<u64>) -> io::Result<Vec<u8>> {
        if range.end <= self.first.len() as u64 {
            return Ok(self.first[range.start as usize..range.end as usize].to_vec());
        }
        if let Some(bytes) = self.cache.as_ref().and_then(|cache| cache.get(range)) {
            return Ok(bytes);
        }
        let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
        self.transport.again(|| {
            let before = bytes.len();
            let result = self.attempt(range, &mut bytes);
            (result, bytes.len() - before >= FURTHER)
        })?;
        if let Some(cache) = &self.cache {
            cache.put(range, &bytes)?;
        }
        Ok(bytes)
    }

    /// Asks for what is missing of a range.
    fn attempt(&self, range: &Range<u64>, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        let first = range.start + bytes.len() as u64;
        let wanted = Some((first, range.end));
        let led_to = self.led_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let request = match &led_to {
            Some(url) => Request { url: url.clone(), token: None, range: wanted, follow: true },
            None => Request { range: wanted, ..self.place.request() },
        };
        let check = |answer: &Answer| {
            // The address of a redirect expires.
            if led_to.is_some() && answer.status.is_client_error() {
                *self.led_to.lock().unwrap_or_else(PoisonError::into_inner) = None;
                return Err(Failure::Passing(answer.status(), None));
            }
            match answer.status.as_u16() {
                206 => {}
                200 => return Err(Failure::Final(ignores_ranges())),
                416 => return Err(Failure::Final(self.changed(answer))),
                _ => return Err(Failure::Final(self.refused(answer))),
            }
            if version_of(answer) != self.version || total(answer) != Some(self.length) {
                return Err(Failure::Final(self.changed(answer)));
            }
            match content_range(answer) {
                Some((at, end, _)) if at == first && end <= range.end => Ok(range.end - first),
                _ => Err(Failure::Final(self.lies(answer, first, range.end))),
            }
        };
        let answer = self.transport.once(&request, bytes, check)?;
        self.remember(&request, answer);
        match range.start + bytes.len() as u64 == range.end {
            true => Ok(()),
            false => Err(Failure::Passing("the answer was cut short".to_owned(), None)),
        }
    }

    /// Keeps the address that redirects led to: further requests go there.
    fn remember(&self, request: &Request, answer: Answer) {
        if request.follow && answer.url != request.url {
            *self.led_to.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.url);
        }
    }

    fn changed(&self, answer: &Answer) -> String {
        let none = || "none".to_owned();
        let now = (version_of(answer).unwrap_or_else(none), total(answer));
        format!(
            "the file was changed while it was read: ETag {} and {} bytes before, {} and {} now: analyse \
             it when it is complete (analyze --resume goes on after the last row)",
            self.version.clone().unwrap_or_else(none),
            self.length,
            now.0,
            now.1.map_or_else(none, |length| length.to_string()),
        )
    }
}

impl Ranges for File {
    fn length(&self) -> u64 {
        self.length
    }

    fn gap(&self) -> u64 {
        self.gap
    }

    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Vec<u8>>> {
        let chunks: Vec<(usize, Range<u64>)> = ranges
            .iter()
            .enumerate()
            .flat_map(|(k, range)| {
                let starts = (range.start..range.end).step_by(CHUNK as usize);
                starts.map(move |start| (k, start..range.end.min(start + CHUNK)))
            })
            .collect();
        let read = self.transport.each(&chunks, |(_, chunk)| self.range(chunk))?;
        let mut all: Vec<Vec<u8>> = ranges.iter().map(|_| Vec::new()).collect();
        for ((k, _), bytes) in chunks.into_iter().zip(read) {
            match all[k].is_empty() {
                true => all[k] = bytes,
                false => all[k].extend_from_slice(&bytes),
            }
        }
        Ok(all)
    }
}

fn ignores_ranges() -> String {
    "the server ignores ranges (200 for a range): download the file, or use a server that serves ranges"
        .to_owned()
}

/// The first byte, the one after the last, and the length of the file, as Content-Range says.
fn content_range(answer: &Answer) -> Option<(u64, u64, u64)> {
    let (range, total) = answer.header("Content-Range")?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse::<u64>().ok()?.checked_add(1)?, total.parse().ok()?))
}

/// The length of the file, if the answer says it.
fn total(answer: &Answer) -> Option<u64> {
    answer.header("Content-Range")?.rsplit_once('/')?.1.parse().ok()
}

fn version_of(answer: &Answer) -> Option<String> {
    answer.header("ETag").or_else(|| answer.header("Last-Modified")).map(str::to_owned)
}
