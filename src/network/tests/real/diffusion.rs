use super::*;

fn add(all: &mut Vec<Parameter>, stem: &str, parts: &[(&str, &[usize])]) {
    for (part, shape) in parts {
        all.push(Parameter::new(format!("{stem}.{part}.weight"), *shape));
    }
}

fn resnet(all: &mut Vec<Parameter>, stem: &str, input: usize, output: usize) {
    add(
        all,
        stem,
        &[
            ("conv1", &[output, input, 3, 3]),
            ("conv2", &[output, output, 3, 3]),
            ("time_emb_proj", &[output, 1280]),
            ("norm1", &[input]),
        ],
    );
    if input != output {
        add(all, stem, &[("conv_shortcut", &[output, input, 1, 1])]);
    }
}

fn attention(all: &mut Vec<Parameter>, stem: &str, d: usize) {
    add(all, stem, &[("proj_in", &[d, d, 1, 1]), ("proj_out", &[d, d, 1, 1]), ("norm", &[d])]);
    let block = format!("{stem}.transformer_blocks.0");
    for (name, context) in [("attn1", d), ("attn2", 768)] {
        add(
            all,
            &format!("{block}.{name}"),
            &[
                ("to_q", &[d, d]),
                ("to_k", &[d, context]),
                ("to_v", &[d, context]),
                ("to_out.0", &[d, d]),
            ],
        );
    }
    add(all, &block, &[("ff.net.0.proj", &[8 * d, d]), ("ff.net.2", &[d, 4 * d])]);
}

/// Stable Diffusion 1.5, as diffusers stores it.
fn stable_diffusion() -> Vec<Parameter> {
    let mut all = Vec::new();
    add(&mut all, "time_embedding", &[("linear_1", &[1280, 320]), ("linear_2", &[1280, 1280])]);
    let widths = [320, 640, 1280, 1280];
    all.push(Parameter::new("conv_in.weight", [320, 4, 3, 3]));
    let mut input = 320;
    for (k, &width) in widths.iter().enumerate() {
        for i in 0..2 {
            resnet(&mut all, &format!("down_blocks.{k}.resnets.{i}"), input, width);
            if k < 3 {
                attention(&mut all, &format!("down_blocks.{k}.attentions.{i}"), width);
            }
            input = width;
        }
        if k < 3 {
            let stem = format!("down_blocks.{k}.downsamplers.0");
            add(&mut all, &stem, &[("conv", &[width, width, 3, 3])]);
        }
    }
    resnet(&mut all, "mid_block.resnets.0", 1280, 1280);
    attention(&mut all, "mid_block.attentions.0", 1280);
    resnet(&mut all, "mid_block.resnets.1", 1280, 1280);
    // Inputs of the resnets of each up block: the stream and the skip connection.
    let inputs = [[2560, 2560, 2560], [2560, 2560, 1920], [1920, 1280, 960], [960, 640, 640]];
    for (k, inputs) in inputs.into_iter().enumerate() {
        let width = widths[3 - k];
        for (i, input) in inputs.into_iter().enumerate() {
            resnet(&mut all, &format!("up_blocks.{k}.resnets.{i}"), input, width);
            if k > 0 {
                attention(&mut all, &format!("up_blocks.{k}.attentions.{i}"), width);
            }
        }
        if k < 3 {
            let stem = format!("up_blocks.{k}.upsamplers.0");
            add(&mut all, &stem, &[("conv", &[width, width, 3, 3])]);
        }
    }
    all.push(Parameter::new("conv_out.weight", [4, 320, 3, 3]));
    all
}

