use super::*;

const BASE: &str = "base_model.model.model.layers";

/// Adapters of rank r as PEFT names them, in a live model (`.default`) or a file of its own.
fn adapters(
    blocks: usize,
    r: usize,
    modules: &[(&str, usize, usize)],
    adapter: &str,
) -> Vec<Parameter> {
    let mut all = Vec::new();
    for i in 0..blocks {
        for (module, output, input) in modules {
            let name = |part: &str| format!("{BASE}.{i}.{module}.{part}{adapter}.weight");
            all.push(Parameter::new(name("lora_A"), [r, *input]));
            all.push(Parameter::new(name("lora_B"), [*output, r]));
        }
    }
    all
}

const ATTENTION: [(&str, usize, usize); 4] = [
    ("self_attn.q_proj", 4096, 4096),
    ("self_attn.k_proj", 1024, 4096),
    ("self_attn.v_proj", 1024, 4096),
    ("self_attn.o_proj", 4096, 4096),
];

#[test]
fn mistral_adapters_alone() {
    let network = infer(&adapters(32, 16, &ATTENTION, ""));
    assert_eq!(network.architecture(), Architecture::Lora);
    // 16·(4·4096 + 4096 + 1024 + 1024 + 4096) = 425 984 a block.
    assert_eq!(weights(&network), 32 * 425_984);
    assert_eq!(network.connections().len(), 8 * 32);
    // Two sources (q, k and v share theirs), and a rank and an output layer for each module.
    assert_eq!(network.layers().len(), 32 * (2 + 2 * 4));
    let attention = format!("{BASE}.3.self_attn");
    assert_eq!(
        leaving(&network, &format!("{attention}.in")),
        ["k", "q", "v"].map(|m| format!("{attention}.{m}_proj.lora_A.weight"))
    );
    assert_eq!(
        joined(&network, &format!("{attention}.v_proj.lora_B.weight")),
        format!("{attention}.v_proj.rank>{attention}.v_proj.out")
    );
    assert_eq!(width(&network, &format!("{attention}.k_proj.rank")), 16);
    let [warning] = network.warnings() else { panic!("{:?}", network.warnings()) };
    for part in ["neither the frozen weights nor the product B·A", "baseline", "[16, 4096]"] {
        assert!(warning.contains(part), "{warning}");
    }
}

#[test]
fn the_frozen_base_is_left_out() {
    let modules = [("self_attn.q_proj", 64, 64), ("self_attn.v_proj", 64, 64)];
    let mut all = adapters(2, 8, &modules, ".default");
    for i in 0..2 {
        for module in ["self_attn.q_proj.base_layer", "self_attn.k_proj", "mlp.up_proj"] {
            all.push(Parameter::new(format!("{BASE}.{i}.{module}.weight"), [64, 64]));
        }
    }
    let network = infer(&all);
    assert_eq!(network.architecture(), Architecture::Lora);
    assert_eq!(weights(&network), 2 * 2 * 2 * 8 * 64);
    let frozen = format!("{BASE}.0.self_attn.q_proj.base_layer.weight");
    let why = "frozen base: an include pattern puts it in";
    assert!(left_out(&network).contains(&(frozen.as_str(), why)));
    // 16 edges for each source of q and v.
    assert_eq!(network.warnings().len(), 1);

    let network = selected(&all, &["*.q_proj.base_layer.weight"], &[]).unwrap();
    assert_eq!(weights(&network), 2 * 2 * 2 * 8 * 64 + 2 * 64 * 64);
}

#[test]
fn small_ranks_are_warned_of() {
    let network = infer(&adapters(2, 8, &[("mlp.down_proj", 64, 128)], ".default"));
    let few = &network.warnings()[1];
    let layer = format!("`{BASE}.0.mlp.down_proj.in` and 1 more");
    assert!(few.contains(&layer) && few.contains("min_edges"), "{few}");
    let q = ("self_attn.q_proj", 64, 64);
    let trained = Parameter::new("base_model.model.score.modules_to_save.default.weight", [2, 64]);
    let mut all = adapters(1, 16, &[q], "");
    all.push(trained);
    let warnings = infer(&all).warnings().to_vec();
    assert!(warnings[1].contains("modules_to_save.default.weight` [2, 64]"), "{warnings:?}");
    // As peft writes it, without the base.
    let saved =
        ["base_model.model.score.weight", "base_model.model.model.layers.0.mlp.down_proj.weight"];
    let mut all = adapters(1, 16, &[q], "");
    all.extend(saved.map(|name| Parameter::new(name, [64, 64])));
    let network = infer(&all);
    let whole: Vec<&str> = network.connections().iter().map(|c| c.parameter.as_str()).collect();
    assert!(saved.iter().all(|name| whole.contains(name)), "{whole:?}");
}

#[test]
fn cross_attention_reads_its_context() {
    let attention = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2";
    let mut all = Vec::new();
    for (part, input) in [("to_q", 320), ("to_k", 768), ("to_v", 768), ("to_out.0", 320)] {
        all.push(Parameter::new(format!("{attention}.{part}.lora_A.weight"), [4, input]));
        all.push(Parameter::new(format!("{attention}.{part}.lora_B.weight"), [320, 4]));
    }
    let network = infer(&all);
    assert_eq!(leaving(&network, "context").len(), 2);
    assert_eq!(width(&network, "context"), 768);
    assert_eq!(leaving(&network, &format!("{attention}.in")).len(), 1);
}

#[test]
fn half_an_adapter_is_named() {
    for (missing, part) in [("lora_B", "no lora_B found"), ("lora_A", "no lora_A found")] {
        let mut all = adapters(1, 8, &[("self_attn.q_proj", 64, 64)], "");
        all.extend(adapters(1, 8, &[("mlp.up_proj", 64, 64)], ""));
        all.retain(|p| !p.name.contains("up_proj") || !p.name.contains(missing));
        let error = infer_as(Architecture::Lora, &all).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("mlp.up_proj"), "{error}");
    }
    let mut all = adapters(1, 8, &[("self_attn.q_proj", 64, 64)], "");
    all[1].shape = vec![64, 9];
    let error = infer_as(Architecture::Lora, &all).unwrap_err().to_string();
    assert!(error.contains("[64, 9] reads 9 values"), "{error}");
}
