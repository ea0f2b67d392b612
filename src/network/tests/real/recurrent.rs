use super::*;

/// The matrices and biases of `nn.LSTM` and its kin.
fn recurrent(
    stem: &str,
    gates: usize,
    input: usize,
    hidden: usize,
    count: usize,
    both: bool,
) -> Vec<Parameter> {
    let directions: &[&str] = if both { &["", "_reverse"] } else { &[""] };
    let mut all = Vec::new();
    for layer in 0..count {
        let input = if layer == 0 { input } else { hidden * directions.len() };
        for direction in directions {
            let name = |kind: &str| format!("{stem}{kind}_l{layer}{direction}");
            all.push(Parameter::new(name("weight_ih"), [gates * hidden, input]));
            all.push(Parameter::new(name("weight_hh"), [gates * hidden, hidden]));
            all.push(Parameter::new(name("bias_ih"), [gates * hidden]));
            all.push(Parameter::new(name("bias_hh"), [gates * hidden]));
        }
    }
    all
}

#[test]
fn lstm_language_model() {
    // The word language model of PyTorch's examples: 2 layers of 650, an encoder table and a decoder.
    let mut all = recurrent("rnn.", 4, 650, 650, 2, false);
    all.extend(parameters(&[
        ("encoder.weight", &[33_278, 650]),
        ("decoder.weight", &[33_278, 650]),
    ]));
    let network = selected(&all, &[], &["encoder.weight", "decoder.weight"]).unwrap();
    assert_eq!(network.architecture(), Architecture::Rnn);
    assert_eq!(network.warnings(), [""; 0]);
    // Each matrix 2600·650.
    assert_eq!(weights(&network), 4 * 1_690_000);
    assert_eq!(
        layers(&network),
        [
            "rnn.l0.input:650",
            "rnn.l0.gates:650",
            "rnn.l0.hidden:650",
            "rnn.l1.gates:650",
            "rnn.l1.hidden:650",
        ]
    );
    assert_eq!(
        joins(&network),
        [
            "rnn.weight_ih_l0 rnn.l0.input>rnn.l0.gates ×4",
            "rnn.weight_hh_l0 rnn.l0.hidden>rnn.l0.gates ×4",
            "rnn.weight_ih_l1 rnn.l0.hidden>rnn.l1.gates ×4",
            "rnn.weight_hh_l1 rnn.l1.hidden>rnn.l1.gates ×4",
        ]
    );
    assert_eq!(network.layers()[1].role, Role::Output);
    assert!(left_out(&network).contains(&("rnn.bias_hh_l1", "bias: it joins no neurons")));
}

#[test]
fn bidirectional_gru_with_a_head() {
    let mut all = recurrent("gru.", 3, 40, 64, 2, true);
    all.extend(parameters(&[("fc.weight", &[10, 128]), ("fc2.weight", &[3, 10])]));
    let network = infer(&all);
    assert_eq!(network.architecture(), Architecture::Rnn);
    assert_eq!(network.warnings(), [""; 0]);
    // Layer 0: 192·40 + 192·64 each way; layer 1: 192·128 + 192·64 each way.
    assert_eq!(weights(&network), 2 * (7680 + 12_288) + 2 * (24_576 + 12_288) + 1280 + 30);
    assert_eq!(leaving(&network, "gru.l0.input"), ["gru.weight_ih_l0", "gru.weight_ih_l0_reverse"]);
    assert_eq!(width(&network, "gru.l0.output"), 128);
    assert_eq!(
        leaving(&network, "gru.l0.output"),
        ["gru.weight_ih_l1", "gru.weight_ih_l1_reverse"]
    );
    assert_eq!(
        joined(&network, "gru.weight_hh_l1_reverse"),
        "gru.l1.hidden_reverse>gru.l1.gates_reverse"
    );
    assert_eq!(joined(&network, "fc.weight"), "gru.l1.output>fc");
    assert_eq!(joined(&network, "fc2.weight"), "fc>fc2");
    assert!(network.connections()[..8].iter().all(|c| c.copies == 3));
}

#[test]
fn plain_cells_and_names_without_a_module() {
    let network = infer(&recurrent("", 1, 28, 128, 1, false));
    assert_eq!(
        joins(&network),
        ["weight_ih_l0 l0.input>l0.gates", "weight_hh_l0 l0.hidden>l0.gates"]
    );
    let cells = parameters(&[
        ("cells.0.weight_ih", &[80, 10]),
        ("cells.0.weight_hh", &[80, 20]),
        ("cells.1.weight_ih", &[80, 20]),
        ("cells.1.weight_hh", &[80, 20]),
        ("out.weight", &[5, 20]),
    ]);
    let network = infer(&cells);
    assert_eq!(network.architecture(), Architecture::Rnn);
    assert_eq!(network.connections().len(), 5);
    assert_eq!(joined(&network, "out.weight"), "out.weight.in>out.weight.out");
    assert_eq!(joined(&network, "cells.1.weight_ih"), "cells.1.l0.input>cells.1.l0.gates");
    let [warning] = network.warnings() else { panic!("{:?}", network.warnings()) };
    assert!(warning.contains("`out.weight` [5, 20]"), "{warning}");
}

#[test]
fn recurrent_layers_with_a_fault() {
    let misfit = |all: &[Parameter], part: &str| {
        let error = infer_as(Architecture::Rnn, all).unwrap_err().to_string();
        assert!(error.contains(part), "{part} in {error}");
        assert!(infer(all).warnings()[0].contains(part));
    };
    let good = recurrent("rnn.", 4, 10, 20, 3, false);
    let without = |name: &str| -> Vec<Parameter> {
        good.iter().filter(|p| !p.name.contains(name)).cloned().collect()
    };
    misfit(&without("weight_hh_l1"), "no weight_hh found next to `rnn.weight_ih_l1` [80, 20]");
    misfit(&without("_l1"), "there is no layer 1 before `rnn.weight_ih_l2`");
    let mut two = good.clone();
    two.iter_mut().find(|p| p.name == "rnn.weight_hh_l0").unwrap().shape = vec![40, 20];
    misfit(&two, "`rnn.weight_hh_l0` has shape [40, 20]");
    let mut odd = good;
    odd.iter_mut().find(|p| p.name == "rnn.weight_ih_l1").unwrap().shape = vec![80, 21];
    misfit(&odd, "`rnn.weight_ih_l1` has shape [80, 21]");
}
