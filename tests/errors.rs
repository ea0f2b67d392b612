//! Errors keep their sources: a full disk can be distinguished from a missing file.

use std::error::Error as _;
use std::io::ErrorKind;

use neuromfa::internals::record::inject;
use neuromfa::source::{CheckpointFile, Memory};
use neuromfa::{Error, Monitor, Replay, RuleState};

fn weights() -> Memory {
    let weights = Memory::new();
    let values: Vec<f32> = (0..32 * 32).map(|k| 0.01 + 0.001 * (k % 97) as f32).collect();
    weights.set("0.weight", &[32, 32], values).unwrap();
    weights
}

/// The system's refusal among an error and its sources.
fn refusal(error: &Error) -> Option<ErrorKind> {
    let mut sources = std::iter::successors(error.source(), |error| (*error).source());
    sources.find_map(|source| Some(source.downcast_ref::<std::io::Error>()?.kind()))
}

#[test]
fn a_folder_that_cannot_be_made() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Monitor::builder(file.path().join("run")).attach_source(weights()).unwrap_err();
    assert_eq!(refusal(&error), Some(ErrorKind::NotADirectory), "{error}");
}

#[test]
fn files_that_are_absent() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    let builder = || Monitor::builder(dir.path().join("run"));
    let attach = |builder: neuromfa::MonitorBuilder| builder.attach_source(weights()).unwrap_err();
    for error in [
        Error::from(CheckpointFile::open(&absent).unwrap_err()),
        attach(builder().nodes(&absent)),
        attach(builder().baseline(&absent)),
    ] {
        assert_eq!(refusal(&error), Some(ErrorKind::NotFound), "{error}");
    }
    let index = dir.path().join("model.safetensors.index.json");
    std::fs::write(&index, r#"{"weight_map": {"a": "model-1.safetensors"}}"#).unwrap();
    let error = Error::from(CheckpointFile::open(&index).unwrap_err());
    assert_eq!(refusal(&error), Some(ErrorKind::NotFound), "{error}");
    assert!(error.to_string().contains("(a shard of "), "{error}");
}

#[test]
fn what_no_system_refused_has_no_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let error = Replay::new(dir.path()).run(&[]).unwrap_err();
    assert!(refusal(&error).is_none() && error.source().is_some(), "{error}");
}

/// The disk is full when the recording thread writes.
#[test]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    inject(dir.path(), |call| match (call.what, call.name) {
        ("write", "metrics.csv") => Err(ErrorKind::StorageFull.into()),
        _ => Ok(usize::MAX),
    });
    let mut monitor = Monitor::builder(dir.path()).attach_source(weights()).unwrap();
    let _ = monitor.step(1, &[("loss", 1.0)]).unwrap();
    for error in [monitor.flush().unwrap_err(), monitor.finish().unwrap_err()] {
        assert!(matches!(error, Error::NotWritten { .. }), "{error}");
        assert_eq!(refusal(&error), Some(ErrorKind::StorageFull), "{error}");
    }
}

#[test]
fn what_crosses_threads_may() {
    fn sent<T: Send>() {}
    fn shared<T: Send + Sync + 'static>() {}
    sent::<Monitor>();
    sent::<neuromfa::Feed>();
    shared::<Error>();
    shared::<RuleState>();
}
