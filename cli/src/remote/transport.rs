//! Requests: several at once, each tried again, with limits of time.

use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{DecimalBytes, ProgressBar};
use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::{Agent, Body, ResponseExt};

/// The first pause before a request is made again; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Redirects that are followed.
const REDIRECTS: u32 = 10;

/// How requests are made.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many at once.
    pub connections: usize,
    /// How often one is made again.
    pub retries: u32,
    /// How long a server may send nothing.
    pub timeout: Duration,
}

/// Makes requests, and counts what comes.
#[derive(Debug)]
pub struct Transport {
    agent: Agent,
    limits: Limits,
    bytes: AtomicU64,
    requests: AtomicU64,
    bar: ProgressBar,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    pub url: String,
    /// The token, if one goes to this server.
    pub token: Option<String>,
    /// The first byte, and the one after the last.
    pub range: Option<(u64, u64)>,
    /// Whether redirects are followed.
    pub follow: bool,
}

/// What came of a request.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Where it came from in the end.
    pub url: String,
}

impl Answer {
    /// A header, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The number and the name of the status.
    pub fn status(&self) -> String {
        self.status.to_string()
    }
}

/// Why a request failed.
pub enum Failure {
    /// Another one may do better, not before this time.
    Passing(String, Option<Duration>),
    Final(String),
}

impl Transport {
    /// With these limits; the bar is drawn when bytes come.
    pub fn new(limits: Limits, bar: ProgressBar) -> Self {
        let timeout = Some(limits.timeout);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("neuromfa/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .max_redirects(REDIRECTS)
            .max_idle_connections(limits.connections)
            .max_idle_connections_per_host(limits.connections)
            .timeout_resolve(timeout)
            .timeout_connect(timeout)
            .timeout_recv_response(timeout)
            .timeout_per_read(timeout)
            // A body that drips is asked for again, from where it came to.
            .timeout_recv_body(timeout.map(|timeout| timeout * 20))
            .build();
        let [bytes, requests] = [0, 0].map(AtomicU64::new);
        Self { agent: agent.into(), limits, bytes, requests, bar }
    }

    /// Bytes that came, and requests that were made.
    pub fn counted(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }

    /// Makes a request once. `check` looks at the answer, and says how many bytes of it are wanted;
    /// these are added to `bytes` as they come.
    pub fn once(
        &self,
        request: &Request,
        bytes: &mut Vec<u8>,
        check: impl FnOnce(&Answer) -> Result<u64, Failure>,
    ) -> Result<Answer, Failure> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut call = self.agent.get(&request.url);
        if let Some((first, end)) = request.range {
            call = call.header("Range", format!("bytes={first}-{}", end.saturating_sub(1)));
        }
        if let Some(token) = &request.token {
            call = call.header("Authorization", format!("Bearer {token}"));
        }
        let redirects = if request.follow { REDIRECTS } else { 0 };
        let called = call.config().max_redirects(redirects).build().call();
        let response: Response<Body> = called.map_err(|error| failed(&error))?;
        let url = response.get_uri().to_string();
        let (parts, body) = response.into_parts();
        let answer = Answer { status: parts.status, headers: parts.headers, url };
        if passes(answer.status) {
            let seconds = answer.header("Retry-After").and_then(|text| text.parse().ok());
            return Err(Failure::Passing(answer.status(), seconds.map(Duration::from_secs)));
        }
        let wanted = check(&answer)?;
        let mut body = body.into_with_config().limit(u64::MAX).reader().take(wanted);
        let mut part = [0; 16 << 10];
        loop {
            match body.read(&mut part) {
                Ok(0) => return Ok(answer),
                Ok(n) => {
                    bytes.extend_from_slice(&part[..n]);
                    let all = self.bytes.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
                    self.bar.set_prefix(format!("{} read", DecimalBytes(all)));
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::Passing(error.to_string(), None)),
            }
        }
    }

    /// Calls until it succeeds, or fails for good; `attempt` says whether it came further than before.
    pub fn again<T>(
        &self,
        mut attempt: impl FnMut() -> (Result<T, Failure>, bool),
    ) -> io::Result<T> {
        let mut failures = 0;
        loop {
            let (result, further) = attempt();
            let (why, after) = match result {
                Ok(done) => return Ok(done),
                Err(Failure::Final(why)) => return Err(io::Error::other(why)),
                Err(Failure::Passing(why, after)) => (why, after),
            };
            failures = if further { 0 } else { failures + 1 };
            if failures > self.limits.retries {
                return Err(io::Error::other(format!(
                    "{why}, after {failures} attempts: try again later (analyze --resume goes on after \
                     the last row), with more --retries, or with fewer --connections than {}",
                    self.limits.connections
                )));
            }
            tracing::debug!("{why}; trying again");
            let pause = PAUSE.saturating_mul(1 << failures.min(16));
            std::thread::sleep(after.unwrap_or(pause).min(LONGEST_PAUSE));
        }
    }

    /// The complete answer to a request, as text, and its headers.
    pub fn text(
        &self,
        request: &Request,
        refused: impl Fn(&Answer) -> String,
    ) -> io::Result<(String, Answer)> {
        const LONGEST: u64 = 64 << 20;
        let (bytes, answer) = self.again(|| {
            let mut bytes = Vec::new();
            let check = |answer: &Answer| match answer.status.is_success() {
                true => Ok(LONGEST),
                false => Err(Failure::Final(refused(answer))),
            };
            let answer = self.once(request, &mut bytes, check);
            (answer.map(|answer| (bytes, answer)), false)
        })?;
        let text = String::from_utf8(bytes);
        Ok((text.map_err(|_| io::Error::other("the answer is no text"))?, answer))
    }

    /// Calls for each item, several at once; the results in order, or the first failure.
    pub fn each<T: Sync, R: Send>(
        &self,
        items: &[T],
        call: impl Fn(&T) -> io::Result<R> + Sync,
    ) -> io::Result<Vec<R>> {
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done = Mutex::new(Vec::with_capacity(items.len()));
        let work = || {
            while !stop.load(Ordering::Relaxed) {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at) else { return };
                let result = call(item);
                stop.fetch_or(result.is_err(), Ordering::Relaxed);
                if let Ok(mut done) = done.lock() {
                    done.push((at, result));
                }
            }
        };
        match items.len().min(self.limits.connections) {
            0 | 1 => work(),
            threads => std::thread::scope(|scope| {
                (0..threads).for_each(|_| drop(scope.spawn(work)));
            }),
        }
        let mut done = done.into_inner().unwrap_or_default();
        done.sort_by_key(|(at, result)| (result.is_ok(), *at));
        done.into_iter().map(|(_, result)| result).collect()
    }
}

/// Whether a server that answers so may answer otherwise soon.
fn passes(status: StatusCode) -> bool {
    status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

/// Why no answer came.
fn failed(error: &ureq::Error) -> Failure {
    use ureq::Error::{ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
    match error {
        Timeout(_) => {
            Failure::Passing("the server does not answer in time (--timeout)".into(), None)
        }
        HostNotFound => Failure::Passing(format!("{error} (check the address)"), None),
        Io(_) | ConnectionFailed | Protocol(_) => Failure::Passing(error.to_string(), None),
        _ => Failure::Final(error.to_string()),
    }
}
