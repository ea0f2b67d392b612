//! GPT-NeoX (Pythia) with the names, shapes and arithmetic of Hugging Face's
//! `GPTNeoXForCausalLM`: what is trained here loads there.
//!
//! A block adds attention and MLP to the residual x in parallel:
//!
//! x ← x + Attention(LayerNorm₁(x)) + MLP(LayerNorm₂(x))

use serde_json::{Value, json};
use tch::nn::{self, Init, Module};
use tch::{Device, Kind, Tensor};

const ROTARY_FRACTION: f64 = 0.25;
const ROTARY_BASE: f64 = 10_000.0;
const LAYER_NORM_EPS: f64 = 1e-5;

/// The shape of a model.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub vocabulary: i64,
    pub blocks: i64,
    // a multiple of 16
    pub width: i64,
    // the longest input, in tokens
    pub context: i64,
}

impl Config {
    fn head_size(&self) -> i64 {
        if self.width >= 128 && self.width % 32 == 0 { 32 } else { 16 }
    }

    fn heads(&self) -> i64 {
        self.width / self.head_size()
    }

    /// The `config.json` that `transformers` reads.
    pub fn hugging_face(&self) -> Value {
        json!({
            "architectures": ["GPTNeoXForCausalLM"],
            "attention_bias": true,
            "attention_dropout": 0.0,
            "bos_token_id": null,
            "classifier_dropout": 0.1,
            "dtype": "float32",
            "eos_token_id": null,
            "hidden_act": "gelu",
            "hidden_dropout": 0.0,
            "hidden_size": self.width,
            "initializer_range": 0.02,
            "intermediate_size": 4 * self.width,
            "is_decoder": false,
            "layer_norm_eps": LAYER_NORM_EPS,
            "max_position_embeddings": self.context,
            "model_type": "gpt_neox",
            "num_attention_heads": self.heads(),
            "num_hidden_layers": self.blocks,
            "pad_token_id": null,
            "rope_parameters": {
                "partial_rotary_factor": ROTARY_FRACTION,
                "rope_theta": ROTARY_BASE,
                "rope_type": "default",
            },
            "tie_word_embeddings": false,
            "use_cache": true,
            "use_parallel_residual": true,
            "vocab_size": self.vocabulary,
        })
    }
}

/// A decoder that predicts each next character.
#[derive(Debug)]
pub struct GptNeoX {
    embed_in: nn::Embedding,
    layers: Vec<Block>,
    final_layer_norm: nn::LayerNorm,
    embed_out: nn::Linear,
    rotary: Rotary,
}

impl GptNeoX {
    /// Draws the weights as GPT-NeoX does: std √(2/5d) where a matrix reads the residual
    /// (`small_init`) and 2/(L√d) where it writes to it (`wang_init`); biases are 0.
    pub fn new(root: &nn::Path, config: &Config) -> Self {
        let d = config.width as f64;
        let small = normal((2.0 / (5.0 * d)).sqrt());
        let wang = normal(2.0 / (config.blocks as f64 * d.sqrt()));
        let trunk = root / "gpt_neox";
        Self {
            embed_in: nn::embedding(
                &trunk / "embed_in",
                config.vocabulary,
                config.width,
                nn::EmbeddingConfig { ws_init: small, ..Default::default() },
            ),
            layers: (0..config.blocks)
                .map(|i| Block::new(&(&trunk / "layers" / i), config, small, wang))
                .collect(),
            final_layer_norm: layer_norm(&trunk / "final_layer_norm", config.width),
            embed_out: nn::linear(
                root / "embed_out",
                config.width,
                config.vocabulary,
                nn::LinearConfig { ws_init: small, bias: false, ..Default::default() },
            ),
            rotary: Rotary::new(config, root.device()),
        }
    }

    /// Scores of every next token: `[batch, time]` → `[batch, time, vocabulary]`.
    pub fn logits(&self, tokens: &Tensor) -> Tensor {
        let embedded = self.embed_in.forward(tokens);
        let hidden = self.layers.iter().fold(embedded, |x, layer| layer.forward(&x, &self.rotary));
        self.embed_out.forward(&self.final_layer_norm.forward(&hidden))
    }

    /// Mean cross-entropy of the targets in nats.
    pub fn loss(&self, tokens: &Tensor, targets: &Tensor) -> Tensor {
        self.logits(tokens).flatten(0, 1).cross_entropy_for_logits(&targets.flatten(0, 1))
    }
}

#[derive(Debug)]
struct Block {
    input_layernorm: nn::LayerNorm,
    attention: Attention,
    post_attention_layernorm: nn::LayerNorm,
    dense_h_to_4h: nn::Linear,
    dense_4h_to_h: nn::Linear,
}

