use super::*;

/// GPT-2 as transformers stores it (`Conv1D`), or nanoGPT (`linear`).
fn gpt2(blocks: usize, d: usize, linear: bool, prefix: &str) -> Vec<Parameter> {
    let mut all = vec![
        Parameter::new(format!("{prefix}wte.weight"), [50_257, d]),
        Parameter::new(format!("{prefix}wpe.weight"), [1024, d]),
        Parameter::new(format!("{prefix}ln_f.weight"), [d]),
        Parameter::new("lm_head.weight", [50_257, d]),
    ];
    for i in 0..blocks {
        let mut add = |name: &str, shape: &[usize]| {
            all.push(Parameter::new(format!("{prefix}h.{i}.{name}"), shape));
        };
        add("ln_1.weight", &[d]);
        add("attn.bias", &[1, 1, 1024, 1024]);
        add("attn.masked_bias", &[]);
        add("attn.c_attn.bias", &[3 * d]);
        for (name, input, output) in [
            ("attn.c_attn.weight", d, 3 * d),
            ("attn.c_proj.weight", d, d),
            ("mlp.c_fc.weight", d, 4 * d),
            ("mlp.c_proj.weight", 4 * d, d),
        ] {
            add(name, &if linear { [output, input] } else { [input, output] });
        }
    }
    all
}

#[test]
fn gpt2_small() {
    let network = infer(&gpt2(12, 768, false, "transformer."));
    assert_eq!(network.architecture(), Architecture::Gpt2);
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(network.layers().len(), 4 * 12 + 1);
    assert_eq!(network.connections().len(), 4 * 12);
    // A block: 3·768² + 768² + 8·768² = 12·589 824 = 7 077 888.
    assert_eq!(weights(&network), 84_934_656);
    assert!(network.connections().iter().all(|c| c.orientation == Orientation::InOut));
    let first = &network.connections()[0];
    assert_eq!((first.inputs, first.outputs, first.copies), (768, 2304, 3));
    let down = &network.connections()[3];
    assert_eq!((down.inputs, down.outputs), (3072, 768));
    assert_eq!(width(&network, "block.11.mlp"), 3072);
    let left_out = left_out(&network);
    for expected in [
        ("transformer.h.0.attn.bias", "bias"),
        ("transformer.h.0.attn.masked_bias", "bias: it joins no neurons"),
        ("transformer.wte.weight", "embedding"),
        ("lm_head.weight", "output head"),
    ] {
        assert!(left_out.contains(&expected), "{expected:?}");
    }
}

#[test]
fn nano_gpt_stores_the_same_names_as_linear_layers() {
    let linear = infer(&gpt2(12, 768, true, "transformer."));
    let conv1d = infer(&gpt2(12, 768, false, "transformer."));
    assert_eq!(linear.architecture(), Architecture::Gpt2);
    assert!(linear.connections().iter().all(|c| c.orientation == Orientation::OutIn));
    assert_eq!(layers(&linear), layers(&conv1d));
    assert_eq!(joins(&linear), joins(&conv1d));
    assert_eq!(weights(&linear), 84_934_656);
    // The checkpoint of the bare model has no prefix.
    assert_eq!(layers(&infer(&gpt2(12, 768, false, ""))), layers(&conv1d));
}

#[test]
fn gpt2_that_is_neither_says_so() {
    let mut all = gpt2(2, 8, false, "");
    let at = all.iter().position(|p| p.name == "h.0.attn.c_attn.weight").unwrap();
    all[at].shape = vec![8, 10]; // multi-query
    let error = infer_as(Architecture::Gpt2, &all).unwrap_err().to_string();
    assert!(error.contains("`h.0.attn.c_attn.weight` [8, 10]"), "{error}");
    assert_eq!(infer(&all).architecture(), Architecture::Generic);
    let mut all = gpt2(2, 8, false, "");
    let at = all.iter().position(|p| p.name == "h.1.mlp.c_fc.weight").unwrap();
    all[at].shape = vec![32, 8]; // the other layout
    let error = infer_as(Architecture::Gpt2, &all).unwrap_err().to_string();
    assert!(error.contains("`h.1.mlp.c_fc.weight` has shape [32, 8]"), "{error}");
}

/// A Llama-like model whose attention is `heads` wide and `key_value` in keys and values.
fn grouped(
    blocks: usize,
    d: usize,
    heads: usize,
    key_value: usize,
    hidden: usize,
) -> Vec<Parameter> {
    let mut all = parameters(&[
        ("model.embed_tokens.weight", &[32_000, d]),
        ("model.norm.weight", &[d]),
        ("lm_head.weight", &[32_000, d]),
    ]);
    for i in 0..blocks {
        for (name, shape) in [
            ("self_attn.q_proj.weight", vec![heads, d]),
            ("self_attn.k_proj.weight", vec![key_value, d]),
            ("self_attn.v_proj.weight", vec![key_value, d]),
            ("self_attn.o_proj.weight", vec![d, heads]),
            ("self_attn.q_proj.bias", vec![heads]),
            ("self_attn.q_norm.weight", vec![128]),
            ("self_attn.k_norm.weight", vec![128]),
            ("mlp.gate_proj.weight", vec![hidden, d]),
            ("mlp.up_proj.weight", vec![hidden, d]),
            ("mlp.down_proj.weight", vec![d, hidden]),
            ("input_layernorm.weight", vec![d]),
            ("self_attn.rotary_emb.inv_freq", vec![64]),
        ] {
            all.push(Parameter::new(format!("model.layers.{i}.{name}"), shape));
        }
    }
    all
}

