//! Objects in S3 and in servers that speak its protocol.
//!
//! `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` sign the requests; without them
//! none is signed, as public buckets want it. `AWS_REGION` or `AWS_DEFAULT_REGION` is the region,
//! `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` another server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};

use super::file::Place;
use super::transport::{Answer, Request, Transport};

/// How long a signed address is valid.
const VALID: Duration = Duration::from_secs(3600);
/// The most objects that are listed.
const OBJECTS: usize = 200_000;

/// A bucket, and who asks.
#[derive(Debug)]
pub struct Store {
    bucket: Bucket,
    credentials: Option<Credentials>,
}

impl Store {
    /// As the environment says.
    pub fn new(bucket: &str) -> anyhow::Result<Self> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let region = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"));
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let own = set("AWS_ENDPOINT_URL_S3").or_else(|| set("AWS_ENDPOINT_URL"));
        // The certificates of AWS hold for names without a dot.
        let style = match own.is_some() || bucket.contains('.') {
            true => UrlStyle::Path,
            false => UrlStyle::VirtualHost,
        };
        let endpoint = own.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let parsed = endpoint.parse().with_context(|| format!("AWS_ENDPOINT_URL={endpoint}"))?;
        let bucket = Bucket::new(parsed, style, bucket.to_owned(), region)
            .with_context(|| format!("the bucket {bucket:?} at {endpoint}"))?;
        Ok(Self { bucket, credentials: Credentials::from_env() })
    }

    /// The keys of the objects under a prefix.
    pub fn keys(&self, prefix: &str, transport: &Transport) -> anyhow::Result<Vec<String>> {
        let shown = format!("s3://{}/{prefix}", self.bucket.name());
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let mut list = ListObjectsV2::new(&self.bucket, self.credentials.as_ref());
            list.with_prefix(prefix);
            if let Some(token) = after.take() {
                list.with_continuation_token(token);
            }
            let request = request(list.sign(VALID).to_string());
            let refused =
                |answer: &Answer| format!("{}: {}", answer.status(), self.way_out(answer));
            let listed = transport.text(&request, refused);
            let text = listed.with_context(|| format!("cannot list {shown}"))?.0;
            let page = ListObjectsV2::parse_response(&text)
                .with_context(|| format!("cannot list {shown}: the answer is no list of S3"))?;
            keys.extend(page.contents.into_iter().map(|object| object.key));
            anyhow::ensure!(
                keys.len() <= OBJECTS,
                "more than {OBJECTS} objects lie under {shown}: give a longer prefix"
            );
            after = page.next_continuation_token;
            if after.is_none() {
                return Ok(keys);
            }
        }
    }

    fn way_out(&self, answer: &Answer) -> String {
        let region = answer.header("x-amz-bucket-region").map(str::to_owned);
        if let Some(region) = region.filter(|region| region != self.bucket.region()) {
            return format!("the bucket is in another region: set AWS_REGION={region}");
        }
        let keys = match self.credentials {
            Some(_) => {
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN do not open it"
            }
            None => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (aws configure \
                     export-credentials --format env prints them)"
            }
        };
        match answer.status.as_u16() {
            401 | 403 => keys.to_owned(),
            404 => "there is no such bucket or object: check the names".to_owned(),
            _ => "check the bucket, AWS_REGION and AWS_ENDPOINT_URL".to_owned(),
        }
    }
}

fn request(url: String) -> Request {
    // The signature holds for this address.
    Request { url, token: None, range: None, follow: false }
}

/// An object.
pub struct Object {
    pub store: Arc<Store>,
    pub key: String,
    pub shown: String,
}

impl Place for Object {
    fn shown(&self) -> &str {
        &self.shown
    }

    fn request(&self) -> Request {
        let get = self.store.bucket.get_object(self.store.credentials.as_ref(), &self.key);
        request(get.sign(VALID).to_string())
    }

    fn way_out(&self, answer: &Answer) -> String {
        self.store.way_out(answer)
    }
}

/// The bucket and the rest of an address.
pub fn parse(address: &str) -> io::Result<(&str, &str)> {
    let rest = address.strip_prefix("s3://").unwrap_or(address);
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    match bucket.is_empty() {
        true => Err(io::Error::other(format!("{address}: expected s3://BUCKET/PREFIX"))),
        false => Ok((bucket, prefix)),
    }
}
