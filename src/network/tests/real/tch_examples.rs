//! The networks of tch's examples: names and shapes as a `VarStore` gives them, and the chain of
//! matrices of the forward code, by hand.
//!
//! A [`Store`] names variables as tch does: paths joined by `.`, and `name__N` for a name that is
//! taken, with N the number of variables made before.

use super::*;

#[derive(Default)]
struct Store(Vec<Parameter>);

impl Store {
    fn var(&mut self, path: &str, name: &str, shape: &[usize]) {
        let full = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let taken = self.0.iter().any(|p| p.name == full);
        let full = if taken { format!("{full}__{}", self.0.len()) } else { full };
        self.0.push(Parameter::new(full, shape));
    }

    /// `nn::linear`: the bias first.
    fn linear(&mut self, path: &str, input: usize, output: usize) {
        self.var(path, "bias", &[output]);
        self.var(path, "weight", &[output, input]);
    }

    fn embedding(&mut self, path: &str, rows: usize, columns: usize) {
        self.var(path, "weight", &[rows, columns]);
    }

    /// `nn::conv2d`, with a bias.
    fn conv(&mut self, path: &str, input: usize, output: usize, size: usize) {
        self.var(path, "bias", &[output]);
        self.conv_without_bias(path, input, output, size);
    }

    fn conv_without_bias(&mut self, path: &str, input: usize, output: usize, size: usize) {
        self.var(path, "weight", &[output, input, size, size]);
    }

    /// `nn::conv_transpose2d` without a bias.
    fn transposed(&mut self, path: &str, input: usize, output: usize, size: usize) {
        self.var(path, "weight", &[input, output, size, size]);
    }

    /// `nn::batch_norm2d`.
    fn norm(&mut self, path: &str, width: usize) {
        for name in ["weight", "bias", "running_mean", "running_var"] {
            self.var(path, name, &[width]);
        }
    }

    /// `nn::lstm` (4 gates) or `nn::gru` (3).
    fn recurrent(&mut self, path: &str, gates: usize, input: usize, hidden: usize, layers: usize) {
        for layer in 0..layers {
            let input = if layer == 0 { input } else { hidden };
            self.var(path, &format!("weight_ih_l{layer}"), &[gates * hidden, input]);
            self.var(path, &format!("weight_hh_l{layer}"), &[gates * hidden, hidden]);
            self.var(path, &format!("bias_ih_l{layer}"), &[gates * hidden]);
            self.var(path, &format!("bias_hh_l{layer}"), &[gates * hidden]);
        }
    }

    /// Reads the network: `VarStore::variables` has no order, so the names come reversed.
    fn infer(&self) -> Network {
        let reversed: Vec<Parameter> = self.0.iter().rev().cloned().collect();
        infer(&reversed)
    }
}

/// The matrices that are left out, with the reason.
fn matrices_left_out(network: &Network) -> Vec<(&str, &str)> {
    let matrices = network.left_out().iter().filter(|l| l.shape.len() > 1);
    matrices.map(|l| (l.name.as_str(), l.why.as_str())).collect()
}

#[track_caller]
fn one_warning<'n>(network: &'n Network, parts: &[&str]) -> &'n str {
    let [warning] = network.warnings() else { panic!("one warning: {:?}", network.warnings()) };
    for part in parts {
        assert!(warning.contains(part), "{part} in {warning}");
    }
    warning
}

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