impl Block {
    fn new(path: &nn::Path, config: &Config, small: Init, wang: Init) -> Self {
        let d = config.width;
        let mlp = path / "mlp";
        Self {
            input_layernorm: layer_norm(path / "input_layernorm", d),
            attention: Attention::new(&(path / "attention"), config, small, wang),
            post_attention_layernorm: layer_norm(path / "post_attention_layernorm", d),
            dense_h_to_4h: linear(&mlp / "dense_h_to_4h", d, 4 * d, small),
            dense_4h_to_h: linear(&mlp / "dense_4h_to_h", 4 * d, d, wang),
        }
    }

    fn forward(&self, x: &Tensor, rotary: &Rotary) -> Tensor {
        let attended = self.attention.forward(&self.input_layernorm.forward(x), rotary);
        let middle = self.dense_h_to_4h.forward(&self.post_attention_layernorm.forward(x));
        x + attended + self.dense_4h_to_h.forward(&middle.gelu("none"))
    }
}

#[derive(Debug)]
struct Attention {
    // rows interleave per head: [heads, 3, head size]
    query_key_value: nn::Linear,
    dense: nn::Linear,
    heads: i64,
}

impl Attention {
    fn new(path: &nn::Path, config: &Config, small: Init, wang: Init) -> Self {
        let d = config.width;
        Self {
            query_key_value: linear(path / "query_key_value", d, 3 * d, small),
            dense: linear(path / "dense", d, d, wang),
            heads: config.heads(),
        }
    }

    fn forward(&self, x: &Tensor, rotary: &Rotary) -> Tensor {
        let (batch, time, _) = x.size3().expect("the residual has three dimensions");
        let fused = self.query_key_value.forward(x).view([batch, time, self.heads, -1]);
        let qkv = fused.transpose(1, 2).chunk(3, -1);
        let query = rotary.turn(&qkv[0]);
        let key = rotary.turn(&qkv[1]);
        let mixed = Tensor::scaled_dot_product_attention::<Tensor>(
            &query, &key, &qkv[2], None, 0.0, true, None, false,
        );
        self.dense.forward(&mixed.transpose(1, 2).reshape([batch, time, -1]))
    }
}

/// Rotary positions: the first quarter of a head's features, taken as pairs (i, i + half),
/// turns by the angle position · base^(-i/half).
#[derive(Debug)]
struct Rotary {
    // [context, features that turn]
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    fn new(config: &Config, device: Device) -> Self {
        let features = (config.head_size() as f64 * ROTARY_FRACTION) as i64;
        let options = (Kind::Float, device);
        let exponent = Tensor::arange_start_step(0, features, 2, options) / features as f64;
        let frequency = (exponent * -ROTARY_BASE.ln()).exp();
        let angle = Tensor::arange(config.context, options).outer(&frequency).repeat([1, 2]);
        Self { cos: angle.cos(), sin: angle.sin() }
    }

    /// Turns queries or keys, `[batch, heads, time, head size]`.
    fn turn(&self, x: &Tensor) -> Tensor {
        let (time, features) = (x.size()[2], self.cos.size()[1]);
        let turning = x.narrow(-1, 0, features);
        let still = x.narrow(-1, features, x.size()[3] - features);
        let halves = turning.chunk(2, -1);
        let quarter_turn = Tensor::cat(&[&-&halves[1], &halves[0]], -1);
        let turned =
            turning * self.cos.narrow(0, 0, time) + quarter_turn * self.sin.narrow(0, 0, time);
        Tensor::cat(&[&turned, &still], -1)
    }
}

fn normal(stdev: f64) -> Init {
    Init::Randn { mean: 0.0, stdev }
}

fn linear(path: nn::Path, inputs: i64, outputs: i64, weights: Init) -> nn::Linear {
    let config = nn::LinearConfig { ws_init: weights, bs_init: Some(Init::Const(0.0)), bias: true };
    nn::linear(path, inputs, outputs, config)
}

