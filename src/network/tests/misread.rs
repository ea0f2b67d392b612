//! Networks that were once read wrongly without a word: each is read right, or says what it does not
//! know.

use super::real::joined;
use super::*;
use crate::network::Orientation;

/// Parameters of equal shapes, `{}` in the name standing for each of `parts`.
fn alike(pattern: &str, parts: &[&str], shape: &[usize]) -> Vec<Parameter> {
    parts.iter().map(|part| Parameter::new(pattern.replace("{}", part), shape)).collect()
}

/// The connections that leave one layer together with another, layer by layer.
pub(super) fn together(network: &Network) -> Vec<Vec<&str>> {
    let layers = 0..network.layers().len();
    let leaving = layers.map(|k| network.leaving(k).map(|c| c.parameter.as_str()).collect());
    leaving.filter(|names: &Vec<&str>| names.len() > 1).collect()
}

/// Whether some layer is both reached and left.
fn chained(network: &Network) -> bool {
    network.connections().iter().any(|c| network.leaving(c.target).next().is_some())
}

#[test]
fn what_stands_side_by_side_by_its_name_is_no_chain() {
    for (pattern, parts) in [
        ("{}.weight", &["left.0", "left.2", "right.0", "right.2"][..]),
        ("convs.{}.weight", &["0.lin_l", "0.lin_r", "1.lin_l", "1.lin_r"]),
        ("{}.weight", &["online.0", "online.2", "target.0", "target.2"]),
        ("{}.weight", &["student.fc1", "student.fc2", "teacher.fc1", "teacher.fc2"]),
        ("{}.weight", &["actor.0", "actor.2", "critic.0", "critic.2"]),
        ("{}.weight", &["pi.0", "pi.2", "vf.0", "vf.2"]),
        ("{}.weight", &["critic1.0", "critic1.2", "critic2.0", "critic2.2"]),
        ("{}.weight", &["net.fc1", "net.fc2", "ema_net.fc1", "ema_net.fc2"]),
        ("{}.weight", &["user_tower.0", "user_tower.2", "item_tower.0", "item_tower.2"]),
        ("{}.weight", &["nonlinear.0", "linear.0", "gate.0"]),
        ("{}.weight", &["fc1", "fc2", "shortcut"]),
        ("{}.weight", &["fc1", "fc2", "skip_proj"]),
        ("{}.weight", &["w1", "w2", "w3"]),
        ("experts.{}.weight", &["0", "1", "2", "3"]),
        ("nets.{}.weight", &["0.0", "0.2", "1.0", "1.2"]),
        ("expert_{}.weight", &["0.fc1", "0.fc2", "1.fc1", "1.fc2"]),
        ("branch{}.weight", &["0", "1"]),
    ] {
        let network = infer(&alike(pattern, parts, &[64, 64]));
        assert_eq!(network.architecture(), Architecture::Generic, "{parts:?}");
        assert!(!chained(&network), "{parts:?}");
        let warning = &network.warnings()[0];
        assert!(warning.contains("stand side by side"), "{parts:?}: {warning}");
    }
    for parts in [&["conv_a", "conv_gate"][..], &["rgb.left.0", "rgb.right.0"]] {
        let network = infer(&alike("{}.weight", parts, &[64, 64, 3]));
        assert_eq!(network.architecture(), Architecture::Generic, "{parts:?}");
    }
}

#[test]
fn an_order_that_could_be_another_is_said() {
    for parts in [["carry", "transform"], ["net_a.0", "net_b.0"], ["lins.0", "lins.1"]] {
        let network = infer(&alike("{}.weight", &parts, &[64, 64]));
        let [warning] = network.warnings() else { panic!("{parts:?}: {:?}", network.warnings()) };
        assert!(warning.contains("order is taken from names: check it with inspect"), "{warning}");
    }
    for parts in [
        &["fc1", "fc2", "fc3"][..],
        &["0", "2", "4"],
        &["layers.0", "layers.1"],
        &["encoder.0", "decoder.0"],
        &["features.0", "classifier.0"],
    ] {
        assert_eq!(infer(&alike("{}.weight", parts, &[64, 64])).warnings(), [""; 0], "{parts:?}");
    }
}