#[test]
fn mistral_7b_qwen2_and_qwen3() {
    for (blocks, d, heads, key_value, hidden, expected) in [
        // Mistral-7B: 2·4096² + 2·1024·4096 + 3·14336·4096 = 218 103 808 a block.
        (32, 4096, 4096, 1024, 14_336, 32 * 218_103_808_usize),
        // Qwen2-0.5B: 2·896² + 2·128·896 + 3·4864·896 = 14 909 440 a block.
        (24, 896, 896, 128, 4864, 24 * 14_909_440),
        // Qwen3-0.6B, attention wider than the stream: 2·2048·1024 + 2·1024² + 3·3072·1024.
        (28, 1024, 2048, 1024, 3072, 28 * 15_728_640),
    ] {
        let network = infer(&grouped(blocks, d, heads, key_value, hidden));
        assert_eq!(network.architecture(), Architecture::Transformer);
        assert_eq!(network.warnings(), [""; 0]);
        assert_eq!(network.layers().len(), 5 * blocks + 1);
        assert_eq!(network.connections().len(), 7 * blocks);
        assert_eq!(weights(&network), expected);
        assert_eq!(width(&network, "block.3.attention"), heads);
        assert_eq!(width(&network, "block.3.key_value"), key_value);
        assert_eq!(leaving(&network, "block.3.residual").len(), 3);
        assert_eq!(leaving(&network, "block.3.middle").len(), 2);
        let why = "normalisation: it joins no neurons";
        assert!(left_out(&network).contains(&("model.layers.0.self_attn.q_norm.weight", why)));
    }
}

fn phi3(blocks: usize, d: usize, key_value: usize, hidden: usize) -> Vec<Parameter> {
    let mut all = parameters(&[("model.embed_tokens.weight", &[32_064, d])]);
    for i in 0..blocks {
        for (name, shape) in [
            ("self_attn.qkv_proj", [d + 2 * key_value, d]),
            ("self_attn.o_proj", [d, d]),
            ("mlp.gate_up_proj", [2 * hidden, d]),
            ("mlp.down_proj", [d, hidden]),
        ] {
            all.push(Parameter::new(format!("model.layers.{i}.{name}.weight"), shape));
        }
    }
    all
}

#[test]
fn phi3_fuses_both() {
    let network = infer(&phi3(32, 3072, 3072, 8192));
    assert_eq!(network.architecture(), Architecture::Transformer);
    assert_eq!(network.warnings(), [""; 0]);
    // 4·3072² + 3·8192·3072 = 113 246 208 a block.
    assert_eq!(weights(&network), 32 * 113_246_208);
    let copies: Vec<usize> = network.connections()[..4].iter().map(|c| c.copies).collect();
    assert_eq!(copies, [3, 1, 2, 1]);
    assert_eq!(width(&network, "block.0.mlp"), 8192);

    // Phi-3-medium: 40 heads of 128, keys and values of 10.
    let network = infer(&phi3(40, 5120, 1280, 17_920));
    assert_eq!(width(&network, "block.0.query_key_value"), 7680);
    assert_eq!(width(&network, "block.0.attention"), 5120);
    // 7680·5120 + 5120² + 3·17920·5120 = 340 787 200 a block.
    assert_eq!(weights(&network), 40 * 340_787_200);
    assert_eq!(
        joined(&network, "model.layers.1.self_attn.qkv_proj.weight"),
        "block.1.residual>block.1.query_key_value"
    );
}

#[test]
fn per_head_reads_the_rows_as_the_model_does() {
    let all = super::super::gpt_neox(12, 768, 50_304);
    let per_head =
        |heads| Network::infer(&all, &Selection { per_head: Some(heads), ..Selection::default() });
    let network = per_head(12).unwrap();
    let qkv = &network.connections()[0];
    assert_eq!((qkv.copies, qkv.heads), (3, 12));
    // Head 1 begins at row 3·64; its keys 64 rows on, its values 128 on.
    assert_eq!([0, 1, 2].map(|copy| qkv.output(copy, 64 + 5)), [197, 261, 325]);
    assert_eq!(network.connections()[1].heads, 1);
    let published = infer(&all);
    let qkv = &published.connections()[0];
    assert_eq!([0, 1, 2].map(|copy| qkv.output(copy, 69)), [69, 837, 1605]);
    assert_eq!(weights(&network), weights(&published));

    for heads in [0, 7] {
        let error = per_head(heads).unwrap_err();
        assert!(matches!(error, NetworkError::PerHead { .. }));
        assert!(error.to_string().contains("`block.0.attention` has 768 neurons"), "{error}");
    }
    let selection = Selection { per_head: Some(12), ..Selection::default() };
    let chain = [Parameter::new("0.weight", [30, 20]), Parameter::new("2.weight", [10, 30])];
    let error = Network::infer(&chain, &selection).unwrap_err().to_string();
    assert!(error.contains("the architecture is mlp"), "{error}");
}
