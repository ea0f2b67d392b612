//! Names and shapes at the edge of what is known.

use super::*;
use crate::network::Orientation;

fn connection<'n>(network: &'n Network, name: &str) -> &'n crate::network::Connection {
    network.connections().iter().find(|c| c.parameter == name).unwrap()
}

#[test]
fn a_convolution_of_grey_pictures_is_not_depthwise() {
    // MobileNet's list, once of grey and once of coloured pictures.
    let list = |channels: usize| {
        infer_as(
            Architecture::Generic,
            &parameters(&[
                ("model.0.0.weight", &[32, channels, 3, 3]),
                ("model.1.0.weight", &[32, 1, 3, 3]),
                ("model.1.3.weight", &[64, 32, 1, 1]),
                ("model.2.0.weight", &[64, 1, 3, 3]),
                ("model.2.3.weight", &[64, 64, 1, 1]),
            ]),
        )
        .unwrap()
    };
    for channels in [1, 3] {
        let network = list(channels);
        let groups = network.connections().iter().map(|c| c.groups).collect::<Vec<_>>();
        assert_eq!(groups, [1, 32, 1, 64, 1], "{channels} channels");
    }
    // Blocks of depthwise convolutions without a stem.
    let blocks = parameters(&[
        ("blocks.0.conv.weight", &[32, 1, 7, 7]),
        ("blocks.0.mix.weight", &[64, 32]),
        ("blocks.1.conv.weight", &[32, 1, 7, 7]),
        ("blocks.1.mix.weight", &[64, 32]),
    ]);
    let network = infer_as(Architecture::Generic, &blocks).unwrap();
    assert_eq!(connection(&network, "blocks.0.conv.weight").groups, 32);
}

#[test]
fn three_axes_without_a_name_are_not_guessed() {
    let named: [(&str, &[usize]); 4] = [
        ("lin.weight", &[64, 32]),
        ("att_src", &[8, 4, 16]),
        ("codes", &[64, 64, 8]),
        ("conv.weight", &[64, 64, 3]),
    ];
    let network = infer(&parameters(&named));
    assert_eq!(network.architecture(), Architecture::Generic);
    let warnings = network.warnings().join(" ");
    assert!(warnings.contains("`att_src` [8, 4, 16] has three axes"), "{warnings}");
    assert!(warnings.contains("% of the block weights are analysed"), "{warnings}");
    let left: Vec<&str> = left_out(&network).iter().map(|(name, _)| *name).collect();
    assert_eq!(left, ["att_src", "codes"]);
    assert!(left_out(&network)[0].1.contains("--network"));
    // Asked for, it is read; so are kernels by other names.
    let include = Selection { include: vec!["codes".to_owned()], ..Selection::default() };
    let network = Network::infer(&parameters(&named), &include).unwrap();
    assert_eq!(connection(&network, "codes").taps, 8);
    let kernels = parameters(&[("a.kernel", &[16, 8, 3]), ("b.kernel", &[16, 16, 3])]);
    assert_eq!(infer(&kernels).architecture(), Architecture::Cnn);
}

#[test]
fn what_is_left_out_counts_by_its_kind_not_by_its_words() {
    let named: [(&str, &[usize]); 4] = [
        ("fc1.weight", &[40, 20]),
        ("fc2.weight", &[20, 40]),
        ("embed.weight", &[500, 20]),
        ("fc3.weight", &[20, 20]),
    ];
    let exclude = Selection { exclude: vec!["fc3.weight".to_owned()], ..Selection::default() };
    let network = Network::infer(&parameters(&named), &exclude).unwrap();
    assert_eq!(network.share(), 0.8);
    let stored = serde_json::to_string(&network).unwrap();
    assert_eq!(serde_json::from_str::<Network>(&stored).unwrap().share(), 0.8);
    let mut all = parameters(&named[..3]);
    all[1] = all[1].clone().not_trainable();
    let network = infer(&all);
    let buffers: Vec<&str> =
        network.left_out().iter().filter(|l| l.is_buffer()).map(|l| l.name.as_str()).collect();
    assert_eq!((buffers, network.share()), (vec!["fc2.weight"], 1.0));
}