#[test]
fn an_encoder_comes_before_its_decoder() {
    let network = infer(&parameters(&[
        ("decoder.0.weight", &[64, 24]),
        ("decoder.2.weight", &[784, 64]),
        ("encoder.0.weight", &[64, 784]),
        ("encoder.2.weight", &[24, 64]),
    ]));
    assert_eq!(
        layers(&network),
        ["layer.0:784", "layer.1:64", "layer.2:24", "layer.3:64", "layer.4:784"]
    );
}

#[test]
fn convolutions_of_one_list_may_be_parallel() {
    // Kim's CNN, with as many filters as dimensions, and as Conv2d(1, n, (k, d)).
    let mut equal = Vec::new();
    let mut image = Vec::new();
    for (i, k) in [3, 4, 5].into_iter().enumerate() {
        equal.push(Parameter::new(format!("convs.{i}.weight"), [100, 100, k]));
        image.push(Parameter::new(format!("convs.{i}.weight"), [100, 1, k, 50]));
    }
    for mut all in [equal, image] {
        all.push(Parameter::new("fc.weight", [2, 300]));
        let network = infer(&all);
        assert_eq!(together(&network), [["convs.0.weight", "convs.1.weight", "convs.2.weight"]]);
        assert!(network.connections().iter().all(|c| c.groups == 1));
        assert!(network.warnings()[0].contains("read one layer"), "{:?}", network.warnings());
    }
    let kernels = ["b1", "b3", "b5"].into_iter().zip([1, 3, 5]);
    let all = kernels.map(|(b, k)| Parameter::new(format!("{b}.weight"), [64, 64, k, k]));
    assert_eq!(infer(&all.collect::<Vec<_>>()).architecture(), Architecture::Generic);
}

#[test]
fn wavenet_has_filters_next_to_gates() {
    let mut all = Vec::new();
    for (list, outputs, kernel) in
        [("filter", 32, 2), ("gate", 32, 2), ("residual", 32, 1), ("skip", 256, 1)]
    {
        for i in 0..2 {
            all.push(Parameter::new(format!("{list}_convs.{i}.weight"), [outputs, 32, kernel]));
        }
    }
    let network = infer(&all);
    assert_eq!(
        together(&network),
        [
            ["filter_convs.0.weight", "gate_convs.0.weight"],
            ["filter_convs.1.weight", "gate_convs.1.weight"],
            ["residual_convs.0.weight", "skip_convs.0.weight"],
            ["residual_convs.1.weight", "skip_convs.1.weight"],
        ]
    );
    assert!(network.connections().iter().all(|c| c.groups == 1 && c.inputs == 32));
}

#[test]
fn resnet_d_pools_before_its_shortcuts() {
    let network = infer(&parameters(&[
        ("conv1.weight", &[32, 3, 3, 3]),
        ("layer1.0.conv1.weight", &[32, 32, 1, 1]),
        ("layer1.0.conv2.weight", &[128, 32, 3, 3]),
        ("layer1.0.downsample.1.weight", &[128, 32, 1, 1]),
        ("layer2.0.conv1.weight", &[64, 128, 1, 1]),
        ("layer2.0.conv2.weight", &[256, 64, 3, 3]),
        ("layer2.0.downsample.1.weight", &[256, 128, 1, 1]),
        ("fc.weight", &[10, 256]),
    ]));
    assert_eq!((network.architecture(), network.warnings()), (Architecture::Cnn, &[][..]));
    // The first stage keeps its positions: nothing is pooled.
    assert_eq!(together(&network), [["layer1.0.conv1.weight", "layer1.0.downsample.1.weight"]]);
    let shortcut = joined(&network, "layer2.0.downsample.1.weight");
    assert_eq!(shortcut, "layer2.0.downsample.1.in>layer2.0");
    assert!(network.connections().iter().all(|c| c.groups == 1));
}

