use super::*;

fn blocks(stem: &str, count: usize, names: &[(&str, [usize; 2])]) -> Vec<Parameter> {
    let block = |i: usize| {
        let new = move |(name, shape): &(&str, [usize; 2])| {
            Parameter::new(format!("{stem}.{i}.{name}.weight"), *shape)
        };
        names.iter().map(new)
    };
    (0..count).flat_map(block).collect()
}

/// The blocks of BERT (`self`) and of transformers' ViT (`attention`), width 768.
fn bert_blocks(stem: &str, inner: &str) -> Vec<Parameter> {
    let [q, k, v] = ["query", "key", "value"].map(|n| format!("attention.{inner}.{n}"));
    blocks(
        stem,
        12,
        &[
            (&q, [768, 768]),
            (&k, [768, 768]),
            (&v, [768, 768]),
            ("attention.output.dense", [768, 768]),
            ("intermediate.dense", [3072, 768]),
            ("output.dense", [768, 3072]),
        ],
    )
}

#[test]
fn bert_base() {
    let mut all = bert_blocks("bert.encoder.layer", "self");
    all.extend(parameters(&[
        ("bert.embeddings.word_embeddings.weight", &[30_522, 768]),
        ("bert.embeddings.position_embeddings.weight", &[512, 768]),
        ("bert.embeddings.token_type_embeddings.weight", &[2, 768]),
        ("bert.embeddings.LayerNorm.weight", &[768]),
        ("bert.encoder.layer.0.attention.output.LayerNorm.weight", &[768]),
        ("bert.pooler.dense.weight", &[768, 768]),
        ("cls.predictions.transform.dense.weight", &[768, 768]),
        ("cls.predictions.decoder.weight", &[30_522, 768]),
        ("cls.seq_relationship.weight", &[2, 768]),
    ]));
    let network = infer(&with_biases(all));
    assert_eq!(network.architecture(), Architecture::Bert);
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(network.layers().len(), 4 * 12 + 1);
    assert_eq!(network.connections().len(), 6 * 12);
    assert_eq!(weights(&network), 84_934_656);
    assert_eq!(
        joins(&network)[..6],
        [
            "bert.encoder.layer.0.attention.self.query.weight block.0.residual>block.0.attention",
            "bert.encoder.layer.0.attention.self.key.weight block.0.residual>block.0.attention",
            "bert.encoder.layer.0.attention.self.value.weight block.0.residual>block.0.attention",
            "bert.encoder.layer.0.attention.output.dense.weight block.0.attention>block.0.middle",
            "bert.encoder.layer.0.intermediate.dense.weight block.0.middle>block.0.mlp",
            "bert.encoder.layer.0.output.dense.weight block.0.mlp>block.1.residual",
        ]
    );
    let left_out = left_out(&network);
    for expected in [
        ("bert.pooler.dense.weight", "pooler: it is outside the blocks"),
        ("cls.predictions.transform.dense.weight", "output head"),
        ("cls.predictions.decoder.weight", "output head, of the shape of the embedding"),
        ("cls.seq_relationship.weight", "output head"),
        ("bert.embeddings.position_embeddings.weight", "embedding"),
    ] {
        assert!(left_out.contains(&expected), "{expected:?} in {left_out:?}");
    }
}

#[test]
fn distil_bert() {
    let all = blocks(
        "distilbert.transformer.layer",
        6,
        &[
            ("attention.q_lin", [768, 768]),
            ("attention.k_lin", [768, 768]),
            ("attention.v_lin", [768, 768]),
            ("attention.out_lin", [768, 768]),
            ("ffn.lin1", [3072, 768]),
            ("ffn.lin2", [768, 3072]),
        ],
    );
    let network = infer(&with_biases(all));
    assert_eq!(network.architecture(), Architecture::Bert);
    assert_eq!(weights(&network), 6 * 7_077_888);
}