/// min-gpt, in the order in which the example makes its variables; the names of the parts by hand.
fn min_gpt(names: [&str; 6]) -> Store {
    let mut vs = Store::default();
    vs.embedding("gpt.tok_emb", 65, 64);
    vs.var("gpt", "pos_emb", &[1, 128, 64]);
    vs.var("gpt.ln_f", "bias", &[64]);
    vs.var("gpt.ln_f", "weight", &[64]);
    vs.var("gpt.head", "weight", &[65, 64]);
    vs.var("gpt.head", "bias", &[65]);
    for block in 0..3 {
        for norm in ["ln1", "ln2"] {
            vs.norm(&format!("gpt.{block}.{norm}"), 64);
        }
        for (name, [input, output]) in
            names.into_iter().zip([[64, 64], [64, 64], [64, 64], [64, 64], [64, 256], [256, 64]])
        {
            vs.linear(&format!("gpt.{block}.{name}"), input, output);
        }
    }
    vs
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
fn names_that_only_a_rename_makes_known() {
    let names = ["wk_", "wq_", "wv_", "mix", "grow", "shrink"];
    let all = min_gpt(names);
    assert_eq!(all.infer().architecture(), Architecture::Generic);
    let known = ["key", "query", "value", "proj", "lin1", "lin2"];
    let pairs = names.iter().zip(known);
    let rename = pairs.map(|(a, b)| (format!("gpt.*.{a}.*"), format!("gpt.*.{b}.*"))).collect();
    let network = Network::infer(&all.0, &Selection { rename, ..Selection::default() }).unwrap();
    let plain = min_gpt(known).infer();
    assert_eq!((network.architecture(), network.warnings()), (Architecture::Transformer, &[][..]));
    assert_eq!(network.layers(), plain.layers());
    assert_eq!(network.connections()[0].parameter, "gpt.0.wq_.weight");
    let passages = |network: &Network| -> Vec<_> {
        network.connections().iter().map(|c| network.attention(c)).collect()
    };
    assert_eq!(passages(&network), passages(&plain));
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
        ]
    );
    assert_eq!(
        matrices_left_out(&network),
        [
            ("dec.weight", "embedding, as it has no bias"),
            ("dec.weight__11", "no place in the architecture rnn"),
            ("enc.weight", "embedding, as it has no bias"),
        ]
    );
    one_warning(&network, &["no place for `dec.weight__11` [10, 512]: left out"]);
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
fn numbers_that_may_be_decimals_are_named() {
    let named = |names: &[&str]| -> Vec<Parameter> {
        names.iter().map(|name| Parameter::new(format!("{name}.weight"), [64, 64])).collect()
    };
    let network = infer(&named(&["fc1", "fc21", "fc22", "fc3"]));
    one_warning(&network, &["`fc21.weight`", "`fc3.weight`", "--rename fc21.weight="]);
    let rename = vec![("fc2*.*".to_owned(), "fc2.*.*".to_owned())];
    let selection = Selection { rename, ..Selection::default() };
    let network = Network::infer(&named(&["fc1", "fc21", "fc22", "fc3"]), &selection).unwrap();
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(network.connections()[2].parameter, "fc22.weight");
    // nn::seq counts activations, too.
    assert_eq!(infer(&named(&["0", "2", "4", "6", "8", "10"])).warnings(), [""; 0]);
}

