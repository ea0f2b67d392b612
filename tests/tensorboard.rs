//! TensorBoard's files of a run, read back.

mod loops;

use std::path::{Path, PathBuf};
use std::process::Command;

use loops::interrupted::{builder, complete, run_to};
use loops::skipped::skip;
use loops::{Table, weights_at};
use neuromfa::Monitor;
use neuromfa::internals::record::{TENSORBOARD, computed_quantities};
use serde_json::Value;

/// The event files, in the order in which they are read.
fn event_files(run: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(run.join(TENSORBOARD)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// CRC-32C bit by bit, masked.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The data of each complete frame; every checksum is checked.
fn frames(file: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(file).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut at, mut frames) = (0, Vec::new());
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        assert_eq!(checksum(&bytes[at..at + 8]), number(at + 8));
        let data = &bytes[at + 12..at + 12 + length];
        assert_eq!(checksum(data), number(at + 12 + length));
        frames.push(data.to_vec());
        at += 12 + length + 4;
    }
    frames
}

/// The first value of a field of a message, as its bytes; a varint as eight.
fn field(message: &[u8], wanted: u64) -> Option<Vec<u8>> {
    let mut at = 0;
    let varint = |at: &mut usize| {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = message[*at];
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    };
    while at < message.len() {
        let key = varint(&mut at);
        let value = match key & 7 {
            0 => varint(&mut at).to_le_bytes().to_vec(),
            kind => {
                let length = match kind {
                    1 => 8,
                    5 => 4,
                    2 => varint(&mut at) as usize,
                    _ => panic!("kind {kind}"),
                };
                at += length;
                message[at - length..at].to_vec()
            }
        };
        if key >> 3 == wanted {
            return Some(value);
        }
    }
    None
}

fn step_of(event: &[u8]) -> u64 {
    field(event, 2).map_or(0, |step| u64::from_le_bytes(step.try_into().unwrap()))
}

#[test]
fn frames_hold_the_version_then_steps_in_order() {
    let dir = tempfile::tempdir().unwrap();
    complete(builder(dir.path()), 9);
    let files = event_files(dir.path());
    assert_eq!(files.len(), 1);
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("events.out.tfevents.") && name.ends_with(".neuromfa.0000"), "{name}");
    let events = frames(&files[0]);
    assert_eq!(field(&events[0], 3).unwrap(), b"brain.Event:2");
    // Step 0 is measured; then each step is logged, and each third is measured after it.
    // At the end there is the verdict. Before all, the charts of several series.
    let steps: Vec<u64> = events[2..].iter().map(|event| step_of(event)).collect();
    assert_eq!(steps, [0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 9]);
    let value = |event: &[u8]| field(&field(event, 5).unwrap(), 1).unwrap();
    assert_eq!(field(&value(&events[1]), 1).unwrap(), b"custom_scalars__config__");
    assert_eq!(field(&value(events.last().unwrap()), 1).unwrap(), b"verdict");
    let first = value(&events[3]);
    assert_eq!(field(&first, 1).unwrap(), b"3_train/loss");
    assert_eq!(field(&first, 2).unwrap(), 1f32.to_le_bytes());
}

#[test]
fn the_bytes_of_an_event() {
    let dir = tempfile::tempdir().unwrap();
    complete(builder(dir.path()), 2);
    let event = &frames(&event_files(dir.path())[0])[4];
    // wall_time (field 1), step 2 (field 2), a summary (field 5) of one value (1): its tag (1), a
    // float (2).
    let after_time =
        [&[0x10, 2, 0x2a, 21, 0x0a, 19, 0x0a, 12][..], b"3_train/loss", &[0x15, 0, 0, 0, 0x3f]];
    assert_eq!(event[0], 0x09);
    assert_eq!(event[9..], after_time.concat());
}

#[test]
fn it_can_be_left_out_and_goes_with_its_run() {
    let dir = tempfile::tempdir().unwrap();
    complete(builder(dir.path()), 6);
    let foreign = dir.path().join(TENSORBOARD).join("events.out.tfevents.1700000000.host.1.0");
    std::fs::write(&foreign, "another program's").unwrap();
    complete(builder(dir.path()).without_tensorboard().overwrite(), 6);
    assert_eq!(event_files(dir.path()), [foreign]);
    let other = tempfile::tempdir().unwrap();
    complete(builder(other.path()).without_tensorboard(), 6);
    assert!(!other.path().join(TENSORBOARD).exists());
}

#[test]
fn without_the_folder_the_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let whole = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(TENSORBOARD), "a file instead of the folder").unwrap();
    complete(builder(dir.path()), 6);
    complete(builder(whole.path()), 6);
    let e = |run: &Path| Table::read(run, "emergence.csv").column("E");
    assert_eq!(e(dir.path()), e(whole.path()));
}

/// What TensorBoard itself reads: for each tag of a scalar its steps and values, for each tag of a
/// histogram its steps and counts. None, with a message, where it is not installed.
fn read_by_tensorboard(run: &Path) -> Option<Value> {
    const PROGRAM: &str = r#"
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0})
events.Reload()

def charts(events):
    """What the plugin Custom Scalars reads of the newest file that has a layout."""
    from tensorboard.plugins.custom_scalar import layout_pb2
    text = events.Tensors("custom_scalars__config__")[-1].tensor_proto.string_val[0]
    layout = layout_pb2.Layout.FromString(text)
    return {c.title: {chart.title: list(chart.multiline.tag) for chart in c.chart} for c in layout.category}

