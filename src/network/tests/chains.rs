use super::*;
use crate::network::{Connection, Role};

#[test]
fn golden_mlp() {
    let network = infer(&parameters(&[
        ("layers.0.weight", &[30, 20]),
        ("layers.1.weight", &[25, 30]),
        ("layers.2.weight", &[40, 25]),
    ]));
    assert_eq!(network.architecture(), Architecture::Mlp);
    assert_eq!(layers(&network), ["layer.0:20", "layer.1:30", "layer.2:25", "layer.3:40"]);
    let roles: Vec<Role> = network.layers().iter().map(|l| l.role).collect();
    assert_eq!(roles, [Role::Linear, Role::Linear, Role::Linear, Role::Output]);
    let shapes: Vec<_> = network
        .connections()
        .iter()
        .map(|c| (c.parameter.as_str(), c.source, c.target, c.inputs, c.outputs))
        .collect();
    assert_eq!(
        shapes,
        [
            ("layers.0.weight", 0, 1, 20, 30),
            ("layers.1.weight", 1, 2, 30, 25),
            ("layers.2.weight", 2, 3, 25, 40),
        ]
    );
    assert!(network.left_out().is_empty() && network.warnings().is_empty());
}

#[test]
fn tch_sequential_names() {
    // nn::seq numbers its layers, activations included: digits reach 10.
    let network = infer(&parameters(&[
        ("10.weight", &[10, 50]),
        ("10.bias", &[10]),
        ("0.weight", &[30, 784]),
        ("0.bias", &[30]),
        ("2.weight", &[50, 30]),
        ("2.bias", &[50]),
    ]));
    assert_eq!(
        joins(&network),
        ["0.weight layer.0>layer.1", "2.weight layer.1>layer.2", "10.weight layer.2>layer.3"]
    );
    let names: Vec<&str> = network.left_out().iter().map(|l| l.name.as_str()).collect();
    assert_eq!(names, ["0.bias", "2.bias", "10.bias"]);
}

#[test]
fn last_layers_of_chains_stay() {
    for names in [
        ["layer1.weight", "layer2.weight", "output.weight"],
        ["fc.0.weight", "fc.2.weight", "head.weight"],
        ["fc1.weight", "fc2.weight", "q.weight"],
        ["w1", "w2", "w3"],
    ] {
        let network = infer(&parameters(&[
            (names[0], &[30, 20]),
            (names[1], &[30, 30]),
            (names[2], &[2, 30]),
        ]));
        assert_eq!(network.architecture(), Architecture::Mlp, "{names:?}");
        assert_eq!(network.connections()[2].parameter, names[2]);
    }
}

#[test]
fn a_single_matrix_is_a_chain() {
    let network = infer(&parameters(&[("weight", &[1, 7]), ("bias", &[1])]));
    assert_eq!(layers(&network), ["layer.0:7", "layer.1:1"]);
}

#[test]
fn layers_number_naturally() {
    let named: Vec<Parameter> =
        (0..12).map(|i| Parameter::new(format!("layers.{i}.weight"), [i + 2, i + 1])).collect();
    let network = infer(&named);
    assert_eq!(network.connections()[10].parameter, "layers.10.weight");
    assert_eq!(network.layers()[12].width, 13);
}

#[test]
fn broken_chains_become_generic() {
    let actor_critic = parameters(&[
        ("actor.0.weight", &[64, 4]),
        ("actor.2.weight", &[2, 64]),
        ("critic.0.weight", &[64, 4]),
        ("critic.0.bias", &[64]),
    ]);
    let network = infer(&actor_critic);
    assert_eq!(network.architecture(), Architecture::Generic);
    assert_eq!(
        layers(&network),
        [
            "in:4",
            "actor.0.weight.out:64",
            "actor.2.weight.in:64",
            "actor.2.weight.out:2",
            "critic.0.weight.out:64"
        ]
    );
    let warning = &network.warnings()[0];
    for part in [
        "`critic.0.weight` [64, 4]",
        "`actor.2.weight` [2, 64]",
        "columns (second dimension) are source neurons",
        "Network::builder()",
    ] {
        assert!(warning.contains(part), "{part} in {warning}");
    }
    let error = infer_as(Architecture::Mlp, &actor_critic).unwrap_err();
    assert!(error.to_string().contains("`critic.0.weight` [64, 4] reads 4"));

    let network = infer_as(Architecture::Generic, &actor_critic).unwrap();
    assert!(network.warnings().is_empty(), "it was asked for by name");
}

