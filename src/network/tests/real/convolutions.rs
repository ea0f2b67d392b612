use super::*;

/// torchvision's ResNet-50 (`base` 64, cardinality 1) and ResNeXt-50 32x4d (`base` 128, 32).
pub(super) fn resnet50(base: usize, cardinality: usize) -> Vec<Parameter> {
    let mut all = parameters(&[
        ("conv1.weight", &[64, 3, 7, 7]),
        ("bn1.weight", &[64]),
        ("fc.weight", &[1000, 2048]),
        ("fc.bias", &[1000]),
    ]);
    let mut input = 64;
    for (stage, depth) in [3, 4, 6, 3].into_iter().enumerate() {
        let (width, output) = (base << stage, 256 << stage);
        for i in 0..depth {
            let mut add = |name: &str, shape: [usize; 4]| {
                let name = format!("layer{}.{i}.{name}.weight", stage + 1);
                all.push(Parameter::new(name, shape));
            };
            add("conv1", [width, input, 1, 1]);
            add("conv2", [width, width / cardinality, 3, 3]);
            add("conv3", [output, width, 1, 1]);
            if i == 0 {
                add("downsample.0", [output, input, 1, 1]);
            }
            all.push(Parameter::new(format!("layer{}.{i}.bn1.weight", stage + 1), [width]));
            input = output;
        }
    }
    all
}

#[test]
fn resnet_50() {
    let network = infer(&resnet50(64, 1));
    assert_eq!(network.architecture(), Architecture::Cnn);
    assert_eq!(network.warnings(), [""; 0]);
    // 25 557 032 parameters, of which 53 120 of normalisation and 1000 biases.
    assert_eq!(weights(&network), 25_502_912);
    assert_eq!(network.connections().len(), 1 + 3 * 16 + 4 + 1);
    // The input, conv1, three layers for each block, fc.
    assert_eq!(network.layers().len(), 2 + 3 * 16 + 1);
    assert_eq!(
        leaving(&network, "conv1"),
        ["layer1.0.conv1.weight", "layer1.0.downsample.0.weight"]
    );
    assert_eq!(joined(&network, "layer1.0.conv1.weight"), "conv1>layer1.0.conv1");
    assert_eq!(joined(&network, "layer1.0.conv3.weight"), "layer1.0.conv2>layer1.0");
    assert_eq!(joined(&network, "layer1.0.downsample.0.weight"), "conv1>layer1.0");
    assert_eq!(joined(&network, "layer4.0.downsample.0.weight"), "layer3.5>layer4.0");
    assert_eq!(joined(&network, "fc.weight"), "layer4.2>fc");
    let taps: Vec<usize> = network.connections()[..4].iter().map(|c| c.taps).collect();
    assert_eq!(taps, [49, 1, 9, 1]);
}

#[test]
fn resnext_50_32x4d() {
    let network = infer(&resnet50(128, 32));
    assert_eq!(network.architecture(), Architecture::Cnn);
    // 25 028 904 parameters, of which 68 224 of normalisation and 1000 biases.
    assert_eq!(weights(&network), 24_959_680);
    let grouped: Vec<_> = network.connections().iter().filter(|c| c.groups > 1).collect();
    assert_eq!(grouped.len(), 16);
    for c in grouped {
        assert!(c.parameter.ends_with("conv2.weight"));
        assert_eq!(
            (c.groups, c.inputs, c.weights()),
            (32, c.outputs, c.inputs * c.inputs / 32 * 9)
        );
    }
    let [warning] = network.warnings() else { panic!("{:?}", network.warnings()) };
    for part in ["`layer1.0.conv2.weight` [128, 4, 3, 3] has 32 and 15 more", "no shape"] {
        assert!(warning.contains(part), "{warning}");
    }
}

#[test]
fn resnet_18_of_basic_blocks() {
    let mut all = parameters(&[("conv1.weight", &[64, 3, 7, 7]), ("fc.weight", &[1000, 512])]);
    let mut input = 64;
    for stage in 0..4 {
        let width = 64 << stage;
        for i in 0..2 {
            let name = |name: &str| format!("layer{}.{i}.{name}.weight", stage + 1);
            all.push(Parameter::new(name("conv1"), [width, input, 3, 3]));
            all.push(Parameter::new(name("conv2"), [width, width, 3, 3]));
            if input != width {
                all.push(Parameter::new(name("downsample.0"), [width, input, 1, 1]));
            }
            input = width;
        }
    }
    let network = infer(&all);
    assert_eq!(network.architecture(), Architecture::Cnn);
    // 11 689 512 parameters, of which 9600 of normalisation and 1000 biases.
    assert_eq!(weights(&network), 11_678_912);
    assert_eq!(joined(&network, "layer2.0.conv2.weight"), "layer2.0.conv1>layer2.0");
    assert_eq!(joined(&network, "layer2.0.downsample.0.weight"), "layer1.1>layer2.0");
}

/// torchvision's MobileNetV2: inverted residuals with depthwise convolutions.
fn mobilenet_v2() -> Vec<Parameter> {
    let mut all = parameters(&[
        ("features.0.0.weight", &[32, 3, 3, 3]),
        ("features.0.1.weight", &[32]),
        ("features.18.0.weight", &[1280, 320, 1, 1]),
        ("classifier.1.weight", &[1000, 1280]),
    ]);
    let mut input = 32;
    let mut index = 1;
    for (expansion, output, repeats) in
        [(1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)]
    {
        for _ in 0..repeats {
            let hidden = input * expansion;
            let mut add = |name: &str, shape: [usize; 4]| {
                all.push(Parameter::new(format!("features.{index}.conv.{name}.weight"), shape));
            };
            let mut at = 0;
            if expansion > 1 {
                add("0.0", [hidden, input, 1, 1]);
                at = 1;
            }
            add(&format!("{at}.0"), [hidden, 1, 3, 3]);
            add(&(at + 1).to_string(), [output, hidden, 1, 1]);
            (input, index) = (output, index + 1);
        }
    }
    all
}

