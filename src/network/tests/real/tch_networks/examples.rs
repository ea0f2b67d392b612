//! The networks of tch's examples: the chain of matrices of the forward code, by hand.

use super::*;

#[test]
fn char_rnn() {
    let mut vs = Store::default();
    vs.recurrent("", 4, 65, 256, 1);
    vs.linear("", 256, 65);
    let network = vs.infer();
    assert_eq!(network.architecture(), Architecture::Rnn);
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(layers(&network), ["l0.input:65", "l0.gates:256", "l0.hidden:256", "weight:65"]);
    assert_eq!(
        joins(&network),
        [
            "weight_ih_l0 l0.input>l0.gates ×4",
            "weight_hh_l0 l0.hidden>l0.gates ×4",
            "weight l0.hidden>weight",
        ]
    );
}

/// The fast ResNet of the cifar example, its channels by hand.
fn cifar(widths: [usize; 4]) -> Store {
    let mut vs = Store::default();
    let mut conv_bn = |path: &str, input: usize, output: usize| {
        vs.conv_without_bias(path, input, output, 3);
        vs.norm(path, output);
    };
    let [a, b, c, d] = widths;
    conv_bn("pre", 3, a);
    for (path, input, output) in [("layer1", a, b), ("layer2", c, d)] {
        conv_bn(&format!("{path}.pre"), input, output);
        conv_bn(&format!("{path}.b1"), output, output);
        conv_bn(&format!("{path}.b2"), output, output);
        if path == "layer1" {
            conv_bn("inter", b, c);
        }
    }
    vs.linear("linear", d, 10);
    vs
}

#[test]
fn cifar_in_the_order_in_which_it_was_made() {
    // Equal widths chain in the order of the names, too: `inter` before `layer1`, `pre` last.
    for widths in [[64, 128, 256, 512], [64, 64, 64, 64]] {
        let network = cifar(widths).infer();
        assert_eq!(network.architecture(), Architecture::Cnn);
        assert_eq!(network.warnings(), [""; 0], "{widths:?}");
        assert_eq!(
            joins(&network),
            [
                "pre.weight pre.in>pre",
                "layer1.pre.weight pre>layer1.pre",
                "layer1.b1.weight layer1.pre>layer1.b1",
                "layer1.b2.weight layer1.b1>layer1.b2",
                "inter.weight layer1.b2>inter",
                "layer2.pre.weight inter>layer2.pre",
                "layer2.b1.weight layer2.pre>layer2.b1",
                "layer2.b2.weight layer2.b1>layer2.b2",
                "linear.weight layer2.b2>linear",
            ],
            "{widths:?}"
        );
    }
}

#[test]
fn gan_generator_is_transposed() {
    let mut vs = Store::default();
    let widths = [128, 1024, 512, 256, 128, 3];
    for (k, pair) in widths.windows(2).enumerate() {
        vs.transposed(&format!("tr{}", k + 1), pair[0], pair[1], 4);
        if k < 4 {
            vs.norm(&format!("bn{}", k + 1), pair[1]);
        }
    }
    let network = vs.infer();
    assert_eq!(network.architecture(), Architecture::Cnn);
    assert_eq!(
        layers(&network),
        ["tr1.in:128", "tr1:1024", "tr2:512", "tr3:256", "tr4:128", "tr5:3"]
    );
    for connection in network.connections() {
        assert_eq!((connection.orientation, connection.taps), (Orientation::InOut, 16));
    }
    one_warning(
        &network,
        &["`tr1.weight` [128, 1024, 4, 4] and 4 more", "--orient tr1.weight=out-in"],
    );
}

#[test]
fn gan_discriminator() {
    let mut vs = Store::default();
    let widths = [3, 128, 256, 512, 1024, 1];
    for (k, pair) in widths.windows(2).enumerate() {
        vs.conv_without_bias(&format!("conv{}", k + 1), pair[0], pair[1], 4);
        if (1..4).contains(&k) {
            vs.norm(&format!("bn{}", k + 1), pair[1]);
        }
    }
    let network = vs.infer();
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(
        layers(&network),
        ["conv1.in:3", "conv1:128", "conv2:256", "conv3:512", "conv4:1024", "conv5:1"]
    );
    assert!(network.connections().iter().all(|c| c.orientation == Orientation::OutIn));
}

