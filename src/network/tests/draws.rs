use proptest::prelude::*;

use super::*;
use crate::network::{Draw, DrawError};

/// Layers of 6, 6, 6, 24 and 6 neurons.
fn network() -> Network {
    infer(&gpt_neox(1, 6, 11))
}

fn read(json: &str) -> Draw {
    serde_json::from_str(json).unwrap()
}

#[test]
fn golden_nodes() {
    let text = include_str!("../../../tests/data/neox-nodes.json");
    let draw = read(text);
    let network = infer(&gpt_neox(2, 64, 164));
    let resolved = draw.resolve(&network).unwrap();
    assert_eq!(resolved.len(), 10);
    for sample in &resolved {
        let lengths: Vec<usize> = sample.iter().map(Vec::len).collect();
        assert_eq!(lengths, [32, 32, 32, 64, 32, 32, 32, 64, 32]);
    }
    assert_eq!(resolved[0][0][..4], [45, 29, 43, 61], "order of the file");

    let ours = Draw::random(&network, 32, 10, 1).unwrap();
    for (ours, theirs) in ours.samples().iter().zip(draw.samples()) {
        let shape = |sample: &crate::network::draw::Sample| -> Vec<(String, usize)> {
            let layers = sample.layers().iter();
            layers.map(|(name, drawn)| (name.clone(), drawn.len())).collect()
        };
        assert_eq!(shape(ours), shape(theirs));
    }
}

#[test]
fn the_same_seed_draws_the_same() {
    let network = infer(&gpt_neox(2, 64, 164));
    let draw = |samples, seed| Draw::random(&network, 16, samples, seed).unwrap();
    assert_eq!(draw(4, 7), draw(4, 7));
    assert_ne!(draw(4, 7), draw(4, 8));
    assert_eq!(draw(9, 7).samples()[..4], *draw(4, 7).samples());
    let all = draw(4, 7).resolve(&network).unwrap().concat();
    for (i, drawn) in all.iter().enumerate() {
        assert!(!all[..i].contains(drawn), "layers and samples are independent");
    }
}

/// Recorded: a draw that changes with a dependency would break the comparison of runs by seed.
#[test]
fn draws_are_these_on_every_machine() {
    let draw = Draw::random(&network(), 3, 2, 42).unwrap();
    let json = serde_json::to_string(&draw).unwrap();
    assert_eq!(json, RECORDED);
}

const RECORDED: &str = concat!(
    r#"{"samples":["#,
    r#"{"block.0.residual":[0,3,5],"block.0.attention":[2,3,5],"block.0.middle":[0,1,4],"#,
    r#""block.0.mlp":[7,10,13,15,17,22],"block.1.residual":[0,4,5]},"#,
    r#"{"block.0.residual":[0,2,4],"block.0.attention":[1,2,3],"block.0.middle":[1,3,4],"#,
    r#""block.0.mlp":[0,1,4,6,7,22],"block.1.residual":[0,4,5]}]}"#,
);

