//! Networks of tch::vision that are no plain chains.

use super::*;

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