#[test]
fn min_gpt_and_other_names_of_its_parts() {
    for names in [
        ["key", "query", "value", "proj", "lin1", "lin2"],
        ["attn_k", "attn_q", "attn_v", "attn_out", "mlp_fc1", "mlp_fc2"],
    ] {
        let network = min_gpt(names).infer();
        assert_eq!(network.architecture(), Architecture::Transformer, "{:?}", network.warnings());
        assert_eq!(network.warnings(), [""; 0]);
        assert_eq!(network.connections().len(), 18);
        let [key, query, value, out, up, down] = names.map(|n| format!("gpt.1.{n}.weight"));
        for (name, expected) in [
            (&query, "block.1.residual>block.1.attention"),
            (&key, "block.1.residual>block.1.attention"),
            (&value, "block.1.residual>block.1.attention"),
            (&out, "block.1.attention>block.1.middle"),
            (&up, "block.1.middle>block.1.mlp"),
            (&down, "block.1.mlp>block.2.residual"),
        ] {
            assert_eq!(joined(&network, name), expected);
        }
        let passages = network.connections().iter().filter(|c| network.attention(c).is_some());
        assert_eq!(passages.count(), 9, "queries, keys and values pass through attention");
        let names: Vec<&str> = matrices_left_out(&network).iter().map(|l| l.0).collect();
        assert_eq!(names, ["gpt.head.weight", "gpt.pos_emb", "gpt.tok_emb.weight"]);
    }
}

#[test]
fn mnist_linear_is_multiplied_from_the_right() {
    // Two tensors without a VarStore: xs.mm(&ws) + bs. The bias has as many values as outputs.
    let all = parameters(&[("ws", &[784, 10]), ("bs", &[10])]);
    let network = infer(&all);
    assert_eq!(layers(&network), ["layer.0:784", "layer.1:10"]);
    assert_eq!(network.connections()[0].orientation, Orientation::InOut);
    assert_eq!(network.warnings(), [""; 0]);
    // Without the bias nothing tells.
    let alone = &all[..1];
    let network = infer(alone);
    assert_eq!(layers(&network), ["layer.0:10", "layer.1:784"]);
    one_warning(&network, &["`ws` [784, 10]", "nothing shows", "--orient ws=in-out"]);
    let orient = vec![("ws".to_owned(), Orientation::InOut)];
    let network = Network::infer(alone, &Selection { orient, ..Selection::default() }).unwrap();
    assert_eq!(layers(&network), ["layer.0:784", "layer.1:10"]);
    assert_eq!(network.warnings(), [""; 0]);
}

#[test]
fn mnist_nn_and_custom_optimizer() {
    let mut vs = Store::default();
    vs.linear("layer1", 784, 128);
    vs.linear("", 128, 10);
    let network = vs.infer();
    assert_eq!(network.architecture(), Architecture::Mlp);
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(joins(&network), ["layer1.weight layer.0>layer.1", "weight layer.1>layer.2"]);
}

#[test]
fn mnist_conv_at_one_path() {
    let mut vs = Store::default();
    vs.conv("", 1, 32, 5);
    vs.conv("", 32, 64, 5);
    vs.linear("", 1024, 1024);
    vs.linear("", 1024, 10);
    let network = vs.infer();
    assert_eq!(network.architecture(), Architecture::Cnn);
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(
        joins(&network),
        [
            "weight weight.in>weight",
            "weight__3 weight>weight__3",
            "weight__5 weight__3>weight__5",
            "weight__7 weight__5>weight__7",
        ]
    );
    assert_eq!(network.connections()[2].taps, 16);
}

#[test]
fn actor_and_critic_share_a_trunk() {
    // a2c and ppo. In the order of the names the actor `al` reads the map, and the trunk `l1` comes last.
    let mut vs = Store::default();
    vs.conv("c1", 4, 32, 8);
    vs.conv("c2", 32, 64, 4);
    vs.conv("c3", 64, 64, 3);
    vs.linear("l1", 3136, 512);
    vs.linear("cl", 512, 1);
    vs.linear("al", 512, 6);
    let network = vs.infer();
    assert_eq!(network.architecture(), Architecture::Cnn);
    assert_eq!(
        joins(&network),
        [
            "c1.weight c1.in>c1",
            "c2.weight c1>c2",
            "c3.weight c2>c3",
            "l1.weight c3>l1",
            "al.weight l1>al",
            "cl.weight l1>cl",
        ]
    );
    let flat = &network.connections()[3];
    assert_eq!((flat.inputs, flat.taps, flat.flattened), (64, 49, true));
    one_warning(&network, &["`l1.weight`, `al.weight`, `cl.weight`", "--rename l1.weight="]);
}

