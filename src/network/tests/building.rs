use super::*;
use crate::network::{NetworkBuilder, Orientation, Role};

fn lstm() -> Vec<Parameter> {
    parameters(&[
        ("weight_ih", &[12, 5]),
        ("weight_hh", &[12, 3]),
        ("bias_ih", &[12]),
        ("out", &[3, 7]),
    ])
}

fn good() -> NetworkBuilder {
    Network::builder()
        .layer("in", 5)
        .layer("hidden", 3)
        .role(Role::MlpOut)
        .block(4)
        .layer("next", 3)
        .draw(2)
        .layer("out", 7)
        .role(Role::Linear)
        .connect("weight_ih", "in", "next")
        .copies(4)
        .connect("weight_hh", "hidden", "next")
        .copies(4)
        .connect("out", "next", "out")
        .orientation(Orientation::InOut)
}

#[test]
fn a_recurrent_network() {
    let network = good().build(&lstm()).unwrap();
    assert_eq!(network.architecture(), Architecture::Custom);
    assert_eq!(layers(&network), ["in:5", "hidden:3", "next:3", "out:7"]);
    assert_eq!(
        joins(&network),
        ["weight_ih in>next ×4", "weight_hh hidden>next ×4", "out next>out"]
    );
    let layers: Vec<_> = network.layers().iter().map(|l| (l.role, l.draw, l.block)).collect();
    assert_eq!(
        layers,
        [
            (Role::Linear, 1, None),
            (Role::MlpOut, 1, Some(4)),
            (Role::Linear, 2, None),
            (Role::Output, 1, None)
        ]
    );
    let out = &network.connections()[2];
    assert_eq!((out.inputs, out.outputs, out.taps), (3, 7, 1));
    assert_eq!(network.left_out()[0].name, "bias_ih");
}

#[test]
fn a_convolution() {
    let network = Network::builder()
        .layer("in", 3)
        .layer("out", 8)
        .connect("conv", "in", "out")
        .build(&parameters(&[("conv", &[8, 3, 5, 2])]))
        .unwrap();
    assert_eq!(network.connections()[0].taps, 10);
}

#[test]
fn errors_name_what_is_wrong() {
    let two = || Network::builder().layer("a", 5).layer("b", 12);
    let cases: [(NetworkBuilder, &[&str]); 15] = [
        (Network::builder().draw(2).layer("a", 1), &["draw(2)", "layer(..)"]),
        (two().copies(3).connect("weight_ih", "a", "b"), &["copies(3)", "connect(..)"]),
        (two(), &["connect("]),
        (good().layer("in", 2), &["two neuron layers", "`in`"]),
        (good().layer("odd", 2), &["`odd`"]),
        (good().layer("odd", 0), &["`odd`", "width 0"]),
        (two().draw(0), &["`b`", "draw 0"]),
        (two().connect("weight_ih", "a", "c"), &["`weight_ih`", "`c`", "[\"a\", \"b\"]"]),
        (two().connect("ih", "a", "b"), &["`ih`", "`a`", "`b`", "did you mean `bias_ih`"]),
        (two().connect("zz", "a", "b"), &["`zz`", "does not exist: use the full name"]),
        (good().connect("out", "in", "next"), &["`out` is connected twice"]),
        (two().connect("weight_ih", "a", "a"), &["`weight_ih`", "`a` to itself"]),
        (
            two().connect("weight_ih", "b", "a"),
            &["[12, 5]", "[5, 12, taps..]", "`b` (width 12)", "`a` (width 5)"],
        ),
        (two().connect("weight_ih", "a", "b").copies(0), &["[0·12, 5, taps..]", "at least 1"]),
        (
            two().connect("weight_ih", "a", "b").orientation(Orientation::InOut),
            &["[12, 5]", "must be [5, 12, taps..]"],
        ),
    ];
    for (builder, parts) in cases {
        let error = builder.build(&lstm()).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part} in {error}");
        }
    }
}

#[test]
fn a_bias_is_no_connection() {
    let network =
        Network::builder().layer("a", 12).layer("b", 1).connect("bias_ih", "a", "b").build(&lstm());
    assert!(matches!(network, Err(NetworkError::ConnectionShape { .. })));
}

#[test]
fn stored_networks_read_back() {
    for network in [
        good().build(&lstm()).unwrap(),
        infer(&gpt_neox(2, 6, 11)),
        infer(&parameters(&[("a.weight", &[2, 3, 4])])),
    ] {
        let json = serde_json::to_string(&network).unwrap();
        assert_eq!(serde_json::from_str::<Network>(&json).unwrap(), network);
    }
}

#[test]
fn damaged_networks_are_refused() {
    let stored = serde_json::to_value(good().build(&lstm()).unwrap()).unwrap();
    assert_eq!(stored["connections"][0]["orientation"], "out_in");
    assert_eq!(stored["layers"][1]["role"], "mlp_out");
    let all = stored["layers"].as_array().unwrap().clone();
    for (pointer, value, part) in [
        ("/connections/0/source", 9.into(), "`weight_ih`"),
        ("/connections/0/target", 9.into(), "`weight_ih`"),
        ("/connections/0/target", 0.into(), "`weight_ih`"),
        ("/connections/0/copies", 3.into(), "`weight_ih`"),
        ("/connections/1/inputs", 4.into(), "`weight_hh`"),
        ("/connections/1/taps", 0.into(), "`weight_hh`"),
        ("/connections/2/taps", u64::MAX.into(), "`out`"),
        ("/connections/1/parameter", "weight_ih".into(), "twice"),
        ("/layers/0/draw", 0.into(), "`in`"),
        ("/layers/1/name", "other".into(), "`weight_hh`"),
        ("/layers", [&all[..], &all[..1]].concat().into(), "two layers are called `in`"),
    ] {
        let mut damaged: serde_json::Value = stored.clone();
        *damaged.pointer_mut(pointer).unwrap() = value;
        let error = serde_json::from_value::<Network>(damaged).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("damaged"), "{pointer}: {error}");
    }
}