#[test]
fn transposed_convolutions_that_nothing_shows_are_said() {
    let all: Vec<Parameter> = alike("{}.weight", &["0", "2", "4"], &[64, 64, 4, 4]);
    let [warning] = infer(&all).warnings().to_vec().try_into().unwrap_or_else(|w| panic!("{w:?}"));
    assert!(warning.contains("may be a transposed convolution, by the size"), "{warning}");
    // A bias shows it.
    let network = infer(&parameters(&[
        ("0.weight", &[64, 32, 4, 4]),
        ("0.bias", &[32]),
        ("2.weight", &[32, 16, 4, 4]),
        ("2.bias", &[16]),
    ]));
    assert!(network.connections().iter().all(|c| c.orientation == Orientation::InOut));
    assert_eq!(network.warnings(), [""; 0]);
}

#[test]
fn recurrent_layers_have_projections_before_and_heads_behind() {
    let lstm = |input: usize| {
        parameters(&[("lstm.weight_ih_l0", &[256, input]), ("lstm.weight_hh_l0", &[256, 64])])
    };
    let mut all = lstm(64);
    all.extend(parameters(&[("input_proj.weight", &[64, 64]), ("out.weight", &[10, 64])]));
    let network = infer(&all);
    assert_eq!(joined(&network, "input_proj.weight"), "input_proj.in>lstm.l0.input");
    assert_eq!(joined(&network, "out.weight"), "lstm.l0.hidden>out");
    // A name that says neither.
    let mut all = lstm(64);
    all.push(Parameter::new("fc.weight", [64, 64]));
    assert!(infer(&all).warnings()[0].contains("fits before them as well"));
    for names in [["head_a", "head_b"], ["policy", "value"]] {
        let mut all = lstm(32);
        all.push(Parameter::new(format!("{}.weight", names[0]), [64, 64]));
        all.push(Parameter::new(format!("{}.weight", names[1]), [10, 64]));
        let network = infer(&all);
        for name in names {
            let heads = joined(&network, &format!("{name}.weight"));
            assert_eq!(heads, format!("lstm.l0.hidden>{name}"));
        }
    }
}

#[test]
fn experts_in_one_tensor_stand_side_by_side() {
    let mut all = alike("layers.0.self_attn.{}_proj.weight", &["q", "k", "v", "o"], &[96, 96]);
    all.extend(parameters(&[
        ("layers.0.moe.router.weight", &[4, 96]),
        ("layers.0.moe.input_linear.weight", &[4, 256, 96]),
        ("layers.0.moe.output_linear.weight", &[4, 96, 128]),
        ("layers.1.mlp.router.weight", &[4, 96]),
        ("layers.1.mlp.experts.gate_up_proj", &[4, 96, 256]),
        ("layers.1.mlp.experts.down_proj", &[4, 128, 96]),
    ]));
    let network = infer(&all);
    let of = |name: &str| {
        let c = network.connections().iter().find(|c| c.parameter.contains(name)).unwrap();
        (c.inputs, c.outputs, c.taps, c.groups, c.stacked, c.orientation)
    };
    use Orientation::{InOut, OutIn};
    assert_eq!(of("input_linear"), (96, 1024, 1, 1, 4, OutIn));
    assert_eq!(of("output_linear"), (512, 384, 1, 4, 1, OutIn));
    assert_eq!(of("gate_up_proj"), (96, 1024, 1, 1, 4, InOut));
    assert_eq!(of("experts.down_proj"), (512, 96, 1, 1, 1, InOut));
    let router = ["layers.1.mlp.experts.gate_up_proj", "layers.1.mlp.router.weight"];
    assert!(together(&network).contains(&router.to_vec()), "{:?}", together(&network));
    // The same from a file.
    let text = serde_json::to_string(&network).unwrap();
    assert_eq!(Network::from_json(&text, &all).unwrap().connections(), network.connections());
    // Megatron's layers in one tensor.
    let network = infer(&parameters(&[
        ("decoder.layers.self_attention.linear_qkv.weight", &[3, 288, 96]),
        ("decoder.layers.self_attention.linear_proj.weight", &[3, 96, 96]),
        ("decoder.layers.mlp.linear_fc1.weight", &[3, 384, 96]),
        ("decoder.layers.mlp.linear_fc2.weight", &[3, 96, 384]),
    ]));
    let fc1 = network.connections().iter().find(|c| c.parameter.contains("fc1")).unwrap();
    assert_eq!((fc1.inputs, fc1.outputs, fc1.taps, fc1.groups), (288, 1152, 1, 3));
}