#[test]
fn torch_script_names() {
    // jit-train: a module of TorchScript in a VarStore.
    let all = parameters(&[
        ("batch_norm_weight", &[1]),
        ("batch_norm_bias", &[1]),
        ("conv1_weight", &[8, 1, 5, 5]),
        ("conv1_bias", &[8]),
        ("conv2_weight", &[16, 8, 5, 5]),
        ("conv2_bias", &[16]),
        ("linear1_weight", &[100, 12_544]),
        ("linear1_bias", &[100]),
        ("linear2_weight", &[10, 100]),
        ("linear2_bias", &[10]),
    ]);
    let network = infer(&all);
    assert_eq!(network.architecture(), Architecture::Cnn);
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(
        layers(&network),
        ["conv1.in:1", "conv1:8", "conv2:16", "linear1:100", "linear2:10"]
    );
    assert_eq!(network.connections()[0].parameter, "conv1_weight");

    let underscored = |all: Vec<Parameter>| -> Vec<Parameter> {
        let new = |p: &Parameter| Parameter::new(p.name.replace('.', "_"), p.shape.clone());
        all.iter().map(new).collect()
    };
    // A trained ResNet and LLaMA, traced.
    let resnet = super::convolutions::resnet50(64, 1);
    let llama = crate::network::tests::llama(3, 8, 4, 20);
    for all in [resnet, llama] {
        let plain = infer(&all);
        let traced = infer(&underscored(all));
        assert_eq!(traced.architecture(), plain.architecture());
        assert_eq!(layers(&traced), layers(&plain));
        let ends = |network: &Network| -> Vec<(usize, usize)> {
            network.connections().iter().map(|c| (c.source, c.target)).collect()
        };
        assert_eq!(ends(&traced), ends(&plain));
        let passages = |network: &Network| -> Vec<_> {
            network.connections().iter().map(|c| network.attention(c)).collect()
        };
        assert_eq!(passages(&traced), passages(&plain));
    }
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

#[test]
fn recurrent_modules_at_one_path() {
    let mut vs = Store::default();
    vs.recurrent("", 4, 64, 64, 1);
    vs.recurrent("", 4, 64, 64, 2);
    let network = vs.infer();
    // The second module's upper layer has no number, and belongs to the second: the first made 4
    // variables, not 8.
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(
        joins(&network),
        [
            "weight_ih_l0 l0.input>l0.gates ×4",
            "weight_hh_l0 l0.hidden>l0.gates ×4",
            "weight_ih_l0__4 __4.l0.input>__4.l0.gates ×4",
            "weight_hh_l0__5 __4.l0.hidden>__4.l0.gates ×4",
            "weight_ih_l1 __4.l0.hidden>__4.l1.gates ×4",
            "weight_hh_l1 __4.l1.hidden>__4.l1.gates ×4",
        ]
    );
    // 8 variables before the second module: the first's own, or 4 of them and a normalisation.
    let mut vs = Store::default();
    vs.recurrent("rnn", 4, 64, 64, 1);
    vs.norm("bn", 64);
    vs.recurrent("rnn", 4, 64, 64, 2);
    one_warning(&vs.infer(), &["`rnn.weight_ih_l1`", "--rename rnn.*_l1*=rnn__8.*_l1*"]);
    let rename = vec![("rnn.*_l1*".to_owned(), "rnn__8.*_l1*".to_owned())];
    let network = Network::infer(&vs.0, &Selection { rename, ..Selection::default() }).unwrap();
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(joined(&network, "rnn.weight_ih_l1"), "rnn__8.l0.hidden>rnn__8.l1.gates");
}

#[test]
fn an_embedding_at_the_path_of_a_gru() {
    let mut vs = Store::default();
    vs.recurrent("enc", 3, 64, 64, 1);
    vs.embedding("enc", 100, 64);
    vs.linear("head", 64, 5);
    let network = vs.infer();
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(joined(&network, "head.weight"), "enc.l0.hidden>head");
    assert_eq!(matrices_left_out(&network), [("enc.weight", "embedding, as it has no bias")]);
    // At a path of its own and without a head nothing tells what it is.
    let mut vs = Store::default();
    vs.recurrent("rnn", 3, 64, 64, 1);
    vs.embedding("words", 100, 64);
    let network = vs.infer();
    one_warning(
        &network,
        &["`words.weight` [100, 64]", "may be the table", "--exclude words.weight"],
    );
}

#[test]
fn square_kernels_that_may_be_transposed_are_named() {
    let mut vs = Store::default();
    vs.conv("down1", 64, 64, 4);
    vs.conv("up1", 64, 64, 4);
    let network = vs.infer();
    one_warning(&network, &["`up1.weight` [64, 64, 4, 4]", "--orient up1.weight=in-out"]);
    let orient = vec![("up*".to_owned(), Orientation::InOut)];
    let network = Network::infer(&vs.0, &Selection { orient, ..Selection::default() }).unwrap();
    assert_eq!(network.warnings(), [""; 0]);
    let found: Vec<Orientation> = network.connections().iter().map(|c| c.orientation).collect();
    assert_eq!(found, [Orientation::OutIn, Orientation::InOut]);
    // A bias shows it where the widths differ: 32 outputs.
    let network = infer(&parameters(&[
        ("down1.weight", &[64, 3, 4, 4]),
        ("down1.bias", &[64]),
        ("up1.weight", &[64, 32, 4, 4]),
        ("up1.bias", &[32]),
    ]));
    assert_eq!(layers(&network), ["down1.in:3", "down1:64", "up1:32"]);
    assert_eq!(network.warnings(), [""; 0]);
}

#[test]
fn densenet_of_tch_vision() {
    // densenet121: 64 channels, blocks of 6, 12, 24 and 16 layers that add 32 channels each.
    let mut vs = Store::default();
    vs.conv_without_bias("features.conv0", 3, 64, 7);
    let mut channels = 64;
    for (block, layers) in [6, 12, 24, 16].into_iter().enumerate() {
        for layer in 0..layers {
            let path = format!("features.denseblock{}.denselayer{}", block + 1, layer + 1);
            vs.norm(&format!("{path}.norm1"), channels);
            vs.conv_without_bias(&format!("{path}.conv1"), channels, 128, 1);
            vs.conv_without_bias(&format!("{path}.conv2"), 128, 32, 3);
            channels += 32;
        }
        if block < 3 {
            let path = format!("features.transition{}.conv", block + 1);
            vs.conv_without_bias(&path, channels, channels / 2, 1);
            channels /= 2;
        }
    }
    vs.linear("classifier", channels, 1000);
    let network = vs.infer();
    assert_eq!(network.architecture(), Architecture::Cnn);
    assert_eq!(network.warnings(), [""; 0]);
    // 7 978 856 parameters, of which 83 648 of normalisation and 1000 biases.
    assert_eq!(weights(&network), 7_894_208);
    let layer = |name: &str| format!("features.denseblock2.denselayer12.{name}");
    let [conv1, conv2] = ["conv1", "conv2"].map(layer);
    assert_eq!(joined(&network, &format!("{conv1}.weight")), format!("{conv1}.in>{conv1}"));
    assert_eq!(joined(&network, &format!("{conv2}.weight")), format!("{conv1}>{conv2}"));
    assert_eq!(width(&network, "features.transition2.conv.in"), 512);
    assert_eq!(joined(&network, "classifier.weight"), "classifier.in>classifier");
    assert_eq!(network.connections().last().unwrap().taps, 1);
}

#[test]
fn squeezenet_of_tch_vision() {
    let mut vs = Store::default();
    vs.conv("features.0", 3, 64, 3);
    for (module, input, squeeze, expand) in [
        (3, 64, 16, 64),
        (4, 128, 16, 64),
        (6, 128, 32, 128),
        (7, 256, 32, 128),
        (9, 256, 48, 192),
        (10, 384, 48, 192),
        (11, 384, 64, 256),
        (12, 512, 64, 256),
    ] {
        let path = format!("features.{module}");
        vs.conv(&format!("{path}.squeeze"), input, squeeze, 1);
        vs.conv(&format!("{path}.expand1x1"), squeeze, expand, 1);
        vs.conv(&format!("{path}.expand3x3"), squeeze, expand, 3);
    }
    vs.conv("classifier.1", 512, 1000, 1);
    let network = vs.infer();
    assert_eq!(network.architecture(), Architecture::Cnn);
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(network.connections().len(), 2 + 3 * 8);
    assert_eq!(joined(&network, "features.3.squeeze.weight"), "features.0>features.3.squeeze");
    assert_eq!(
        leaving(&network, "features.4.squeeze"),
        ["features.4.expand1x1.weight", "features.4.expand3x3.weight"]
    );
    assert_eq!(width(&network, "features.4.squeeze.in"), 128);
    assert_eq!(joined(&network, "classifier.1.weight"), "classifier.1.in>classifier.1");
}

#[test]
fn networks_of_tch_vision_that_are_not_chains_say_so() {
    // Modules of inception and efficientnet.
    for (named, part) in [
        (
            &[
                ("Conv2d_4a_3x3.conv.weight", &[192, 80, 3, 3]),
                ("Mixed_5b.branch1x1.conv.weight", &[64, 192, 1, 1]),
                ("Mixed_5b.branch5x5_1.conv.weight", &[48, 192, 1, 1]),
                ("Mixed_5b.branch5x5_2.conv.weight", &[64, 48, 5, 5]),
            ],
            "`Mixed_5b.branch1x1.conv.weight`",
        ),
        (
            &[
                ("features.1.0.block.0.0.weight", &[32, 1, 3, 3]),
                ("features.1.0.block.1.fc1.weight", &[8, 32, 1, 1]),
                ("features.1.0.block.1.fc2.weight", &[32, 8, 1, 1]),
                ("features.1.0.block.2.0.weight", &[16, 32, 1, 1]),
            ],
            "`features.1.0.block.1.fc1.weight`",
        ),
    ] {
        let named: Vec<(&str, &[usize])> = named.iter().map(|(n, s)| (*n, &s[..])).collect();
        let network = infer(&parameters(&named));
        assert_eq!(network.architecture(), Architecture::Generic, "{part}");
        one_warning(&network, &[part]);
    }
}
