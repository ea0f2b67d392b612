use super::*;
use crate::network::{Orientation, Role};

#[test]
fn pythia_160m() {
    let network = infer(&gpt_neox(12, 768, 50_304));
    assert_eq!(network.architecture(), Architecture::GptNeox);
    assert!(network.warnings().is_empty());
    assert_eq!(network.layers().len(), 4 * 12 + 1);
    assert_eq!(network.connections().len(), 4 * 12);
    assert_eq!(network.left_out().len(), 4 + 8 * 12);
    let weights: usize = network.connections().iter().map(|c| c.weights()).sum();
    assert_eq!(weights, 12 * 12 * 768 * 768);

    let last: Vec<_> = network.layers()[40..]
        .iter()
        .map(|l| (l.name.as_str(), l.width, l.draw, l.role, l.block))
        .collect();
    assert_eq!(
        last,
        [
            ("block.10.residual", 768, 1, Role::Qkv, Some(10)),
            ("block.10.attention", 768, 1, Role::AttentionOut, Some(10)),
            ("block.10.middle", 768, 1, Role::MlpIn, Some(10)),
            ("block.10.mlp", 3072, 2, Role::MlpOut, Some(10)),
            ("block.11.residual", 768, 1, Role::Qkv, Some(11)),
            ("block.11.attention", 768, 1, Role::AttentionOut, Some(11)),
            ("block.11.middle", 768, 1, Role::MlpIn, Some(11)),
            ("block.11.mlp", 3072, 2, Role::MlpOut, Some(11)),
            ("block.12.residual", 768, 1, Role::Output, None),
        ]
    );
    let qkv = &network.connections()[40];
    assert_eq!(qkv.parameter, "gpt_neox.layers.10.attention.query_key_value.weight");
    assert_eq!((qkv.source, qkv.target, qkv.copies), (40, 41, 3));
    assert_eq!((qkv.outputs, qkv.inputs, qkv.taps), (2304, 768, 1));
    assert_eq!(qkv.orientation, Orientation::OutIn);
    let down = &network.connections()[47];
    assert_eq!(down.parameter, "gpt_neox.layers.11.mlp.dense_4h_to_h.weight");
    assert_eq!((down.source, down.target), (47, 48));
    assert_eq!((down.outputs, down.inputs), (768, 3072));
}

#[test]
fn golden_gpt_neox() {
    let network = infer(&gpt_neox(2, 64, 164));
    assert_eq!(
        joins(&network),
        [
            "gpt_neox.layers.0.attention.query_key_value.weight \
             block.0.residual>block.0.attention ×3",
            "gpt_neox.layers.0.attention.dense.weight block.0.attention>block.0.middle",
            "gpt_neox.layers.0.mlp.dense_h_to_4h.weight block.0.middle>block.0.mlp",
            "gpt_neox.layers.0.mlp.dense_4h_to_h.weight block.0.mlp>block.1.residual",
            "gpt_neox.layers.1.attention.query_key_value.weight \
             block.1.residual>block.1.attention ×3",
            "gpt_neox.layers.1.attention.dense.weight block.1.attention>block.1.middle",
            "gpt_neox.layers.1.mlp.dense_h_to_4h.weight block.1.middle>block.1.mlp",
            "gpt_neox.layers.1.mlp.dense_4h_to_h.weight block.1.mlp>block.2.residual",
        ]
    );
    let left_out = left_out(&network);
    assert_eq!(left_out.len(), 20);
    for expected in [
        ("embed_out.weight", "output head"),
        ("gpt_neox.embed_in.weight", "embedding"),
        ("gpt_neox.final_layer_norm.weight", "normalisation: it joins no neurons"),
        ("gpt_neox.layers.1.mlp.dense_h_to_4h.bias", "bias: it joins no neurons"),
    ] {
        assert!(left_out.contains(&expected), "{expected:?}");
    }
}

