//! Checkpoints on other machines: the same numbers as of this one, few bytes, and a clear line where a
//! server fails.
#![cfg(feature = "remote")]

#[path = "remote/server.rs"]
mod server;

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use neuromfa::internals::record::read_table;
use neuromfa::source::{Memory, save};
use serde_json::json;
use server::{Act, Content, Seen, Server};

const STEPS: [u64; 3] = [0, 64, 300];

fn data(step: u64) -> PathBuf {
    let name = format!("../tests/data/neox-step{step}.safetensors");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The checkpoints of the tests' data, under these paths.
fn files(path: impl Fn(u64) -> String) -> Vec<(String, Content)> {
    let file = |step| (path(step), Content::Bytes(std::fs::read(data(step)).unwrap()));
    STEPS.into_iter().map(file).collect()
}

/// A command in an environment without tokens of this machine.
fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuromfa"));
    for name in ["HF_TOKEN", "HF_HOME", "HF_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_REGION"] {
        command.env_remove(name);
    }
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent").env("XDG_CACHE_HOME", "/nonexistent");
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The columns and the rows of a table.
type Table = (Vec<String>, Vec<Vec<String>>);

/// The tables of a run, times aside.
fn tables(run: &Path) -> Vec<Table> {
    let table = |name: &str| {
        let (columns, mut rows) = read_table(&run.join(name)).unwrap();
        let is_time = |name: &String| name.ends_with("_ms") || name == "wall_time";
        for row in &mut rows {
            let kept = row.iter().zip(&columns).filter(|(_, name)| !is_time(name));
            *row = kept.map(|(value, _)| value.clone()).collect();
        }
        (columns, rows)
    };
    ["emergence.csv", "layers.csv"].map(table).to_vec()
}

/// The tables of an analysis of these addresses, and its warnings; it succeeds.
fn analysed(
    addresses: &[&str],
    options: &[&str],
    environment: &[(&str, &str)],
) -> (Vec<Table>, String) {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let all = [&["analyze"], addresses, &["--out", run.to_str().unwrap()], options].concat();
    let output = command(&all, environment);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    (tables(&run), said(&output))
}

fn local_of(path: &Path) -> (Vec<Table>, String) {
    analysed(&[path.to_str().unwrap()], &[], &[])
}

fn local(options: &[&str]) -> (Vec<Table>, String) {
    let paths = STEPS.map(data);
    analysed(&paths.each_ref().map(|path| path.to_str().unwrap()), options, &[])
}

/// The message of an analysis that fails.
fn refusal(server: &Server, options: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("{}/step0.safetensors", server.address);
    let run = dir.path().join("run");
    let all = [&["analyze", &url, "--out", run.to_str().unwrap()], options].concat();
    let output = command(&all, &[]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(&url), "the address: {said}");
    said
}

fn one(rule: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Server {
    Server::new(files(|step| format!("/step{step}.safetensors")), rule)
}

#[test]
fn a_web_server_gives_the_numbers_of_this_machine() {
    let server = one(|_| Act::Serve);
    let urls = STEPS.map(|step| format!("{}/step{step}.safetensors", server.address));
    let urls = urls.each_ref().map(String::as_str);
    let whole = local(&[]);
    assert_eq!(analysed(&urls, &[], &[("HF_TOKEN", "hf_secret")]), whole);
    assert!(server.seen().iter().all(|seen| seen.token.is_none()), "the token is the hub's");
    let pattern = format!("{}/step{{step}}.safetensors", server.address);
    let options = ["--steps", "0,64,300", "--connections", "1", "--gap", "0"];
    assert_eq!(analysed(&[&pattern], &options, &[]), whole);
    let drawn = ["--drawn-only", "--neurons", "8", "--samples", "2"];
    let (here, before) = (local(&drawn), server.bytes());
    for more in [&["--connections", "1", "--gap", "0"][..], &["--connections", "13"]] {
        assert_eq!(analysed(&urls, &[&drawn, more].concat(), &[]), here);
    }
    assert!(server.bytes() - before < 2 * 3 * 487_320, "not all is read");
}

#[test]
fn what_fails_for_a_while_is_tried_again_and_goes_on_where_it_was_cut() {
    let count = AtomicUsize::new(0);
    let server = one(move |seen| {
        let range = seen.range.clone().unwrap();
        match count.fetch_add(usize::from(seen.before == 0), Ordering::Relaxed) {
            _ if seen.before > 0 => Act::Serve,
            0 => Act::Status(503, vec![("Retry-After", "0".to_owned())]),
            5 => Act::Stall,
            k if k % 9 == 0 => Act::Status(500, vec![]),
            k if k % 4 == 1 && range.len() > 2000 => Act::Cut(1000),
            _ => Act::Serve,
        }
    });
    let pattern = format!("{}/step{{step}}.safetensors", server.address);
    let options = ["--steps", "0,64,300", "--timeout", "1"];
    assert_eq!(analysed(&[&pattern], &options, &[]), local(&[]));
    let seen = server.seen();
    let of = |s: &Seen| (s.path.clone(), s.range.clone().unwrap());
    let all: HashSet<_> = seen.iter().map(of).collect();
    let rest = |(path, range): &(String, Range<usize>)| {
        range.start >= 1000 && all.contains(&(path.clone(), range.start - 1000..range.end))
    };
    assert!(all.iter().any(rest), "what is missing of a range is asked for: {seen:?}");
}

#[test]
fn every_format_that_has_a_directory_is_read_in_parts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data");
    let names =
        ["mlp.bin", "mlp.ot", "mlp-lightning.ckpt", "mlp-module.pt", "odd.pt", "mlp-legacy.pth"];
    let content = |name: &str| Content::Bytes(std::fs::read(folder.join(name)).unwrap());
    let index = json!({"weight_map": {"0.weight": "mlp.bin", "2.weight": "mlp.bin"}}).to_string();
    let mut files: Vec<_> = names.iter().map(|name| (format!("/{name}"), content(name))).collect();
    // The step is a tensor of one element, far behind the header.
    let dir = tempfile::tempdir().unwrap();
    let (weights, path) = (Memory::new(), dir.path().join("with.safetensors"));
    for (name, shape) in [("0.weight", [160, 150]), ("2.weight", [90, 160])] {
        let values = (0..shape[0] * shape[1]).map(|k| ((k * 7919 % 2003) as f64).sin());
        weights.set(name, &shape, values.collect::<Vec<f64>>()).unwrap();
    }
    weights.set("global_step", &[1], vec![77.0f32]).unwrap();
    save(&path, &weights, &["0.weight", "2.weight", "global_step"]).unwrap();
    files.push(("/with.safetensors".to_owned(), Content::Bytes(std::fs::read(&path).unwrap())));
    let shards = [("/x.index.json".to_owned(), Content::Bytes(index.into_bytes()))];
    let server = Server::new(files.into_iter().chain(shards), |_| Act::Serve);
    let url = |name: &str| format!("{}/{name}", server.address);
    for name in &names[..5] {
        let here = local_of(&folder.join(name));
        let there = analysed(&[&url(name)], &[], &[]);
        assert_eq!(there.0, here.0, "{name}");
    }
    let (here, there) = (local_of(&path), analysed(&[&url("with.safetensors")], &[], &[]));
    assert_eq!((there.0[0].1[0][0].as_str(), &there.0), ("77", &here.0));
    let signed = url("mlp.bin?signature=//secret");
    let shown = command(&["inspect", &signed], &[]);
    assert_eq!(shown.status.code(), Some(0), "{}", said(&shown));
    let signature = |seen: &Seen| seen.query == "signature=//secret";
    assert!(server.seen().iter().any(signature));
    let absent = command(&["inspect", &url("absent.bin?signature=secret")], &[]);
    assert!(
        !said(&absent).contains("secret") && said(&absent).contains("404"),
        "{}",
        said(&absent)
    );
    let shown = command(&["inspect", &url("mlp-legacy.pth")], &[]);
    assert!(said(&shown).contains("before 1.6"), "{}", said(&shown));
    let shown = command(&["inspect", &url("x.index.json")], &[]);
    assert!(said(&shown).contains("lacks tensor"), "{}", said(&shown));
}

/// The share of a GPT-NeoX in f16 that an analysis reads, counted by the server.
fn share_of_drawn(width: usize, layers: usize, vocabulary: usize, options: &[&str]) -> f64 {
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    let mut add = |name: String, shape: [usize; 2]| {
        let start = end;
        end += 2 * shape[0] * shape[1];
        let info = json!({"dtype": "F16", "shape": shape, "data_offsets": [start, end]});
        header.insert(name, info);
    };
    add("gpt_neox.embed_in.weight".to_owned(), [vocabulary, width]);
    for k in 0..layers {
        for (name, shape) in [
            ("attention.query_key_value", [3 * width, width]),
            ("attention.dense", [width, width]),
            ("mlp.dense_h_to_4h", [4 * width, width]),
            ("mlp.dense_4h_to_h", [width, 4 * width]),
        ] {
            add(format!("gpt_neox.layers.{k}.{name}.weight"), shape);
        }
    }
    add("embed_out.weight".to_owned(), [vocabulary, width]);
    let header = serde_json::to_vec(&header).unwrap();
    let start = [&(header.len() as u64).to_le_bytes()[..], &header].concat();
    let length = start.len() + end;
    let name = "/model-step7.safetensors".to_owned();
    let server = Server::new([(name.clone(), Content::Made(start, length))], |_| Act::Serve);
    let url = server.address.clone() + &name;
    analysed(&[&url], options, &[]);
    server.bytes() as f64 / length as f64
}

#[test]
fn drawn_neurons_take_few_bytes() {
    // Pythia-160M, every length a fourth: its first 64 KB are read as well.
    let share = |options: &[&str]| {
        let all = [&["--drawn-only", "--neurons", "16"], options].concat();
        share_of_drawn(768 / 4, 12, 50_304 / 4, &all)
    };
    let few = share(&["--samples", "2", "--gap", "1024"]);
    assert!(few < 0.1, "{few}");
    let all = share(&["--gap", "1024", "--connections", "3"]);
    assert!((0.2..0.4).contains(&all), "{all}");
}

/// For a look at the figures: `--run-ignored all --no-capture`.
#[test]
#[ignore = "reads 300 MB"]
fn pythia_160m_takes_few_bytes() {
    for samples in ["1", "2", "3", "10"] {
        for gap in ["1024", "4096", "65536"] {
            let options = ["--drawn-only", "--samples", samples, "--gap", gap];
            println!(
                "{samples} samples, gap {gap}: {:.4}",
                share_of_drawn(768, 12, 50_304, &options)
            );
        }
    }
    println!("all: {:.4}", share_of_drawn(768, 12, 50_304, &[]));
}

#[test]
fn what_fails_for_good_is_one_line_with_the_way_out() {
    let all_but_first = |act: Act| {
        one(move |seen| match seen.range.as_ref().is_some_and(|r| r.start == 0) {
            true => Act::Serve,
            false => act.clone(),
        })
    };
    for (server, words) in [
        (one(|_| Act::Status(403, vec![])), &["403", "check the address"][..]),
        (one(|_| Act::Status(404, vec![])), &["404", "there is no such file"]),
        (one(|_| Act::All), &["ignores ranges (200", "download the file"]),
        (all_but_first(Act::All), &["ignores ranges (200", "download the file"]),
        (all_but_first(Act::Status(403, vec![])), &["403", "check the address"]),
        (
            all_but_first(Act::Header("ETag", "\"two\"".into())),
            &["was changed while it was read", "\"one\"", "\"two\"", "--resume"],
        ),
        (
            all_but_first(Act::Header("Content-Range", "bytes 0-9/487320".into())),
            &["answers bytes=", "bytes 0-9/487320", "download the file"],
        ),
        (
            all_but_first(Act::Header("Content-Range", "bytes 0-9/5".into())),
            &["was changed while it was read", "487320 bytes before", "5 now"],
        ),
        (
            one(|_| Act::Header("Content-Range", "bytes 0-65535/400000".into())),
            &["487320 bytes", "400000", "cut short"],
        ),
        (one(|_| Act::Status(500, vec![])), &["500", "3 attempts", "--resume", "--retries"]),
        (one(|_| Act::Cut(10)), &["3 attempts", "--retries"]),
    ] {
        let said = refusal(&server, &["--retries", "2", "--timeout", "5"]);
        words.iter().for_each(|word| assert!(said.contains(word), "{word:?}: {said}"));
    }
    let server = one(|_| Act::Stall);
    let said = refusal(&server, &["--retries", "0", "--timeout", "1"]);
    assert!(said.contains("does not answer in time (--timeout)"), "{said}");
}

#[test]
fn a_run_that_a_server_interrupted_is_resumed_and_equal() {
    let server = one(|seen| match seen.path.contains("300") {
        true if seen.before < 1 => Act::Status(500, vec![]),
        _ => Act::Serve,
    });
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let pattern = format!("{}/step{{step}}.safetensors", server.address);
    let all = ["analyze", &pattern, "--steps", "0,64,300", "--out", run.to_str().unwrap()];
    let output = command(&[&all[..], &["--retries", "0"]].concat(), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let output = command(&[&all[..], &["--resume"]].concat(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(tables(&run), local(&[]).0);
}

#[test]
fn a_cache_is_read_the_next_time_and_never_of_another_version() {
    let etag = std::sync::Arc::new(std::sync::Mutex::new("\"one\""));
    let now = std::sync::Arc::clone(&etag);
    let server = one(move |_| Act::Header("ETag", (*now.lock().unwrap()).to_owned()));
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let pattern = format!("{}/step{{step}}.safetensors", server.address);
    let options = ["--steps", "0,64,300", "--cache", cache.to_str().unwrap()];
    let expected = local(&[]);
    let read = || {
        let before = server.bytes();
        assert_eq!(analysed(&[&pattern], &options, &[]), expected);
        server.bytes() - before
    };
    let (first, again) = (read(), read());
    assert!(first > 3 * 300_000, "{first}");
    assert!(again <= 3 * 65_536, "only the first bytes, which say the version: {again}");
    *etag.lock().unwrap() = "\"two\"";
    assert_eq!(read(), first);
}

fn listing(files: &[&str]) -> String {
    let file = |path: &&str| json!({"type": "file", "path": path, "size": 1});
    serde_json::Value::from(files.iter().map(file).collect::<Vec<_>>()).to_string()
}

#[test]
fn revisions_of_a_hub_are_read_and_the_token_stays_with_it() {
    let cdn = Server::new(files(|step| format!("/cdn/{step}")), |_| Act::Serve);
    let at = cdn.address.replace("127.0.0.1", "localhost");
    let hub = Server::new([], move |seen| {
        let revision = seen.path.rsplit("/step").next().unwrap();
        let step = revision.split('/').next().unwrap().to_owned();
        if seen.token.as_deref() != Some("Bearer hf_secret") {
            return Act::Status(401, vec![]);
        }
        match &*seen.path {
            "/api/models/org/model/refs" => Act::Text(
                json!({"branches": [{"name": "main"}, {"name": "step0"}, {"name": "step64"}],
                    "tags": [{"name": "step300"}]})
                .to_string(),
                vec![],
            ),
            path if path.starts_with("/api/models/org/model/tree/")
                && step.parse::<u64>().is_ok() =>
            {
                Act::Text(listing(&["config.json", "model.safetensors", "optimizer.bin"]), vec![])
            }
            path if path.starts_with("/org/model/resolve/") && step.parse::<u64>().is_ok() => {
                Act::Status(302, vec![("Location", format!("{at}/cdn/{step}"))])
            }
            _ => Act::Status(404, vec![]),
        }
    });
    let environment = [("HF_ENDPOINT", &*hub.address), ("HF_TOKEN", "hf_secret")];
    let model = ["hf://org/model"];
    let expected = local(&[]);
    assert_eq!(analysed(&model, &["--revisions", "step0,step64,step300"], &environment), expected);
    assert_eq!(analysed(&model, &["--revisions", "step*"], &environment), expected);
    assert!(cdn.seen().len() > 6 && cdn.seen().iter().all(|seen| seen.token.is_none()));
    let redirected = hub.seen().iter().filter(|s| s.path.contains("/resolve/")).count();
    assert_eq!(redirected, 6, "the address of a redirect is kept");

    let shown = command(&["inspect", "hf://org/model@step64"], &environment);
    assert_eq!(shown.status.code(), Some(0), "{}", said(&shown));
    let here = command(&["inspect", data(64).to_str().unwrap()], &[]);
    assert_eq!(shown.stdout, here.stdout);

    let of_file = ["inspect", "hf://org/model@step64/model.safetensors"];
    assert_eq!(command(&of_file, &environment).stdout, here.stdout);

    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let fails = |arguments: &[&str], token: &str, words: &[&str]| {
        let environment = [("HF_ENDPOINT", &*hub.address), ("HF_TOKEN", token)];
        let all = [&["analyze", "--out", out.to_str().unwrap()], arguments].concat();
        let output = command(&all, &environment);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        words.iter().for_each(|word| assert!(said.contains(word), "{word:?}: {said}"));
    };
    let step5000 = ["hf://org/model", "--revisions", "step0,stepx"];
    fails(&step5000, "hf_secret", &["\"stepx\"", "404", "no such model, revision or file"]);
    fails(&["hf://org/model@step0"], "", &["401", "set HF_TOKEN"]);
    fails(&["hf://org/model@step0"], "old", &["401", "the token (HF_TOKEN", "not valid"]);
    fails(&["hf://org", "--revisions", "a"], "", &["expected hf://ORG/MODEL"]);
    fails(&[data(0).to_str().unwrap(), "--revisions", "a"], "", &["--revisions", "hf://"]);
}

#[test]
fn a_prefix_in_s3_is_listed_and_each_request_signed() {
    let objects = files(|step| format!("/bucket/run/checkpoint-{step}/model.safetensors"));
    let server = Server::new(objects, |seen| {
        if !seen.query.contains("X-Amz-Signature=") {
            return Act::Status(403, vec![]);
        }
        if seen.path != "/bucket/" {
            return Act::Serve;
        }
        let keys = |keys: &[&str], next: &str| {
            let key =
                |key: &&str| format!("<Contents><Key>run/{key}</Key><Size>1</Size></Contents>");
            let keys: String = keys.iter().map(key).collect();
            let xml = "http://s3.amazonaws.com/doc/2006-03-01/";
            Act::Text(
                format!("<ListBucketResult xmlns=\"{xml}\">{keys}{next}</ListBucketResult>"),
                vec![],
            )
        };
        match seen.query.contains("continuation-token=more") {
            true => {
                keys(&["checkpoint-64/model.safetensors", "checkpoint-300/model.safetensors"], "")
            }
            false => keys(
                &["checkpoint-0/model.safetensors", "checkpoint-0/optimizer.pt", "log.txt"],
                "<NextContinuationToken>more</NextContinuationToken>\
                 <IsTruncated>true</IsTruncated>",
            ),
        }
    });
    let environment = [
        ("AWS_ENDPOINT_URL", &*server.address),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    assert_eq!(analysed(&["s3://bucket/run"], &[], &environment), local(&[]));
    assert_eq!(
        analysed(&["s3://bucket/run/"], &["--step-pattern", "([0-9]+)$"], &environment),
        local(&[])
    );

    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    for (address, keys, words) in [
        (
            "s3://bucket/run",
            &environment[..1],
            &["s3://bucket/run", "403", "set AWS_ACCESS_KEY_ID"][..],
        ),
        ("s3://bucket/other", &environment, &["s3://bucket/other", "no object"]),
        ("s3://", &environment, &["s3://BUCKET/PREFIX"]),
    ] {
        let output = command(&["analyze", address, "--out", out.to_str().unwrap()], keys);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        words.iter().for_each(|word| assert!(said.contains(word), "{word:?}: {said}"));
    }
}