#[test]
fn vit_base_of_both_libraries() {
    let mut hugging_face = bert_blocks("vit.encoder.layer", "attention");
    hugging_face.extend(parameters(&[
        ("vit.embeddings.cls_token", &[1, 1, 768]),
        ("vit.embeddings.position_embeddings", &[1, 197, 768]),
        ("vit.embeddings.patch_embeddings.projection.weight", &[768, 3, 16, 16]),
        ("vit.encoder.layer.0.layernorm_before.weight", &[768]),
        ("vit.pooler.dense.weight", &[768, 768]),
        ("classifier.weight", &[1000, 768]),
    ]));
    let mut timm = blocks(
        "blocks",
        12,
        &[
            ("attn.qkv", [2304, 768]),
            ("attn.proj", [768, 768]),
            ("mlp.fc1", [3072, 768]),
            ("mlp.fc2", [768, 3072]),
        ],
    );
    timm.extend(parameters(&[
        ("cls_token", &[1, 1, 768]),
        ("pos_embed", &[1, 197, 768]),
        ("patch_embed.proj.weight", &[768, 3, 16, 16]),
        ("norm.weight", &[768]),
        ("head.weight", &[1000, 768]),
    ]));
    let [a, b] = [hugging_face, timm].map(with_biases).map(|all| infer(&all));
    assert_eq!(a.architecture(), Architecture::Bert);
    assert_eq!(b.architecture(), Architecture::Vit);
    assert_eq!(layers(&a), layers(&b));
    for (network, head, patch) in [
        (&a, "classifier.weight", "vit.embeddings.patch_embeddings.projection.weight"),
        (&b, "head.weight", "patch_embed.proj.weight"),
    ] {
        assert_eq!(network.warnings(), [""; 0]);
        assert_eq!(weights(network), 84_934_656);
        assert!(left_out(network).contains(&(head, "output head")));
        assert!(left_out(network).contains(&(patch, "embedding")));
    }
    assert_eq!(b.connections()[0].copies, 3);
}

#[test]
fn a_patch_embedding_can_be_put_in() {
    let mut all = blocks(
        "blocks",
        1,
        &[("attn.qkv", [24, 8]), ("attn.proj", [8, 8]), ("mlp.fc1", [32, 8]), ("mlp.fc2", [8, 32])],
    );
    all.extend(parameters(&[("patch_embed.proj.weight", &[8, 3, 4, 4])]));
    let network = selected(&all, &["patch_embed*"], &[]).unwrap();
    let patch = network.connections().last().unwrap();
    assert_eq!((patch.inputs, patch.outputs, patch.taps), (3, 8, 16));
    assert_eq!(width(&network, "patch_embed.proj.weight.in"), 3);
}

/// T5: `inner` is heads · d_kv, gated from version 1.1 on.
fn t5(blocks: usize, d: usize, inner: usize, hidden: usize, gated: bool) -> Vec<Parameter> {
    let mut all = parameters(&[
        ("shared.weight", &[32_128, d]),
        ("encoder.embed_tokens.weight", &[32_128, d]),
        ("decoder.embed_tokens.weight", &[32_128, d]),
        ("lm_head.weight", &[32_128, d]),
        ("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", &[32, 8]),
        ("decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", &[32, 8]),
        ("encoder.final_layer_norm.weight", &[d]),
    ]);
    for (stack, last) in [("encoder", 1), ("decoder", 2)] {
        for i in 0..blocks {
            let mut add = |name: &str, shape: [usize; 2]| {
                let name = format!("{stack}.block.{i}.layer.{name}.weight");
                all.push(Parameter::new(name, shape));
            };
            for attention in ["0.SelfAttention", "1.EncDecAttention"].iter().take(last) {
                for part in ["q", "k", "v"] {
                    add(&format!("{attention}.{part}"), [inner, d]);
                }
                add(&format!("{attention}.o"), [d, inner]);
            }
            let ways: &[&str] = if gated { &["wi_0", "wi_1"] } else { &["wi"] };
            for way in ways {
                add(&format!("{last}.DenseReluDense.{way}"), [hidden, d]);
            }
            add(&format!("{last}.DenseReluDense.wo"), [d, hidden]);
        }
    }
    all
}

