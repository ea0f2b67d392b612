//! Networks that tch makes, with the names and shapes that a `VarStore` gives them.
//!
//! A [`Store`] names variables as tch does: paths joined by `.`, and `name__N` for a name that is
//! taken, with N the number of variables made before.

use super::*;

mod examples;
mod names;
mod vision;

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