#[test]
fn the_order_of_parameters_does_not_matter() {
    use rand::{SeedableRng, seq::SliceRandom};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    for sorted in [gpt_neox(12, 6, 11), llama(11, 8, 4, 20)] {
        let expected = infer(&sorted);
        let mut shuffled = sorted.clone();
        for _ in 0..5 {
            shuffled.shuffle(&mut rng);
            assert_ne!(shuffled, sorted);
            assert_eq!(infer(&shuffled), expected);
        }
    }
}

#[test]
fn causal_masks_of_old_checkpoints_are_left_out() {
    let mut all = gpt_neox(1, 6, 11);
    let mask = "gpt_neox.layers.0.attention.bias";
    all.push(Parameter::new(mask, [1, 1, 16, 16]));
    let network = infer(&all);
    assert!(network.warnings().is_empty());
    assert!(left_out(&network).contains(&(mask, "bias")));
}

#[test]
fn llama_with_grouped_queries() {
    let network = infer(&llama(2, 64, 16, 172));
    assert_eq!(network.architecture(), Architecture::Transformer);
    assert!(network.warnings().is_empty());
    let block = |i: usize| {
        [
            format!("block.{i}.residual:64"),
            format!("block.{i}.attention:64"),
            format!("block.{i}.key_value:16"),
            format!("block.{i}.middle:64"),
            format!("block.{i}.mlp:172"),
        ]
    };
    let mut expected: Vec<String> = (0..2).flat_map(block).collect();
    expected.push("block.2.residual:64".into());
    assert_eq!(layers(&network), expected);
    assert_eq!(
        joins(&network)[7..],
        [
            "model.layers.1.self_attn.q_proj.weight block.1.residual>block.1.attention",
            "model.layers.1.self_attn.k_proj.weight block.1.residual>block.1.key_value",
            "model.layers.1.self_attn.v_proj.weight block.1.residual>block.1.key_value",
            "model.layers.1.self_attn.o_proj.weight block.1.attention>block.1.middle",
            "model.layers.1.mlp.gate_proj.weight block.1.middle>block.1.mlp",
            "model.layers.1.mlp.up_proj.weight block.1.middle>block.1.mlp",
            "model.layers.1.mlp.down_proj.weight block.1.mlp>block.2.residual",
        ]
    );
    let roles: Vec<Role> = network.layers()[5..].iter().map(|l| l.role).collect();
    assert_eq!(
        roles,
        [Role::Qkv, Role::AttentionOut, Role::Output, Role::MlpIn, Role::MlpOut, Role::Output]
    );
    assert_eq!(network.leaving(5).count(), 3);
    assert_eq!(network.leaving(7).count(), 0);
    assert!(left_out(&network).contains(&("lm_head.weight", "output head")));
}

#[test]
fn tiny_llama_names() {
    let mut all = parameters(&[
        ("tok_embeddings.weight", &[96, 32]),
        ("output.weight", &[96, 32]),
        ("norm.weight", &[32]),
    ]);
    for i in 0..3 {
        for (name, shape) in [
            ("attention.wq", [32, 32]),
            ("attention.wk", [32, 32]),
            ("attention.wv", [32, 32]),
            ("attention.wo", [32, 32]),
            ("feed_forward.w1", [80, 32]),
            ("feed_forward.w2", [32, 80]),
            ("feed_forward.w3", [80, 32]),
        ] {
            all.push(Parameter::new(format!("layers.{i}.{name}.weight"), shape));
        }
    }
    let network = infer(&all);
    assert_eq!(network.layers().len(), 4 * 3 + 1);
    assert_eq!(
        joins(&network)[14..],
        [
            "layers.2.attention.wq.weight block.2.residual>block.2.attention",
            "layers.2.attention.wk.weight block.2.residual>block.2.attention",
            "layers.2.attention.wv.weight block.2.residual>block.2.attention",
            "layers.2.attention.wo.weight block.2.attention>block.2.middle",
            "layers.2.feed_forward.w1.weight block.2.middle>block.2.mlp",
            "layers.2.feed_forward.w3.weight block.2.middle>block.2.mlp",
            "layers.2.feed_forward.w2.weight block.2.mlp>block.3.residual",
        ]
    );
    assert_eq!(
        left_out(&network)[1..],
        [
            ("output.weight", "output head, of the shape of the embedding"),
            ("tok_embeddings.weight", "embedding")
        ]
    );
    assert!(network.warnings().is_empty());
}