#[test]
fn t5_small_and_flan_t5_small() {
    let network = infer(&t5(6, 512, 512, 2048, false));
    assert_eq!(network.architecture(), Architecture::EncoderDecoder);
    assert_eq!(network.warnings(), [""; 0]);
    // Encoder 4·512² + 2·512·2048 = 3 145 728 a block, decoder 4·512² more.
    assert_eq!(weights(&network), 6 * 3_145_728 + 6 * 4_194_304);
    assert_eq!(network.layers().len(), (4 * 6 + 1) + (6 * 6 + 1));
    assert_eq!(network.connections().len(), 6 * 6 + 10 * 6);
    assert_eq!(
        joined(&network, "decoder.block.2.layer.1.EncDecAttention.q.weight"),
        "decoder.block.2.cross>decoder.block.2.cross_attention"
    );
    // Keys and values of every decoder block leave the encoder's output: one neighbourhood.
    let context = leaving(&network, "encoder.block.6.residual");
    assert_eq!(context.len(), 12);
    assert!(context.iter().all(|name| name.contains("EncDecAttention")));
    let output = &network.layers()[network.layer_index("encoder.block.6.residual").unwrap()];
    assert_eq!((output.role, output.block), (Role::Qkv, None));
    let block = |name: &str| network.layers()[network.layer_index(name).unwrap()].block;
    assert_eq!(block("encoder.block.5.mlp"), Some(5));
    assert_eq!(block("decoder.block.0.cross"), Some(6));
    let table = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
    assert!(left_out(&network).contains(&(table, "table of relative positions")));
    assert!(left_out(&network).contains(&("shared.weight", "embedding")));

    // flan-t5-small: 6 heads of 64 = 384 for a stream of 512, gated.
    let network = infer(&t5(8, 512, 384, 1024, true));
    assert_eq!(network.warnings(), [""; 0]);
    // 4·384·512 + 3·512·1024 = 2 359 296 and 786 432 more.
    assert_eq!(weights(&network), 8 * 2_359_296 + 8 * 3_145_728);
    assert_eq!(width(&network, "decoder.block.7.cross_attention"), 384);
    assert_eq!(leaving(&network, "decoder.block.7.middle").len(), 2);

    let encoder: Vec<_> = t5(8, 512, 384, 1024, true)
        .into_iter()
        .filter(|p| p.name.starts_with("encoder.") || p.name == "shared.weight")
        .collect();
    let network = infer(&encoder);
    assert_eq!(network.architecture(), Architecture::EncoderDecoder);
    assert_eq!(weights(&network), 8 * 2_359_296);
    assert_eq!(network.layers().last().unwrap().role, Role::Output);
}

#[test]
fn bart_base() {
    let mut all = parameters(&[
        ("model.shared.weight", &[50_265, 768]),
        ("model.encoder.embed_positions.weight", &[1026, 768]),
    ]);
    for (stack, attentions) in
        [("encoder", &["self_attn"][..]), ("decoder", &["self_attn", "encoder_attn"])]
    {
        let mut names: Vec<(String, [usize; 2])> =
            vec![("fc1".into(), [3072, 768]), ("fc2".into(), [768, 3072])];
        for attention in attentions {
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                names.push((format!("{attention}.{part}"), [768, 768]));
            }
        }
        let names: Vec<_> = names.iter().map(|(n, s)| (n.as_str(), *s)).collect();
        all.extend(blocks(&format!("model.{stack}.layers"), 6, &names));
    }
    let network = infer(&with_biases(all));
    assert_eq!(network.architecture(), Architecture::EncoderDecoder);
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(weights(&network), 6 * 7_077_888 + 6 * 9_437_184);
}

#[test]
fn a_stack_with_a_fault_is_named() {
    let mut all = t5(2, 16, 16, 32, false);
    all.retain(|p| p.name != "decoder.block.1.layer.1.EncDecAttention.k.weight");
    let network = infer(&all);
    assert_eq!(network.architecture(), Architecture::Generic);
    let warning = &network.warnings()[0];
    assert!(warning.contains("decoder.block.1.layer.1.EncDecAttention.k.weight"), "{warning}");
}
