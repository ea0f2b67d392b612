use super::*;

#[test]
fn patterns_that_do_nothing_are_errors() {
    let all = gpt_neox(1, 6, 11);
    for (include, exclude, parts) in [
        (&["embed"][..], &[][..], ["include", "`embed`", "16"]),
        (&[], &["*.mlp*", "mlp.*"], ["exclude", "`mlp.*`", "16"]),
        (&["*layernorm*"], &[], ["`*layernorm*`", "input_layernorm.bias", "[6]"]),
    ] {
        let error = selected(&all, include, exclude).unwrap_err();
        for part in parts {
            assert!(error.to_string().contains(part), "{part} in {error}");
        }
    }
}

#[test]
fn including_what_is_in_changes_nothing() {
    let all = gpt_neox(2, 6, 11);
    let network = selected(&all, &["*.mlp.*"], &[]).unwrap();
    assert_eq!(network, infer(&all));
}

#[test]
fn exclude_wins_over_include() {
    let all = parameters(&[("fc.weight", &[3, 4]), ("embed.weight", &[9, 4])]);
    let network = selected(&all, &["embed*"], &["embed*"]).unwrap();
    assert_eq!(left_out(&network), [("embed.weight", "excluded by the pattern `embed*`")]);
}

#[test]
fn an_included_matrix_joins_a_chain_if_it_fits() {
    let mut all = parameters(&[("embed.weight", &[8, 20]), ("fc.weight", &[4, 8])]);
    assert_eq!(layers(&infer(&all)), ["layer.0:8", "layer.1:4"]);
    let network = selected(&all, &["embed*"], &[]).unwrap();
    assert_eq!(layers(&network), ["layer.0:20", "layer.1:8", "layer.2:4"]);
    all[0].shape = vec![20, 8];
    let network = selected(&all, &["embed*"], &[]).unwrap();
    assert_eq!(
        layers(&network),
        ["layer.0:8", "layer.1:4", "embed.weight.in:8", "embed.weight.out:20"]
    );
}

#[test]
fn excluding_a_link_leaves_a_gap_and_excluding_an_odd_one_mends_the_chain() {
    let named = |shapes: &[[usize; 2]]| -> Vec<Parameter> {
        let new = |(i, shape): (usize, &[usize; 2])| Parameter::new(format!("{i}.weight"), *shape);
        shapes.iter().enumerate().map(new).collect()
    };
    let network = selected(&named(&[[8, 8]; 4]), &[], &["1.*", "2.*"]).unwrap();
    assert_eq!(joins(&network), ["0.weight layer.0>layer.1", "3.weight layer.3>layer.4"]);
    assert_eq!(layers(&network), ["layer.0:8", "layer.1:8", "layer.3:8", "layer.4:8"]);

    let network = selected(&named(&[[5, 4], [9, 9], [6, 5]]), &[], &["1.*"]).unwrap();
    assert_eq!(network.architecture(), Architecture::Mlp);
    assert_eq!(layers(&network), ["layer.0:4", "layer.1:5", "layer.2:6"]);
}

#[test]
fn excluding_what_stands_against_an_architecture_lets_it_be_recognised() {
    let mut all = llama(2, 8, 4, 20);
    let expected = infer(&all);
    all.push(Parameter::new("vision.layers.0.q_proj.weight", [6, 6]));
    all.push(Parameter::new("vision.layers.0.k_proj.weight", [6, 6]));
    assert_eq!(infer(&all).architecture(), Architecture::Generic);
    let network = selected(&all, &[], &["vision.*"]).unwrap();
    assert_eq!(network.layers(), expected.layers());
    assert_eq!(network.connections(), expected.connections());
    assert!(network.warnings().is_empty());
}

#[test]
fn what_exclusion_leaves_of_a_transformer_is_read_on_its_own() {
    let mut all = llama(2, 8, 4, 20);
    all.push(Parameter::new("critic.0.weight", [7, 8]));
    all.push(Parameter::new("critic.2.weight", [1, 7]));
    assert_eq!(infer(&all).architecture(), Architecture::Transformer);
    let network = selected(&all, &[], &["model.layers.*"]).unwrap();
    assert_eq!(layers(&network), ["layer.0:8", "layer.1:7", "layer.2:1"]);
}

#[test]
fn nothing_to_analyse_is_an_error() {
    for all in [
        vec![],
        parameters(&[("fc.bias", &[3]), ("embed.weight", &[5, 3])]),
        parameters(&[("fc.weight", &[0, 3])]),
    ] {
        let error = Network::infer(&all, &Selection::default()).unwrap_err();
        assert_eq!(error, NetworkError::NoMatrices { count: all.len(), untrained: 0 });
    }
    let all = gpt_neox(1, 6, 11);
    assert_eq!(
        selected(&all, &[], &["*"]),
        Err(NetworkError::NoMatrices { count: 16, untrained: 0 })
    );
}

#[test]
fn excluding_all_of_the_blocks_but_including_a_head_leaves_the_head() {
    let all = gpt_neox(1, 6, 11);
    let network = selected(&all, &["embed_out*"], &["gpt_neox.layers.*"]).unwrap();
    assert_eq!(layers(&network), ["embed_out.weight.in:6", "embed_out.weight.out:11"]);
}

#[test]
fn damaged_parameter_lists_are_refused() {
    let twice = parameters(&[("a", &[1, 2]), ("b", &[1, 2]), ("a", &[3, 4])]);
    assert_eq!(
        Network::infer(&twice, &Selection::default()),
        Err(NetworkError::DuplicateParameter { name: "a".into() })
    );
    let huge = parameters(&[("a", &[usize::MAX, 2, 0])]);
    assert!(matches!(
        Network::infer(&huge, &Selection::default()),
        Err(NetworkError::TooLarge { .. })
    ));
}

#[test]
fn architectures_have_names() {
    for architecture in Architecture::ALL {
        let name = architecture.to_string();
        assert_eq!(name.parse(), Ok(architecture));
        let json = serde_json::to_value(architecture).unwrap();
        assert_eq!(json, name.as_str());
    }
    let error = "gptneox".parse::<Architecture>().unwrap_err().to_string();
    for architecture in Architecture::ALL {
        assert!(error.contains(architecture.as_str()), "{error}");
    }
    assert_eq!(
        infer_as(Architecture::Custom, &gpt_neox(1, 6, 11)),
        Err(NetworkError::CustomByName)
    );
}