#[test]
fn plain_names_without_a_gate() {
    // A head size of its own: the attention layer has the width of the queries.
    let all = parameters(&[
        ("block12.q", &[40, 16]),
        ("block12.k", &[40, 16]),
        ("block12.v", &[40, 16]),
        ("block12.o", &[16, 40]),
        ("block12.up", &[64, 16]),
        ("block12.down", &[16, 64]),
        ("classifier.weight", &[5, 16]),
    ]);
    let network = infer(&all);
    assert_eq!(network.architecture(), Architecture::Transformer);
    assert_eq!(
        layers(&network),
        [
            "block.12.residual:16",
            "block.12.attention:40",
            "block.12.middle:16",
            "block.12.mlp:64",
            "block.13.residual:16"
        ]
    );
    assert_eq!(left_out(&network), [("classifier.weight", "output head")]);

    let renamed = |from: &str, to: &str| -> Vec<Parameter> {
        let rename = |p: &Parameter| Parameter::new(p.name.replace(from, to), p.shape.clone());
        all.iter().map(rename).collect()
    };
    for (from, to) in [("12.up", "12.ffn.w1"), ("12.up", "12.fc1"), ("12.o", "12.out_proj")] {
        let renamed = infer(&renamed(from, to));
        assert_eq!(layers(&renamed), layers(&network), "{from} as {to}");
    }
}

#[test]
fn a_lone_block_without_a_number() {
    let network = infer(&parameters(&[
        ("q.weight", &[8, 8]),
        ("k.weight", &[8, 8]),
        ("v.weight", &[8, 8]),
        ("o.weight", &[8, 8]),
        ("fc1.weight", &[32, 8]),
        ("fc2.weight", &[8, 32]),
    ]));
    assert_eq!(network.architecture(), Architecture::Transformer);
    assert_eq!(network.layers()[4].name, "block.1.residual");
}

#[test]
fn matrices_without_a_place_are_read_next_to_it_with_a_warning() {
    let mut all = gpt_neox(1, 6, 11);
    all.push(Parameter::new("probe.weight", [2, 6]));
    let network = infer(&all);
    assert_eq!(network.architecture(), Architecture::GptNeox);
    assert_eq!(layers(&network)[5..], ["probe.weight.in:6", "probe.weight.out:2"]);
    assert!(network.warnings()[0].contains("`probe.weight` [2, 6]"));

    let network = selected(&all, &["probe*", "embed_out.weight"], &[]).unwrap();
    assert!(network.warnings().is_empty());
    assert_eq!(
        layers(&network)[5..],
        [
            "embed_out.weight.in:6",
            "embed_out.weight.out:11",
            "probe.weight.in:6",
            "probe.weight.out:2"
        ]
    );
    assert_eq!(network.layers()[5].role, Role::Linear);
    assert_eq!(network.layers()[6].role, Role::Output);
}

#[test]
fn excluding_a_matrix_keeps_the_layers_that_others_join() {
    let all = llama(2, 8, 4, 20);
    let network =
        selected(&all, &[], &["*.0.mlp.*", "*.1.self_attn.k_proj*", "*.1.self_attn.v_proj*"])
            .unwrap();
    assert_eq!(network.architecture(), Architecture::Transformer);
    assert_eq!(
        layers(&network),
        [
            "block.0.residual:8",
            "block.0.attention:8",
            "block.0.key_value:4",
            "block.0.middle:8",
            "block.1.residual:8",
            "block.1.attention:8",
            "block.1.middle:8",
            "block.1.mlp:20",
            "block.2.residual:8"
        ]
    );
    assert_eq!(network.layers()[3].role, Role::Output);
    let down = network.connections().last().unwrap();
    assert_eq!((down.source, down.target), (7, 8));
    assert!(
        left_out(&network).contains(&(
            "model.layers.0.mlp.up_proj.weight",
            "excluded by the pattern `*.0.mlp.*`"
        ))
    );
}
