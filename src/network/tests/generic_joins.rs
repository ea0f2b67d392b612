//! Which matrices of networks without an architecture read one layer, by their names.

use super::misread::together;
use super::*;

/// Checks which matrices leave one layer, each name standing for its shape.
#[track_caller]
fn expect(named: &[(&str, &[usize])], expected: &[&[&str]]) {
    let all: Vec<_> = named.iter().map(|(n, s)| (format!("{n}.weight"), *s)).collect();
    let all: Vec<_> = all.iter().map(|(n, s)| (n.as_str(), *s)).collect();
    let network = infer_as(Architecture::Generic, &parameters(&all)).unwrap();
    let short = |names: Vec<&str>| -> Vec<String> {
        names.iter().map(|n| n.trim_end_matches(".weight").to_owned()).collect()
    };
    let found: Vec<Vec<String>> = together(&network).into_iter().map(short).collect();
    assert_eq!(found, expected);
}

#[test]
fn density_and_features_leave_one_layer() {
    let named: [(&str, &[usize]); 4] = [
        ("pts_linears.0", &[64, 30]),
        ("feature_linear", &[64, 64]),
        ("alpha_linear", &[1, 64]),
        ("rgb_linear", &[3, 32]),
    ];
    expect(&named, &[&["alpha_linear", "feature_linear"]]);
}

#[test]
fn heads_of_a_policy_and_a_value_function() {
    let heads: [(&str, &[usize]); 3] =
        [("body.0", &[64, 8]), ("policy_head", &[4, 64]), ("value_head", &[1, 64])];
    expect(&heads, &[&["policy_head", "value_head"]]);
    // Behind towers each reads its own.
    let towers: [(&str, &[usize]); 4] = [
        ("mlp.policy_net.0", &[64, 8]),
        ("mlp.value_net.0", &[64, 8]),
        ("action_policy", &[4, 64]),
        ("value_net", &[1, 64]),
    ];
    expect(&towers, &[&["mlp.policy_net.0", "mlp.value_net.0"]]);
}

#[test]
fn only_the_first_convolution_of_a_shortcut_reads_the_block() {
    let ghost: [(&str, &[usize]); 4] = [
        ("blocks.1.0.ghost1.primary_conv.0", &[12, 8, 1, 1]),
        ("blocks.1.0.ghost2.primary_conv.0", &[8, 12, 1, 1]),
        ("blocks.1.0.shortcut.0", &[8, 8, 3, 3]),
        ("blocks.1.0.shortcut.2", &[16, 8, 1, 1]),
    ];
    expect(&ghost, &[&["blocks.1.0.ghost1.primary_conv.0", "blocks.1.0.shortcut.0"]]);
}

#[test]
fn networks_without_normalisation_pool_before_their_shortcuts() {
    let named = |stem: &[usize; 4]| {
        let mut all = vec![Parameter::new("stem.conv.weight", stem.as_slice())];
        for stage in 0..2 {
            for conv in ["conv1", "downsample.conv"] {
                all.push(Parameter::new(format!("stages.{stage}.0.{conv}.weight"), [16, 16, 1, 1]));
            }
        }
        all
    };
    let biases = (0..2).map(|s| Parameter::new(format!("stages.{s}.0.downsample.conv.bias"), [16]));
    let biases: Vec<Parameter> = biases.collect();
    for architecture in [Architecture::Generic, Architecture::Cnn] {
        let joined = |stem: [usize; 4], biases: &[Parameter]| {
            let mut all = [named(&stem), biases.to_vec()].concat();
            (0..).zip(&mut all).for_each(|(k, parameter)| parameter.made = Some(k));
            let network = infer_as(architecture, &all);
            together(&network.unwrap()).len()
        };
        assert_eq!(joined([16, 3, 3, 3], &[]), 2, "RegNet, {architecture}");
        assert_eq!(joined([16, 3, 3, 3], &biases), 0, "NF-RegNet, {architecture}");
        // NF-ResNet: the first stage keeps its positions.
        assert_eq!(joined([16, 3, 7, 7], &biases), 1, "NF-ResNet, {architecture}");
    }
}

#[test]
fn funnel_pools_its_queries_and_motion_modules_attend_to_themselves() {
    let heads = |scope: &str, names: [&str; 3]| names.map(|name| format!("{scope}.{name}"));
    let shape: &[usize] = &[32, 32];
    let mut all: Vec<String> = Vec::new();
    for block in ["0.0", "1.0", "1.1"] {
        let scope = format!("encoder.blocks.{block}.attention");
        all.extend(heads(&scope, ["k_head", "q_head", "v_head"]));
    }
    for n in 0..2 {
        let scope = format!("temp_attentions.{n}.transformer_blocks.0.attn2");
        all.extend(heads(&scope, ["to_k", "to_q", "to_v"]));
    }
    let named: Vec<(&str, &[usize])> = all.iter().map(|name| (name.as_str(), shape)).collect();
    let [a, b, c, d, e] = [0, 3, 6, 9, 12].map(|k| {
        let three = named[k..k + 3].iter().map(|(name, _)| *name);
        three.filter(|name| *name != "encoder.blocks.1.0.attention.q_head").collect::<Vec<_>>()
    });
    expect(&named, &[&a, &b, &c, &d, &e]);
}

#[test]
fn what_reads_a_stage_leaves_one_layer() {
    let hrnet: [(&str, &[usize]); 9] = [
        ("stage3.0.branches.0.0.conv1", &[16, 16, 3, 3]),
        ("stage3.0.branches.1.0.conv1", &[32, 32, 3, 3]),
        ("stage3.0.fuse_layers.0.1.0", &[16, 32, 1, 1]),
        ("stage3.0.fuse_layers.0.2.0", &[16, 64, 1, 1]),
        ("stage3.0.fuse_layers.1.2.0", &[32, 64, 1, 1]),
        ("stage3.0.fuse_layers.2.1.0.0", &[64, 32, 3, 3]),
        ("transition1.0.0", &[16, 128, 3, 3]),
        ("transition1.1.0.0", &[32, 128, 3, 3]),
        ("transition2.2.0.0", &[64, 32, 3, 3]),
    ];
    let joined: [&[&str]; 4] = [
        &["stage3.0.branches.1.0.conv1", "transition2.2.0.0"],
        &["stage3.0.fuse_layers.0.1.0", "stage3.0.fuse_layers.2.1.0.0"],
        &["stage3.0.fuse_layers.0.2.0", "stage3.0.fuse_layers.1.2.0"],
        &["transition1.0.0", "transition1.1.0.0"],
    ];
    expect(&hrnet, &joined);
    let segformer: [(&str, &[usize]); 4] = [
        ("decode_head.linear_c.0.proj", &[64, 16]),
        ("decode_head.linear_c.1.proj", &[64, 32]),
        ("encoder.patch_embeddings.0.proj", &[16, 3, 7, 7]),
        ("encoder.patch_embeddings.1.proj", &[32, 16, 3, 3]),
    ];
    expect(&segformer, &[&["decode_head.linear_c.0.proj", "encoder.patch_embeddings.1.proj"]]);
}

#[test]
fn queries_and_keys_in_one_matrix_read_what_values_read() {
    let named: [(&str, &[usize]); 3] = [
        ("blocks.0.attn.qk", &[64, 32]),
        ("blocks.0.attn.v", &[32, 32]),
        ("blocks.0.attn.proj", &[32, 32]),
    ];
    expect(&named, &[&["blocks.0.attn.qk", "blocks.0.attn.v"]]);
}