fn layer_norm(path: nn::Path, width: i64) -> nn::LayerNorm {
    nn::layer_norm(
        path,
        vec![width],
        nn::LayerNormConfig { eps: LAYER_NORM_EPS, ..Default::default() },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: Config = Config { vocabulary: 11, blocks: 2, width: 64, context: 8 };

    /// One position of one head at a time, in f64, straight from the definition.
    fn plain_attention(attention: &Attention, x: &Tensor) -> Vec<f64> {
        let (d, time) = (CONFIG.width as usize, x.size()[1] as usize);
        let (size, heads) = (CONFIG.head_size() as usize, CONFIG.heads() as usize);
        let values =
            |t: &Tensor| Vec::<f64>::try_from(t.to_kind(Kind::Double).flatten(0, -1)).unwrap();
        let affine = |layer: &nn::Linear, input: &[f64]| -> Vec<f64> {
            let weight = values(&layer.ws);
            let bias = values(layer.bs.as_ref().unwrap());
            let row = |o: usize| &weight[o * input.len()..(o + 1) * input.len()];
            let dot = |a: &[f64]| a.iter().zip(input).map(|(a, b)| a * b).sum::<f64>();
            (0..bias.len()).map(|o| bias[o] + dot(row(o))).collect()
        };
        let turn = |v: &[f64], position: usize| -> Vec<f64> {
            let half = (size as f64 * ROTARY_FRACTION) as usize / 2;
            let mut out = v.to_vec();
            for i in 0..half {
                let angle = position as f64 * ROTARY_BASE.powf(-(i as f64) / half as f64);
                out[i] = v[i] * angle.cos() - v[i + half] * angle.sin();
                out[i + half] = v[i + half] * angle.cos() + v[i] * angle.sin();
            }
            out
        };
        let input = values(x);
        let fused: Vec<Vec<f64>> =
            input.chunks(d).map(|x| affine(&attention.query_key_value, x)).collect();
        let part = |t: usize, head: usize, which: usize| {
            let start = head * 3 * size + which * size;
            fused[t][start..start + size].to_vec()
        };
        let mut out = Vec::new();
        for t in 0..time {
            let mut mixed = vec![0.0; d];
            for head in 0..heads {
                let query = turn(&part(t, head, 0), t);
                let score = |s: usize| {
                    let key = turn(&part(s, head, 1), s);
                    let dot: f64 = query.iter().zip(&key).map(|(a, b)| a * b).sum();
                    (dot / (size as f64).sqrt()).exp()
                };
                let weights: Vec<f64> = (0..=t).map(score).collect();
                let total: f64 = weights.iter().sum();
                for (s, weight) in weights.iter().enumerate() {
                    for (i, value) in part(s, head, 2).iter().enumerate() {
                        mixed[head * size + i] += weight / total * value;
                    }
                }
            }
            out.extend(affine(&attention.dense, &mixed));
        }
        out
    }

    #[test]
    fn attention_agrees_with_its_definition() {
        tch::manual_seed(1);
        let vs = nn::VarStore::new(Device::Cpu);
        // Wide draws, so that the softmax is far from uniform.
        let attention = Attention::new(&vs.root(), &CONFIG, normal(0.3), normal(0.3));
        let x = Tensor::randn([1, 6, CONFIG.width], (Kind::Float, Device::Cpu));
        let fast = attention.forward(&x, &Rotary::new(&CONFIG, Device::Cpu));
        let fast = Vec::<f64>::try_from(fast.to_kind(Kind::Double).flatten(0, -1)).unwrap();
        let plain = plain_attention(&attention, &x);
        assert_eq!(fast.len(), plain.len());
        for (a, b) in fast.iter().zip(&plain) {
            assert!((a - b).abs() < 1e-3, "{a} against {b}");
        }
    }

    #[test]
    fn a_later_character_changes_no_earlier_score() {
        tch::manual_seed(2);
        let vs = nn::VarStore::new(Device::Cpu);
        let model = GptNeoX::new(&vs.root(), &CONFIG);
        let a = model.logits(&Tensor::from_slice(&[1i64, 2, 3, 4]).view([1, 4]));
        let b = model.logits(&Tensor::from_slice(&[1i64, 2, 3, 9]).view([1, 4]));
        assert!(a.narrow(1, 0, 3).equal(&b.narrow(1, 0, 3)));
        assert!(!a.narrow(1, 3, 1).equal(&b.narrow(1, 3, 1)));
    }

    #[test]
    fn names_and_shapes_are_those_of_hugging_face() {
        let vs = nn::VarStore::new(Device::Cpu);
        let _model = GptNeoX::new(&vs.root(), &CONFIG);
        let variables = vs.variables();
        let shape = |name: &str| variables[name].size();
        assert_eq!(shape("gpt_neox.embed_in.weight"), [11, 64]);
        assert_eq!(shape("gpt_neox.layers.1.attention.query_key_value.weight"), [192, 64]);
        assert_eq!(shape("gpt_neox.layers.1.attention.query_key_value.bias"), [192]);
        assert_eq!(shape("gpt_neox.layers.0.attention.dense.weight"), [64, 64]);
        assert_eq!(shape("gpt_neox.layers.0.mlp.dense_h_to_4h.weight"), [256, 64]);
        assert_eq!(shape("gpt_neox.layers.0.mlp.dense_4h_to_h.weight"), [64, 256]);
        assert_eq!(shape("gpt_neox.layers.0.input_layernorm.weight"), [64]);
        assert_eq!(shape("gpt_neox.layers.0.post_attention_layernorm.bias"), [64]);
        assert_eq!(shape("gpt_neox.final_layer_norm.bias"), [64]);
        assert_eq!(shape("embed_out.weight"), [11, 64]);
        assert_eq!(variables.len(), 2 * 12 + 4);
    }
}