tags = events.Tags()
json.dump({
    "scalars": {t: [[e.step, e.value if e.value == e.value else None] for e in events.Scalars(t)] for t in tags["scalars"]},
    "histograms": {t: [[e.step, e.histogram_value.num, sum(e.histogram_value.bucket)]
                       for e in events.Histograms(t)] for t in tags["histograms"]},
    "texts": {t: [[e.step, e.tensor_proto.string_val[0].decode()] for e in events.Tensors(t)]
              for t in tags["tensors"] if t != "custom_scalars__config__"},
    "charts": charts(events),
}, sys.stdout)
"#;
    let python = std::env::var("NEUROMFA_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import tensorboard"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        skip(&format!("{python} has no tensorboard; NEUROMFA_PYTHON names another python"));
        return None;
    }
    let folder = run.join(TENSORBOARD);
    let output = Command::new(&python).args(["-c", PROGRAM]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The steps of a column's values, and the values as f32.
fn column(run: &Path, file: &str, name: &str) -> Vec<(u64, f32)> {
    let table = Table::read(run, file);
    let cells = table.column("step").into_iter().zip(table.column(name));
    let present = cells.filter(|(_, cell)| !cell.is_empty() && cell != "NaN");
    present.map(|(s, c)| (s.parse().unwrap(), c.parse::<f64>().unwrap() as f32)).collect()
}

fn points(events: &Value) -> Vec<(u64, f32)> {
    let point = |p: &Value| Some((p[0].as_u64().unwrap(), p[1].as_f64()? as f32));
    // A NaN is null here.
    events.as_array().into_iter().flatten().filter_map(point).filter(|p| !p.1.is_nan()).collect()
}

fn assert_shown(run: &Path, shown: &Value) {
    for name in computed_quantities() {
        let expected = column(run, "emergence.csv", name);
        let tags = shown["scalars"].as_object().unwrap().keys();
        let mut named = tags.filter(|tag| tag.split_once('/').is_some_and(|(_, of)| of == name));
        let tag = named.next().map_or("none", String::as_str);
        assert_eq!(points(&shown["scalars"][tag]), expected, "{name}");
    }
    assert_eq!(
        points(&shown["scalars"]["3_train/loss"]),
        column(run, "metrics.csv", "loss"),
        "3_train/loss"
    );
    let layers = Table::read(run, "layers.csv");
    let of_layer: Vec<(u64, f32)> = layers
        .rows
        .iter()
        .enumerate()
        .filter(|(k, _)| layers.column("part")[*k] == "layer.1")
        .map(|(k, _)| (layers.number("step", k) as u64, layers.number("E_stable", k) as f32))
        .collect();
    assert_eq!(points(&shown["scalars"]["6_layers/E_stable/layer.1"]), of_layer);
    let distributions = Table::read(run, "distributions.csv");
    let [steps, parts, quantities, neurons] =
        ["step", "part", "quantity", "neurons"].map(|name| distributions.column(name));
    for histogram in ["degree/all", "dimension/layer.0"] {
        let (quantity, part) = histogram.split_once('/').unwrap();
        let events = shown["histograms"][histogram].as_array().unwrap();
        assert!(!events.is_empty(), "{histogram}");
        for event in events {
            let of_step = |k: &usize| {
                steps[*k].parse() == Ok(event[0].as_u64().unwrap())
                    && parts[*k] == part
                    && quantities[*k] == quantity
            };
            let rows = (0..steps.len()).filter(of_step);
            let count: f64 = rows.map(|k| neurons[k].parse::<f64>().unwrap()).sum();
            assert!(count > 0.0);
            assert_eq!([&event[1], &event[2]].map(|n| n.as_f64().unwrap()), [count; 2]);
        }
    }
}

#[test]
fn tensorboard_reads_the_numbers_of_the_rows() {
    let dir = tempfile::tempdir().unwrap();
    complete(builder(dir.path()), 30);
    let Some(shown) = read_by_tensorboard(dir.path()) else { return };
    assert_shown(dir.path(), &shown);
    assert!(points(&shown["scalars"]["2_E/E_stable"]).len() == 11);
    let verdict = &shown["texts"]["verdict"][0];
    assert_eq!(verdict[0], 30);
    assert!(verdict[1].as_str().unwrap().starts_with("structure: "), "{verdict}");
    let warnings = shown["texts"]["warnings"].as_array().unwrap();
    assert!(warnings[0][1].as_str().unwrap().starts_with("- **"), "{warnings:?}");
    let charts = shown["charts"].as_object().unwrap();
    let e = &charts["E and its controls"]["E, published"];
    assert_eq!(*e, serde_json::json!(["2_E/E$", "2_E/E_shuffled$"]));
    let mut titles = charts.keys().map(String::as_str).collect::<Vec<_>>();
    titles.sort_unstable();
    assert_eq!(titles, ["E and its controls", "Structure", "Training"]);
}

#[test]
fn tensorboard_forgets_what_a_resume_drops_and_a_record_cut_short() {
    let dir = tempfile::tempdir().unwrap();
    complete(builder(dir.path()), 30);
    let first = &event_files(dir.path())[0];
    let bytes = std::fs::read(first).unwrap();
    std::fs::write(first, &bytes[..bytes.len() - 7]).unwrap();
    let weights = weights_at(0);
    let resumed: Monitor = builder(dir.path())
        .resume_at(13)
        .attach_source(weights.clone())
        .map(|mut monitor| {
            run_to(&mut monitor, &weights, 24);
            monitor
        })
        .unwrap();
    resumed.finish().unwrap();
    let files = event_files(dir.path());
    assert_eq!(files.len(), 2);
    let start = &frames(&files[1])[1];
    assert_eq!((step_of(start), field(start, 7).unwrap()), (13, vec![8, 1]));
    let Some(shown) = read_by_tensorboard(dir.path()) else { return };
    assert_shown(dir.path(), &shown);
    assert_eq!(column(dir.path(), "metrics.csv", "loss").len(), 24);
}