#[test]
fn convolutions_that_do_not_chain_keep_their_taps() {
    let network = infer(&parameters(&[
        ("conv1.weight", &[8, 3, 5, 5]),
        ("conv2.weight", &[16, 9, 3]),
        ("fc.weight", &[10, 16]),
    ]));
    assert_eq!(network.architecture(), Architecture::Generic);
    let why = "`conv2.weight` [16, 9, 3] reads 9 values, but `conv1.weight` [8, 3, 5, 5] before it";
    assert!(network.warnings()[0].contains(why), "{}", network.warnings()[0]);
    let taps: Vec<_> =
        network.connections().iter().map(|c| (c.inputs, c.outputs, c.taps, c.weights())).collect();
    assert_eq!(taps, [(3, 8, 25, 600), (9, 16, 3, 432), (16, 10, 1, 160)]);
}

#[test]
fn attention_and_recurrence_are_no_chain_however_well_they_fit() {
    for name in ["encoder.attention.self.query.weight", "h.0.attn.c_attn.weight", "weight_hh_l0"] {
        let parameters = parameters(&[("a.weight", &[8, 8]), (name, &[8, 8])]);
        let network = infer(&parameters);
        assert_eq!(network.architecture(), Architecture::Generic, "{name}");
        assert!(network.warnings()[0].contains(&format!("`{name}` [8, 8]")));
        assert!(infer_as(Architecture::Mlp, &parameters).is_ok());
    }
}

#[test]
fn an_output_head_of_the_shape_of_the_embedding_is_left_out() {
    let mut all = parameters(&[
        ("embed.weight", &[99, 8]),
        ("lstm.weight_ih_l0", &[32, 8]),
        ("lstm.weight_hh_l0", &[32, 8]),
        ("head.weight", &[99, 8]),
    ]);
    assert_eq!(infer(&all).connections().len(), 2);
    all[3].shape[0] = 2;
    assert_eq!(infer(&all).connections().len(), 3);
}

#[test]
fn learned_tokens_are_left_out() {
    let network = infer(&parameters(&[("cls_token", &[1, 1, 8]), ("fc.weight", &[1, 1])]));
    assert_eq!(network.architecture(), Architecture::Mlp);
    assert_eq!(left_out(&network), [("cls_token", "a token: it joins one pair")]);
}

#[test]
fn names_decide_where_the_order_of_creation_would_need_groups() {
    let shapes: [(&str, &[usize]); 5] = [
        ("conv1.weight", &[32, 1, 5]),
        ("conv2.weight", &[8, 32, 5]),
        ("conv3.weight", &[8, 8, 5]),
        ("conv4.weight", &[8, 8, 5]),
        ("conv5.weight", &[16, 8, 5]),
    ];
    let chain = |made: [usize; 5]| {
        let mut all = parameters(&shapes);
        all.iter_mut().zip(made).for_each(|(parameter, made)| parameter.made = Some(made));
        let network = infer_as(Architecture::Cnn, &all).unwrap();
        let of = |c: &Connection| (c.parameter.replace(".weight", ""), c.groups);
        network.connections().iter().map(of).collect::<Vec<_>>()
    };
    let named = |order: [usize; 5]| order.map(|k| (format!("conv{k}"), 1)).to_vec();
    assert_eq!(chain([2, 0, 3, 1, 4]), named([1, 2, 3, 4, 5]), "conv2, conv4, conv1, ..");
    assert_eq!(chain([0, 1, 3, 2, 4]), named([1, 2, 4, 3, 5]), "as they were made");
}