#[test]
fn stable_diffusion_1_5() {
    let network = infer(&stable_diffusion());
    assert_eq!(network.architecture(), Architecture::Unet);
    assert_eq!(network.warnings(), [""; 0]);
    // 859 520 964 parameters, of which 443 844 of biases and normalisation and the 2 048 000 of the
    // time embedding.
    assert_eq!(weights(&network), 857_029_120);

    // 22 resnets read one time embedding, 16 cross attentions one context.
    assert_eq!(leaving(&network, "time_embedding").len(), 22);
    assert_eq!(width(&network, "time_embedding"), 1280);
    assert_eq!(leaving(&network, "context").len(), 32);
    assert_eq!(width(&network, "context"), 768);
    assert_eq!(joined(&network, "conv_in.weight"), "conv_in.in>conv_in.out");
    assert_eq!(
        leaving(&network, "conv_in.out"),
        ["down_blocks.0.resnets.0.conv1.weight"],
        "the first resnet reads what conv_in gives"
    );
    assert_eq!(
        leaving(&network, "down_blocks.0.downsamplers.0.out"),
        ["down_blocks.1.resnets.0.conv1.weight", "down_blocks.1.resnets.0.conv_shortcut.weight"]
    );
    assert_eq!(
        leaving(&network, "down_blocks.0.resnets.0.out"),
        ["down_blocks.0.attentions.0.proj_in.weight"]
    );
    let block = "down_blocks.0.attentions.0.transformer_blocks.0";
    assert_eq!(
        leaving(&network, &format!("{block}.in")),
        ["q", "k", "v"].map(|n| format!("{block}.attn1.to_{n}.weight"))
    );
    assert_eq!(
        leaving(&network, &format!("{block}.cross")),
        [format!("{block}.attn2.to_q.weight")]
    );
    let k = format!("{block}.attn2.to_k.weight");
    assert_eq!(joined(&network, &k), format!("context>{block}.attn2"));
    let geglu = format!("{block}.ff.net.0.proj.weight");
    let geglu = network.connections().iter().find(|c| c.parameter == geglu).unwrap();
    assert_eq!((geglu.copies, geglu.outputs), (2, 2560));
    assert_eq!(width(&network, &format!("{block}.ff")), 1280);
    // A skip connection makes the input of an up block wider than the stream: a layer of its own.
    assert_eq!(width(&network, "up_blocks.0.resnets.0.in"), 2560);
    assert_eq!(joined(&network, "conv_out.weight"), "up_blocks.3.attentions.2.out>conv_out.out");
    let time = ("time_embedding.linear_1.weight", "embedding");
    assert!(left_out(&network).contains(&time));
}

#[test]
fn an_attention_block_by_hand() {
    let mut all = Vec::new();
    resnet(&mut all, "down_blocks.0.resnets.0", 320, 320);
    attention(&mut all, "down_blocks.0.attentions.0", 320);
    let network = infer(&all);
    // The resnet: 2·9·320² + 1280·320; attention: 2·320² for the projections, 6·320² for the
    // square ones, 2·768·320 for the context, 12·320² for the feed-forward.
    assert_eq!(weights(&network), 1_843_200 + 409_600 + 20 * 102_400 + 491_520);
    let roles: Vec<Role> = network.layers().iter().map(|l| l.role).collect();
    assert_eq!(
        roles,
        [
            Role::Linear,       // time_embedding
            Role::Qkv,          // context
            Role::Linear,       // resnet in
            Role::Linear,       // hidden
            Role::Linear,       // out, read by proj_in
            Role::Qkv,          // block in
            Role::AttentionOut, // attn1
            Role::Qkv,          // cross
            Role::AttentionOut, // attn2
            Role::MlpIn,        // middle
            Role::MlpOut,       // ff
            Role::Linear,       // inner
            Role::Output,       // out
        ]
    );
    assert_eq!(network.layers()[10].draw, 2);
}

#[test]
fn autoencoders_and_plain_attention() {
    let mut all = Vec::new();
    for side in ["encoder", "decoder"] {
        all.push(Parameter::new(format!("{side}.conv_in.weight"), [128, 3, 3, 3]));
        let stem = format!("{side}.mid_block.resnets.0");
        add(&mut all, &stem, &[("conv1", &[128, 128, 3, 3]), ("conv2", &[128, 128, 3, 3])]);
        let q: &[usize] = &[128, 128];
        let parts = [("to_q", q), ("to_k", q), ("to_v", q), ("to_out.0", q)];
        add(&mut all, &format!("{side}.mid_block.attentions.0"), &parts);
    }
    let network = infer(&all);
    assert_eq!(network.architecture(), Architecture::Unet);
    assert_eq!(network.warnings(), [""; 0]);
    assert_eq!(weights(&network), 2 * (3456 + 2 * 147_456 + 4 * 16_384));
    // Nothing leads from one half to the other.
    assert_eq!(
        joined(&network, "encoder.conv_in.weight"),
        "encoder.conv_in.in>encoder.conv_in.out"
    );
    assert_eq!(leaving(&network, "encoder.mid_block.resnets.0.out").len(), 3);
}

#[test]
fn a_part_that_is_missing_is_named() {
    let mut all = stable_diffusion();
    let gone = "up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v";
    all.retain(|p| p.name != format!("{gone}.weight"));
    let network = infer(&all);
    assert_eq!(network.architecture(), Architecture::Generic);
    assert!(network.warnings()[0].contains(&format!("`{gone}.weight` is missing")));
    let mut all = stable_diffusion();
    let conv = all.iter_mut().find(|p| p.name == "mid_block.resnets.0.conv2.weight").unwrap();
    conv.shape = vec![1280, 640, 3, 3];
    let error = infer_as(Architecture::Unet, &all).unwrap_err().to_string();
    assert!(error.contains("`mid_block.resnets.0.conv2.weight`"), "{error}");
}
