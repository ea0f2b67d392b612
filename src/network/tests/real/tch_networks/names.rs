//! Names that tch gives, or that leave open what is meant.

use super::*;

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
    let resnet = crate::network::tests::real::convolutions::resnet50(64, 1);
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
fn a_second_network_at_one_path_is_read_by_its_names() {
    let mut vs = Store::default();
    for _ in 0..2 {
        for (name, input, output) in
            [("attn.qkv", 8, 24), ("attn.proj", 8, 8), ("mlp.fc1", 8, 32), ("mlp.fc2", 32, 8)]
        {
            vs.linear(&format!("blocks.0.{name}"), input, output);
        }
    }
    let network = vs.infer();
    assert_eq!(network.architecture(), Architecture::Vit);
    assert_eq!(network.connections().len(), 8);
    one_warning(&network, &["no place for `blocks.0.attn.proj.weight__11` [8, 8]"]);
}
