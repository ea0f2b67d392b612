//! A server on this machine: it serves ranges, counts bytes, and misbehaves as a test says.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub query: String,
    pub range: Option<Range<usize>>,
    pub token: Option<String>,
    /// How often the same was asked for before.
    pub before: usize,
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Act {
    Serve,
    /// This many bytes come, then the connection ends.
    Cut(usize),
    /// Nothing comes.
    Stall,
    /// This status, with headers.
    Status(u16, Vec<(&'static str, String)>),
    /// All of the file, whatever the range.
    All,
    /// The range, with this header instead of the usual one.
    Header(&'static str, String),
    /// Another text, as it is.
    Text(String, Vec<(&'static str, String)>),
}

/// The bytes of a file.
pub enum Content {
    Bytes(Vec<u8>),
    /// These, then pseudo-random numbers, to this length.
    Made(Vec<u8>, usize),
}

impl Content {
    fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Made(_, length) => *length,
        }
    }

    pub fn bytes(&self, range: Range<usize>) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes[range].to_vec(),
            Self::Made(start, _) => {
                range.map(|at| *start.get(at).unwrap_or(&made(start.len(), at))).collect()
            }
        }
    }
}

/// A byte of a small number in f16, at an even place.
fn made(start: usize, at: usize) -> u8 {
    let hash =
        ((at - start.min(at)) as u64 / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    if (at - start).is_multiple_of(2) { hash as u8 } else { 0x20 | (hash >> 8) as u8 & 0x8f }
}

type Rule = dyn Fn(&Seen) -> Act + Send + Sync;

struct Shared {
    files: BTreeMap<String, Content>,
    rule: Box<Rule>,
    bytes: AtomicU64,
    seen: Mutex<Vec<Seen>>,
    counts: Mutex<HashMap<String, usize>>,
}

/// A server; it ends with the test.
pub struct Server {
    pub address: String,
    shared: Arc<Shared>,
}

impl Server {
    /// Serves these files.
    pub fn new(
        files: impl IntoIterator<Item = (String, Content)>,
        rule: impl Fn(&Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (rule, files) = (Box::new(rule) as Box<Rule>, files.into_iter().collect());
        let (bytes, seen, counts) = Default::default();
        let shared = Arc::new(Shared { files, rule, bytes, seen, counts });
        let of_all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&of_all);
                std::thread::spawn(move || shared.talk(stream));
            }
        });
        Self { address, shared }
    }

    /// Bytes of bodies that were sent.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::SeqCst)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Shared {
    fn talk(&self, stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some(seen) = self.request(&mut lines) {
            self.seen.lock().unwrap().push(seen.clone());
            let act = (self.rule)(&seen);
            if self.answer(&mut stream, &seen, act).is_none() {
                return;
            }
        }
    }

    fn request(&self, lines: &mut BufReader<TcpStream>) -> Option<Seen> {
        let mut first = String::new();
        lines.read_line(&mut first).ok().filter(|n| *n > 0)?;
        let target = first.split(' ').nth(1)?.to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (mut range, mut token) = (None, None);
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).ok().filter(|n| *n > 0)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "range" => {
                    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
                    range = Some(first.parse().ok()?..last.parse::<usize>().ok()? + 1);
                }
                "authorization" => token = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(format!("{target} {range:?}")).or_default();
        *count += 1;
        let (path, query, before) = (path.to_owned(), query.to_owned(), *count - 1);
        Some(Seen { path, query, range, token, before })
    }

    /// Answers; none if the connection ends.
    fn answer(&self, stream: &mut TcpStream, seen: &Seen, act: Act) -> Option<()> {
        let mut send = |status: u16, headers: &[(&str, String)], body: &[u8], length: usize| {
            let mut head = format!("HTTP/1.1 {status} S\r\nContent-Length: {length}\r\n");
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
            self.bytes.fetch_add(body.len() as u64, Ordering::SeqCst);
            stream.write_all(body).ok()?;
            (body.len() == length).then_some(())
        };
        match act {
            Act::Stall => {
                // Until the other side gives up.
                let _ = stream.read(&mut [0]);
                return None;
            }
            Act::Status(status, headers) => return send(status, &headers, b"", 0),
            Act::Text(text, headers) => return send(200, &headers, text.as_bytes(), text.len()),
            _ => {}
        }
        let Some(file) = self.files.get(&seen.path) else { return send(404, &[], b"", 0) };
        let length = file.length();
        let range = match (&seen.range, &act) {
            (Some(range), Act::Serve | Act::Cut(_) | Act::Header(..)) => range.clone(),
            _ => return send(200, &[], &file.bytes(0..length), length),
        };
        if range.start >= length {
            return send(416, &[("Content-Range", format!("bytes */{length}"))], b"", 0);
        }
        let range = range.start..range.end.min(length);
        let mut headers = vec![
            ("ETag", "\"one\"".to_owned()),
            ("Content-Range", format!("bytes {}-{}/{length}", range.start, range.end - 1)),
        ];
        let mut body = file.bytes(range.clone());
        match act {
            Act::Cut(at) => body.truncate(at),
            Act::Header(name, value) => {
                headers.retain(|(known, _)| *known != name);
                headers.push((name, value));
            }
            _ => {}
        }
        send(206, &headers, &body, range.len())
    }
}
