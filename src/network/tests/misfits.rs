use super::*;

/// The fault must be in the warning of the generic fallback and in the error by name.
fn misfit(architecture: Architecture, parameters: &[Parameter], parts: &[&str]) {
    let network = infer(parameters);
    assert_eq!(network.architecture(), Architecture::Generic);
    let [warning] = network.warnings() else {
        panic!("one warning: {:?}", network.warnings());
    };
    let error = infer_as(architecture, parameters).unwrap_err();
    assert!(matches!(error, NetworkError::DoesNotFit { .. }), "{error}");
    for part in parts {
        assert!(warning.contains(part), "{part} in {warning}");
        assert!(error.to_string().contains(part), "{part} in {error}");
    }
}

#[test]
fn transformers_with_a_fault() {
    let neox = gpt_neox(3, 6, 11);
    let llama = llama(3, 8, 4, 20);
    let without = |all: &[Parameter], name: &str| -> Vec<Parameter> {
        assert!(all.iter().any(|p| p.name == name));
        all.iter().filter(|p| p.name != name).cloned().collect()
    };
    let reshaped = |all: &[Parameter], name: &str, shape: &[usize]| {
        let mut all = without(all, name);
        all.push(Parameter::new(name, shape));
        all
    };

    let name = "gpt_neox.layers.1.mlp.dense_h_to_4h.weight";
    misfit(Architecture::GptNeox, &without(&neox, name), &[name, "missing", "[24, 6]"]);
    let name = "gpt_neox.layers.2.attention.query_key_value.weight";
    for (shape, part) in
        [(&[18, 7][..], "[18, 7]"), (&[19, 6], "[19, 6]"), (&[18, 6, 1], "[18, 6, 1]")]
    {
        misfit(Architecture::GptNeox, &reshaped(&neox, name, shape), &[name, part]);
    }
    let one_without: Vec<_> =
        neox.iter().filter(|p| !p.name.contains("attention.dense")).cloned().collect();
    misfit(Architecture::GptNeox, &one_without, &["attention.dense"]);
    let gap: Vec<_> = neox.iter().filter(|p| !p.name.contains("layers.1.")).cloned().collect();
    misfit(Architecture::GptNeox, &gap, &["gpt_neox.layers.0", "gpt_neox.layers.2"]);

    for (name, shape) in [
        ("self_attn.q_proj", [8, 9]),
        ("self_attn.k_proj", [16, 8]),
        ("self_attn.v_proj", [8, 8]),
        ("self_attn.o_proj", [8, 4]),
        ("mlp.gate_proj", [21, 8]),
        ("mlp.up_proj", [20, 9]),
        ("mlp.down_proj", [9, 20]),
    ] {
        let name = format!("model.layers.1.{name}.weight");
        misfit(Architecture::Transformer, &without(&llama, &name), &[&name]);
        misfit(
            Architecture::Transformer,
            &reshaped(&llama, &name, &shape),
            &[&name, &format!("{shape:?}")],
        );
    }

    let mut twice = llama.clone();
    twice.push(Parameter::new("model.layers.0.self_attn.wq.weight", [8, 8]));
    misfit(
        Architecture::Transformer,
        &twice,
        &["layers.0.self_attn.wq.weight", "layers.0.self_attn.q_proj.weight"],
    );
    let mut stacks = llama.clone();
    let decoder =
        llama.iter().map(|p| Parameter::new(format!("decoder.{}", p.name), p.shape.clone()));
    stacks.extend(decoder);
    misfit(
        Architecture::Transformer,
        &stacks,
        &["two stacks", "`decoder.model.layers.0", "`model.layers.0"],
    );
}

#[test]
fn an_architecture_that_is_not_there() {
    let chain = parameters(&[("0.weight", &[4, 3])]);
    let error = infer_as(Architecture::GptNeox, &chain).unwrap_err();
    assert!(error.to_string().contains("query_key_value"), "{error}");
    let error = infer_as(Architecture::Transformer, &chain).unwrap_err();
    assert!(error.to_string().contains("q_proj"), "{error}");
}