#[test]
fn a_mixture_of_experts_has_one_input() {
    let mut all = alike("layers.0.self_attn.{}_proj.weight", &["q", "k", "v", "o"], &[96, 96]);
    all.push(Parameter::new("layers.0.mlp.gate.weight", [2, 96]));
    for module in ["experts.0", "experts.1", "shared_expert"] {
        all.extend(alike(
            &format!("layers.0.mlp.{module}.{{}}_proj.weight"),
            &["gate", "up"],
            &[64, 96],
        ));
        all.push(Parameter::new(format!("layers.0.mlp.{module}.down_proj.weight"), [96, 64]));
    }
    let network = infer(&all);
    let mut sizes: Vec<usize> = together(&network).iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [3, 7]);
}

#[test]
fn depthwise_and_grouped_convolutions_of_no_chain() {
    let network = infer(&parameters(&[
        ("mixer.conv1d.weight", &[96, 1, 4]),
        ("mixer.in_proj.weight", &[200, 50]),
        ("mixer.x_proj.weight", &[36, 96]),
    ]));
    let depthwise = &network.connections()[0];
    assert_eq!((depthwise.inputs, depthwise.groups, depthwise.taps), (96, 96, 4));
    let network = infer(&parameters(&[
        ("block.f.a.0.weight", &[48, 24, 1, 1]),
        ("block.f.b.0.weight", &[48, 8, 3, 3]),
        ("block.f.c.0.weight", &[48, 48, 1, 1]),
        ("block.f.se.fc1.weight", &[6, 48, 1, 1]),
    ]));
    let grouped = network.connections().iter().find(|c| c.parameter.contains(".b.")).unwrap();
    assert_eq!((grouped.inputs, grouped.groups), (48, 6));
}

#[test]
fn attention_and_mlp_behind_one_norm_read_the_same() {
    let block = |norms: &[&str]| {
        let mut all = alike("h.0.attn.{}_proj.weight", &["q", "k", "v", "out"], &[96, 96]);
        all.push(Parameter::new("h.0.mlp.fc_in.weight", [384, 96]));
        all.push(Parameter::new("h.0.mlp.fc_out.weight", [96, 384]));
        all.extend(norms.iter().map(|norm| Parameter::new(format!("h.0.{norm}.weight"), [96])));
        infer(&all)
    };
    assert_eq!(together(&block(&["ln_1"]))[0].len(), 4);
    assert_eq!(together(&block(&["ln_1", "ln_2"]))[0].len(), 3);
}

#[test]
fn what_joins_nothing_is_left_out() {
    for (name, shape) in [
        ("pos_encoder.pe", &[500, 1, 96][..]),
        ("blocks.0.sa.heads.0.tril", &[32, 32]),
        ("attn.mask", &[32, 32]),
        ("encoder.position_enc", &[4, 64]),
        ("attn.rel_pos_h", &[7, 16]),
        ("attn.attention_biases", &[4, 49]),
        ("mixer.A_log", &[192, 16]),
        ("mixer.D", &[192, 2]),
        ("features.0.layer_scale", &[96, 1, 1]),
        ("conv1.gain", &[40, 1, 1, 1]),
        ("attn.logit_scale", &[2, 1, 1]),
        ("attn.temperature", &[4, 1, 1]),
        ("scale_shift_table", &[6, 64]),
        ("mask_tokens.weight", &[4, 32]),
    ] {
        let network = infer(&[Parameter::new(name, shape), Parameter::new("fc.weight", [8, 4])]);
        assert_eq!(left_out(&network).len(), 1, "{name}");
        assert_eq!(network.connections().len(), 1, "{name}");
    }
}

