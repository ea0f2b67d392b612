//! Models on the Hugging Face Hub, and files on other web servers.
//!
//! `HF_ENDPOINT` names another hub; the token is that of `HF_TOKEN`, or of the file that `hf auth login`
//! writes (`HF_TOKEN_PATH`, `HF_HOME/token`). It is sent to the hub alone.

use std::io;
use std::path::PathBuf;

use serde_json::Value;

use super::file::Place;
use super::transport::{Answer, Request, Transport};

/// The hub, and who asks.
#[derive(Clone, Debug)]
pub struct Hub {
    endpoint: String,
    token: Option<String>,
}

/// A model, a revision of it, and a folder or file in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    pub id: String,
    pub revision: Option<String>,
    pub path: String,
}

impl Model {
    /// Reads `ORG/MODEL[@REVISION][/PATH]`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_end_matches('/').splitn(3, '/');
        let (org, name) = (parts.next()?, parts.next()?);
        let path = parts.next().unwrap_or_default().to_owned();
        let (name, revision) = match name.split_once('@') {
            Some((name, revision)) => (name, Some(revision.replace("%2F", "/"))),
            None => (name, None),
        };
        let named = !org.is_empty() && !name.is_empty() && revision.as_deref() != Some("");
        named.then(|| Self { id: format!("{org}/{name}"), revision, path })
    }
}

impl Hub {
    /// As the environment says.
    pub fn new() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let home = || {
            let cache = set("XDG_CACHE_HOME").map(PathBuf::from);
            let cache = cache.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")));
            set("HF_HOME").map(PathBuf::from).or_else(|| Some(cache?.join("huggingface")))
        };
        let of_file = || {
            let path = set("HF_TOKEN_PATH").map(PathBuf::from);
            let path = path.or_else(|| Some(home()?.join("token")))?;
            std::fs::read_to_string(path).ok()
        };
        let token = set("HF_TOKEN").or_else(of_file).map(|text| text.trim().to_owned());
        let token = token.filter(|token| !token.is_empty());
        Self { endpoint: endpoint.trim_end_matches('/').to_owned(), token }
    }

    /// The address of a revision, without a slash at its end.
    pub fn address(&self, model: &Model, revision: &str) -> String {
        format!("{}/{}/resolve/{}", self.endpoint, model.id, quoted(revision))
    }

    /// The files of a revision, by their paths.
    pub fn files(
        &self,
        model: &Model,
        revision: &str,
        transport: &Transport,
    ) -> io::Result<Vec<String>> {
        let rest = format!("tree/{}?recursive=true", quoted(revision));
        let mut next = Some(format!("{}/api/models/{}/{rest}", self.endpoint, model.id));
        let mut files = Vec::new();
        while let Some(url) = next {
            let what = format!("revision {revision:?} of {}", model.id);
            let (list, answer) = self.json(url, &what, transport)?;
            for entry in list.as_array().into_iter().flatten() {
                if let (Some("file"), Some(path)) = (entry["type"].as_str(), entry["path"].as_str())
                {
                    files.push(path.to_owned());
                }
            }
            next = answer.header("Link").and_then(next_page).map(str::to_owned);
        }
        Ok(files)
    }

    /// The names of a model's branches and tags.
    pub fn revisions(&self, model: &Model, transport: &Transport) -> io::Result<Vec<String>> {
        let url = format!("{}/api/models/{}/refs", self.endpoint, model.id);
        let (refs, _) = self.json(url, &model.id, transport)?;
        let of = |kind: &str| refs[kind].as_array().cloned().unwrap_or_default();
        let names = of("branches").into_iter().chain(of("tags"));
        Ok(names.filter_map(|entry| Some(entry["name"].as_str()?.to_owned())).collect())
    }

    fn json(&self, url: String, what: &str, transport: &Transport) -> io::Result<(Value, Answer)> {
        let place = Web { url: url.clone(), shown: url.clone(), hub: self.clone() };
        let refused = |answer: &Answer| format!("{}: {}", answer.status(), place.way_out(answer));
        let failed = |e: io::Error| io::Error::other(format!("cannot list {what} at {url}: {e}"));
        let (text, answer) = transport.text(&place.request(), refused).map_err(failed)?;
        let json = serde_json::from_str(&text).map_err(|e| failed(io::Error::other(e)))?;
        Ok((json, answer))
    }
}

/// A file on the hub, or on another web server.
pub struct Web {
    pub url: String,
    pub shown: String,
    pub hub: Hub,
}

impl Web {
    fn is_of_hub(&self) -> bool {
        let rest = self.url.strip_prefix(&self.hub.endpoint);
        rest.is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Place for Web {
    fn shown(&self) -> &str {
        &self.shown
    }

    fn request(&self) -> Request {
        let token = self.hub.token.clone().filter(|_| self.is_of_hub());
        Request { url: self.url.clone(), token, range: None, follow: true }
    }

    fn way_out(&self, answer: &Answer) -> String {
        let token = match self.hub.token {
            Some(_) => "the token (HF_TOKEN, or of hf auth login) is not valid for it",
            None => "it wants a token: set HF_TOKEN, or run hf auth login",
        };
        match (answer.status.as_u16(), self.is_of_hub()) {
            (401, true) => format!("{token}; or there is no such model"),
            (403, true) => {
                format!("{token}, or the model's terms are not accepted yet on its page")
            }
            (404, true) => "there is no such model, revision or file: check the names".to_owned(),
            (401 | 403, false) => "the server does not give it: check the address, which may have \
                                   expired, or download the file"
                .to_owned(),
            (404 | 410, false) => "there is no such file: check the address".to_owned(),
            _ => "the server does not give it: check the address".to_owned(),
        }
    }
}

/// A part of an address.
pub fn quoted(text: &str) -> String {
    let quoted = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(quoted).collect()
}

/// The address of the next page of a list.
fn next_page(link: &str) -> Option<&str> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    Some(next.trim().strip_prefix('<')?.split_once('>')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_models() {
        let parsed =
            |text: &str| Model::parse(text).map(|m| (m.id, m.revision.unwrap_or_default(), m.path));
        let expect = |id: &str, revision: &str, path: &str| {
            Some((id.to_owned(), revision.to_owned(), path.to_owned()))
        };
        assert_eq!(parsed("a/b"), expect("a/b", "", ""));
        assert_eq!(parsed("a/b@step1/"), expect("a/b", "step1", ""));
        assert_eq!(parsed("a/b@refs%2Fpr%2F1/sub/x.pt"), expect("a/b", "refs/pr/1", "sub/x.pt"));
        assert_eq!(
            [parsed("a"), parsed("/b"), parsed("a/"), parsed("a/b@")],
            [None, None, None, None]
        );
        assert_eq!(quoted("refs/pr/1 a~"), "refs%2Fpr%2F1%20a~");
        let link = "<https://h/x?cursor=a>; rel=\"next\"";
        assert_eq!(next_page(link), Some("https://h/x?cursor=a"));
        assert_eq!(next_page("<https://h/x>; rel=\"last\""), None);
    }
}