#[test]
fn narrow_layers_are_whole_and_mlp_layers_twice() {
    let network = network();
    let lengths = |neurons| -> Vec<usize> {
        let draw = Draw::random(&network, neurons, 1, 0).unwrap();
        draw.resolve(&network).unwrap()[0].iter().map(Vec::len).collect()
    };
    assert_eq!(lengths(4), [4, 4, 4, 8, 4]);
    assert_eq!(lengths(10), [6, 6, 6, 20, 6]);
    assert_eq!(lengths(usize::MAX), [6, 6, 6, 24, 6]);
    let draw = Draw::random(&network, 6, 1, 0).unwrap();
    assert_eq!(draw.samples()[0].layers()[0].1, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn every_neuron_is_drawn_equally_often() {
    let network = infer(&parameters(&[("0.weight", &[1, 10])]));
    let samples = 2000;
    let resolved = Draw::random(&network, 3, samples, 5).unwrap().resolve(&network).unwrap();
    let mut counts = [0_usize; 10];
    for sample in resolved {
        for neuron in &sample[0] {
            counts[*neuron] += 1;
        }
    }
    // 600 expected with a standard deviation of 20.5.
    assert!(counts.iter().all(|c| (500..700).contains(c)), "{counts:?}");
}

#[test]
fn the_whole_network() {
    let network = network();
    let whole = read(r#"{"samples": []}"#);
    assert_eq!(whole, Draw::whole());
    assert!(whole.is_whole());
    let resolved = whole.resolve(&network).unwrap();
    assert_eq!(resolved.len(), 1);
    assert_eq!(resolved[0][3], (0..24).collect::<Vec<_>>());
    assert!(!Draw::random(&network, 99, 1, 0).unwrap().is_whole());
}

#[test]
fn faults_in_a_file_are_named() {
    let network = infer(&parameters(&[("0.weight", &[3, 4])]));
    let good = r#"{"layer.0": [3, 0], "layer.1": [2]}"#;
    for (sample, parts) in [
        (r#"{"layer.0": [3]}"#, &["sample 1", "`layer.1`", "below 3"][..]),
        (
            r#"{"layer.0": [3], "layer.1": [2], "layer.2": []}"#,
            &["sample 1", "`layer.2`", r#"["layer.0", "layer.1"]"#],
        ),
        (
            r#"{"layer.0": [3, 4], "layer.1": [2]}"#,
            &["sample 1", "neuron 4", "`layer.0`", "0 to 3"],
        ),
        (
            r#"{"layer.0": [3, 1, 3], "layer.1": [2]}"#,
            &["sample 1", "neuron 3", "`layer.0`", "twice"],
        ),
        (
            r#"{"layer.0": [3], "layer.1": [2], "layer.0": [3]}"#,
            &["sample 1", "`layer.0`", "twice"],
        ),
    ] {
        let draw = read(&format!(r#"{{"samples": [{good}, {sample}]}}"#));
        let error = draw.resolve(&network).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part} in {error}");
        }
    }
    for json in [
        "{}",
        "[]",
        r#"{"samples": [[1, 2]]}"#,
        r#"{"samples": [{"layer.0": [-1]}]}"#,
        r#"{"samples": [{"layer.0": [1.5]}]}"#,
    ] {
        assert!(serde_json::from_str::<Draw>(json).is_err(), "{json}");
    }
    let error = serde_json::from_str::<Draw>(r#"{"samples": [{"layer.0": [-1]}]}"#).unwrap_err();
    assert!(error.to_string().contains("layer `layer.0`: invalid value: integer `-1`"), "{error}");
}

#[test]
fn nothing_to_draw_is_an_error() {
    for (neurons, samples, what) in [(0, 1, "neurons"), (1, 0, "samples")] {
        assert_eq!(Draw::random(&network(), neurons, samples, 0), Err(DrawError::Zero { what }));
    }
}

proptest! {
    #[test]
    fn draws_are_valid_and_read_back(
        widths in prop::collection::vec(1_usize..40, 2..6),
        neurons in 1_usize..50,
        samples in 1_usize..5,
        seed: u64,
    ) {
        let chain: Vec<Parameter> = widths
            .windows(2)
            .enumerate()
            .map(|(i, w)| Parameter::new(format!("{i}.weight"), [w[1], w[0]]))
            .collect();
        let network = infer(&chain);
        let draw = Draw::random(&network, neurons, samples, seed).unwrap();
        let json = serde_json::to_string(&draw).unwrap();
        prop_assert_eq!(&read(&json), &draw);
        let resolved = draw.resolve(&network).unwrap();
        prop_assert_eq!(resolved.len(), samples);
        for sample in resolved {
            for (drawn, &width) in sample.iter().zip(&widths) {
                prop_assert_eq!(drawn.len(), neurons.min(width));
                prop_assert!(drawn.is_sorted_by(|a, b| a < b));
                prop_assert!(drawn.last().is_some_and(|&last| last < width));
            }
        }
    }
}