#[test]
fn a_stem_is_no_embedding() {
    let network = infer(&parameters(&[
        ("resnet.embedder.embedder.convolution.weight", &[16, 3, 7, 7]),
        ("resnet.encoder.stages.0.layers.0.layer.0.convolution.weight", &[16, 16, 3, 3]),
        ("resnet.encoder.stages.0.layers.0.layer.1.convolution.weight", &[16, 16, 3, 3]),
        ("classifier.1.weight", &[10, 16]),
    ]));
    assert_eq!((network.architecture(), network.connections().len()), (Architecture::Cnn, 4));
    assert_eq!(network.connections()[0].inputs, 3);
}

#[test]
fn refusals_say_what_is_so() {
    let all = alike("led.encoder.layers.0.self_attn.self.{}.weight", &["query", "key"], &[96, 96]);
    let mut all = all;
    all.extend(alike(
        "led.decoder.layers.0.encoder_attn.{}_proj.weight",
        &["q", "k", "v"],
        &[96, 96],
    ));
    let warning = infer(&all).warnings()[0].clone();
    assert!(
        warning.contains("other names") && warning.contains("`led.encoder.layers.0"),
        "{warning}"
    );
    let loha = "base.layers.0.q_proj.hada_{}";
    let warning = infer(&alike(loha, &["w1_a", "w2_a"], &[96, 16])).warnings()[0].clone();
    assert!(warning.contains("LoHa"), "{warning}");
}

#[test]
fn tied_tensors_count_once() {
    let mut all = alike("{}.weight", &["a", "b", "c"], &[64, 64]);
    all[1].tied = Some("a.weight".to_owned());
    all[2].tied = Some("a.weight".to_owned());
    let network = infer(&all);
    assert_eq!(network.connections().len(), 1);
    assert_eq!(
        left_out(&network)[0],
        ("b.weight", "the same tensor as `a.weight`, which counts once")
    );
}

/// Chains that pass between modules whose names do not say so, of widths that differ: doubted.
#[test]
fn modules_that_happen_to_chain_are_doubted() {
    for named in [
        &[
            ("deep.0.weight", &[64, 20][..]),
            ("deep.2.weight", &[20, 64]),
            ("wide.weight", &[1, 20]),
        ][..],
        &[
            ("D.0.weight", &[64, 28]),
            ("D.2.weight", &[10, 64]),
            ("G.0.weight", &[64, 10]),
            ("G.2.weight", &[28, 64]),
        ],
        &[
            ("m1.0.weight", &[32, 8]),
            ("m1.2.weight", &[8, 32]),
            ("m2.0.weight", &[16, 8]),
            ("m2.2.weight", &[4, 16]),
        ],
        &[("body.0.weight", &[32, 8]), ("body.2.weight", &[6, 32]), ("cond.weight", &[9, 6])],
    ] {
        let network = infer(&parameters(named));
        let said = network.warnings().join(" ");
        assert!(said.contains("check it with inspect"), "{named:?}: {said}");
    }
    let known =
        [("body.0.weight", &[32, 8][..]), ("body.2.weight", &[6, 32]), ("head.weight", &[9, 6])];
    assert_eq!(infer(&parameters(&known)).warnings(), [""; 0]);
}

/// A convolution over sequences hardly leads to one over images.
#[test]
fn kernels_of_other_dimensions_are_doubted() {
    let named = [
        ("audio.0.weight", &[16, 1, 5][..]),
        ("audio.2.weight", &[32, 16, 5]),
        ("video.0.weight", &[64, 32, 3, 3]),
        ("fc.weight", &[10, 64]),
    ];
    let network = infer(&parameters(&named));
    assert!(network.warnings().join(" ").contains("kernels of other dimensions"));
}