#[test]
fn stages_of_one_stack_are_not_called_two() {
    let query = |path: &str| -> Vec<Parameter> {
        ["query", "key", "value"]
            .map(|n| Parameter::new(format!("{path}.attention.self.{n}.weight"), [16, 16]))
            .to_vec()
    };
    let said = |paths: [&str; 2]| infer(&paths.map(query).concat()).warnings()[0].clone();
    let stages = said(["encoder.block.0.0", "encoder.block.1.0"]);
    assert!(
        stages.contains("its blocks are in several stages, with `encoder.block.0.0"),
        "{stages}"
    );
    let parts = said(["encoder.layer.0.a", "encoder.layer.0.b"]);
    assert!(parts.contains("its blocks have two parts of this kind"), "{parts}");
    let stacks = said(["text.layer.0", "image.layer.0"]);
    assert!(stacks.contains("there are two stacks of blocks"), "{stacks}");
}

/// The group of the layer that a matrix leaves, where one is named.
fn group<'n>(network: &'n Network, parameter: &str) -> Option<&'n str> {
    network.layers()[connection(network, parameter).source].group.as_deref()
}

#[test]
fn stacks_side_by_side_are_groups() {
    let block = |path: &str| -> Vec<Parameter> {
        let shapes = [
            ("q_proj", [16, 16]),
            ("k_proj", [16, 16]),
            ("v_proj", [16, 16]),
            ("out_proj", [16, 16]),
        ];
        shapes.map(|(n, s)| Parameter::new(format!("{path}.self_attn.{n}.weight"), s)).to_vec()
    };
    let mut clip = Vec::new();
    for layer in 0..2 {
        clip.extend(block(&format!("model.text_model.encoder.layers.{layer}")));
        clip.extend(block(&format!("model.vision_tower.vision_model.encoder.layers.{layer}")));
    }
    clip.push(Parameter::new("model.vision_tower.conv.weight", [16, 3, 4, 4]));
    clip.push(Parameter::new("model.projection.weight", [8, 16]));
    let network = infer(&clip);
    let of = |name: &str| group(&network, &format!("model.{name}.weight")).map(str::to_owned);
    assert_eq!(
        of("text_model.encoder.layers.1.self_attn.k_proj").as_deref(),
        Some("model.text_model")
    );
    assert_eq!(of("vision_tower.conv").as_deref(), Some("model.vision_tower"));
    assert_eq!(of("projection"), None);
    // Lists of one module follow each other, and one stack is no group.
    for paths in [["blocks.0", "blocks_token_only.0"], ["layers.0", "layers.1"]] {
        let network = infer(&paths.map(block).concat());
        assert!(network.layers().iter().all(|layer| layer.group.is_none()), "{paths:?}");
    }
}

#[test]
fn a_misspelt_tensor_gets_a_suggestion() {
    let all = parameters(&[
        ("model.layers.0.fc1.weight", &[8, 4]),
        ("model.layers.0.fc2.weight", &[4, 8]),
    ]);
    let said = |name: &str| {
        let builder = Network::builder().layer("in", 4).layer("out", 8).connect(name, "in", "out");
        builder.build(&all).unwrap_err().to_string()
    };
    for name in ["model.layer.0.fc1.weight", "model.layers.0.fc1.wieght", "fc1.weight"] {
        let error = said(name);
        assert!(error.contains("did you mean `model.layers.0.fc1.weight`?"), "{name}: {error}");
    }
    let error = said("something.else");
    assert!(error.contains("use the full name"), "{error}");
}

#[test]
fn heads_interleave_gpt2s_fused_rows_too() {
    let block = |rows: [usize; 2]| {
        let named = [("attn.c_attn", rows), ("attn.c_proj", [8, 8]), ("mlp.c_fc", [32, 8])];
        let mut all: Vec<Parameter> =
            named.map(|(n, s)| Parameter::new(format!("h.0.{n}.weight"), s)).to_vec();
        all.push(Parameter::new("h.0.mlp.c_proj.weight", [8, 32]));
        all
    };
    let per_head = Selection { per_head: Some(2), ..Selection::default() };
    let network = Network::infer(&block([24, 8]), &per_head).unwrap();
    let fused = &network.connections()[0];
    assert_eq!((fused.heads, fused.orientation), (2, Orientation::OutIn));
    // The second head's first feature: its query, key and value.
    assert_eq!([0, 1, 2].map(|copy| fused.output(copy, 4)), [12, 16, 20]);
}