#[test]
fn mobilenet_v2_is_depthwise() {
    let network = infer(&mobilenet_v2());
    assert_eq!(network.architecture(), Architecture::Cnn);
    // 3 504 872 parameters, of which 34 112 of normalisation and 1000 biases.
    assert_eq!(weights(&network), 3_469_760);
    let depthwise: Vec<_> = network.connections().iter().filter(|c| c.groups > 1).collect();
    assert_eq!(depthwise.len(), 17);
    assert!(depthwise.iter().all(|c| c.groups == c.inputs && c.weights() == 9 * c.inputs));
    assert!(network.warnings()[0].contains("`features.1.conv.0.0.weight` [32, 1, 3, 3] has 32"));
}

#[test]
fn vgg_16_and_lenet_flatten_their_last_map() {
    let plan: [&[usize]; 5] =
        [&[64, 64], &[128, 128], &[256, 256, 256], &[512, 512, 512], &[512, 512, 512]];
    let mut all = parameters(&[
        ("classifier.0.weight", &[4096, 25_088]),
        ("classifier.3.weight", &[4096, 4096]),
        ("classifier.6.weight", &[1000, 4096]),
    ]);
    let (mut input, mut index) = (3, 0);
    for &output in plan.iter().copied().flatten() {
        let name = format!("features.{index}.weight");
        all.push(Parameter::new(name, [output, input, 3, 3]));
        (input, index) = (output, index + 2);
    }
    let network = infer(&with_biases(all));
    assert_eq!(network.architecture(), Architecture::Cnn);
    assert_eq!(network.warnings(), [""; 0]);
    // 138 357 544 parameters, of which 13 416 biases.
    assert_eq!(weights(&network), 138_344_128);
    let flat = network.connections().iter().find(|c| c.parameter == "classifier.0.weight").unwrap();
    assert_eq!((flat.inputs, flat.taps, flat.flattened), (512, 49, true));
    assert!(network.connections().last().unwrap().taps == 1);

    // tch's MNIST example.
    let network = infer(&with_biases(parameters(&[
        ("c1.weight", &[32, 1, 5, 5]),
        ("c2.weight", &[64, 32, 5, 5]),
        ("fc1.weight", &[1024, 1024]),
        ("fc2.weight", &[10, 1024]),
    ])));
    assert_eq!(layers(&network), ["c1.in:1", "c1:32", "c2:64", "fc1:1024", "fc2:10"]);
    let taps: Vec<usize> = network.connections().iter().map(|c| c.taps).collect();
    assert_eq!(taps, [25, 25, 16, 1]);
    assert_eq!(weights(&network), 800 + 51_200 + 1_048_576 + 10_240);
}

#[test]
fn branches_that_would_chain_are_not_taken_for_links() {
    // torchvision's EfficientNet: fc1 and fc2 scale what block.0 gives, and block.2 reads that.
    let all = parameters(&[
        ("features.0.0.weight", &[32, 3, 3, 3]),
        ("features.1.0.block.0.0.weight", &[32, 1, 3, 3]),
        ("features.1.0.block.1.fc1.weight", &[8, 32, 1, 1]),
        ("features.1.0.block.1.fc2.weight", &[32, 8, 1, 1]),
        ("features.1.0.block.2.0.weight", &[16, 32, 1, 1]),
    ]);
    let network = infer(&all);
    assert_eq!(network.architecture(), Architecture::Generic);
    let why = "`features.1.0.block.1.fc1.weight` [8, 32, 1, 1] looks like a parallel branch";
    assert!(network.warnings()[0].contains(why), "{}", network.warnings()[0]);
}

#[test]
fn what_does_not_chain_is_named() {
    for (name, shape, part) in [
        ("c2.weight", vec![64, 33, 3, 3], "`c2.weight` [64, 33, 3, 3] reads 33 values"),
        ("c2.weight", vec![63, 16, 3, 3], "`c2.weight` [63, 16, 3, 3]"),
        ("fc.weight", vec![10, 70], "`fc.weight` [10, 70] reads 70 values"),
    ] {
        let mut all = parameters(&[
            ("c1.weight", &[32, 1, 3, 3]),
            ("c2.weight", &[64, 32, 3, 3]),
            ("fc.weight", &[10, 64]),
        ]);
        all.iter_mut().find(|p| p.name == name).unwrap().shape = shape;
        let network = infer(&all);
        assert_eq!(network.architecture(), Architecture::Generic);
        assert!(network.warnings()[0].contains(part), "{}", network.warnings()[0]);
        let error = infer_as(Architecture::Cnn, &all).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let mut all = resnet50(64, 1);
    let shortcut = all.iter_mut().find(|p| p.name == "layer2.0.downsample.0.weight").unwrap();
    shortcut.shape = vec![512, 128, 1, 1];
    let error = infer_as(Architecture::Cnn, &all).unwrap_err().to_string();
    assert!(error.contains("layer2.0.downsample.0.weight"), "{error}");
    let error = infer_as(Architecture::Cnn, &parameters(&[("a.weight", &[3, 2])])).unwrap_err();
    assert!(error.to_string().contains("three or more dimensions"), "{error}");
}