#[test]
fn policy_gradient_and_ddpg() {
    for (names, widths) in [
        (&["lin1", "lin2"][..], &[4, 32, 2][..]),
        (&["al1", "al2", "al3"], &[3, 400, 300, 1]),
        (&["cl1", "cl2", "cl3"], &[4, 400, 300, 1]),
    ] {
        let mut vs = Store::default();
        for (name, pair) in names.iter().zip(widths.windows(2)) {
            vs.linear(name, pair[0], pair[1]);
        }
        let network = vs.infer();
        assert_eq!(network.architecture(), Architecture::Mlp);
        assert_eq!(network.warnings(), [""; 0]);
        let found: Vec<usize> = network.layers().iter().map(|l| l.width).collect();
        assert_eq!(found, widths);
        let order: Vec<&str> =
            network.connections().iter().map(|c| c.parameter.trim_end_matches(".weight")).collect();
        assert_eq!(order, names);
    }
}

#[test]
fn transfer_learning_has_one_layer() {
    let mut vs = Store::default();
    vs.linear("", 512, 2);
    let network = vs.infer();
    assert_eq!(layers(&network), ["layer.0:512", "layer.1:2"]);
    assert_eq!(network.warnings(), [""; 0]);
}

#[test]
fn translation() {
    let mut vs = Store::default();
    vs.recurrent("enc", 3, 256, 256, 1);
    vs.embedding("enc", 4000, 256);
    vs.embedding("dec", 3000, 256);
    vs.recurrent("dec", 3, 256, 256, 1);
    vs.linear("dec", 512, 10); // attention over positions, reads [x; h]
    vs.linear("dec", 512, 256); // reads [x; context], read by the GRU
    vs.linear("dec", 256, 3000); // reads the GRU's state
    let network = vs.infer();
    assert_eq!(network.architecture(), Architecture::Rnn);
    assert_eq!(
        joins(&network),
        [
            "dec.weight_ih_l0 dec.l0.input>dec.l0.gates ×3",
            "dec.weight_hh_l0 dec.l0.hidden>dec.l0.gates ×3",
            "enc.weight_ih_l0 enc.l0.input>enc.l0.gates ×3",
            "enc.weight_hh_l0 enc.l0.hidden>enc.l0.gates ×3",
            "dec.weight__13 dec__13.in>dec.l0.input",
            "dec.weight__15 dec.l0.hidden>dec__15",
            "dec.weight__11 dec.weight__11.in>dec.weight__11.out",
        ]
    );
    assert_eq!(
        matrices_left_out(&network),
        [
            ("dec.weight", "embedding, as it has no bias"),
            ("enc.weight", "embedding, as it has no bias"),
        ]
    );
    one_warning(&network, &["no place for `dec.weight__11` [10, 512]: read next to it"]);
}

#[test]
fn vae_has_a_mean_and_a_variance() {
    let mut vs = Store::default();
    for (name, input, output) in [
        ("fc1", 784, 400),
        ("fc21", 400, 20),
        ("fc22", 400, 20),
        ("fc3", 20, 400),
        ("fc4", 400, 784),
    ] {
        vs.linear(name, input, output);
    }
    let network = vs.infer();
    assert_eq!(network.architecture(), Architecture::Mlp);
    assert_eq!(
        layers(&network),
        ["layer.0:784", "layer.1:400", "layer.2:20", "layer.3:400", "layer.4:784"]
    );
    assert_eq!(
        joins(&network),
        [
            "fc1.weight layer.0>layer.1",
            "fc21.weight layer.1>layer.2",
            "fc22.weight layer.1>layer.2",
            "fc3.weight layer.2>layer.3",
            "fc4.weight layer.3>layer.4",
        ]
    );
    one_warning(&network, &["`fc21.weight` and `fc22.weight` [20, 400]", "next to each other"]);
}

#[test]
fn llama_of_the_examples() {
    let mut vs = Store::default();
    vs.var("lm_head", "weight", &[100, 64]);
    vs.embedding("transformer.wte", 100, 64);
    for i in 0..2 {
        let path = format!("transformer.h.{i}");
        vs.var(&format!("{path}.rms_1"), "scale", &[64]);
        vs.var(&format!("{path}.attn.c_attn"), "weight", &[192, 64]);
        vs.var(&format!("{path}.attn.c_proj"), "weight", &[64, 64]);
        vs.var(&format!("{path}.mlp.c_fc1"), "weight", &[176, 64]);
        vs.var(&format!("{path}.mlp.c_fc2"), "weight", &[176, 64]);
        vs.var(&format!("{path}.mlp.c_proj"), "weight", &[64, 176]);
    }
    let network = vs.infer();
    assert_eq!(network.architecture(), Architecture::Gpt2);
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(
        leaving(&network, "block.1.middle"),
        ["transformer.h.1.mlp.c_fc1.weight", "transformer.h.1.mlp.c_fc2.weight"]
    );
}
