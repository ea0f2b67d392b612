//! Networks as JSON: files that people edit.

use serde_json::{Value, json};

use super::*;

fn attention() -> Vec<Parameter> {
    parameters(&[
        ("attn.a.weight", &[32, 16]),
        ("attn.b.weight", &[32, 16]),
        ("up.weight", &[32, 16, 4]),
        ("up.bias", &[16]),
    ])
}

/// A file of the least that it needs.
fn least() -> Value {
    json!({
        "layers": [
            {"name": "in", "width": 16},
            {"name": "q", "width": 32},
            {"name": "k", "width": 32},
        ],
        "connections": [
            {"parameter": "attn.a.weight", "source": "in", "target": "q"},
            {"parameter": "attn.b.weight", "source": "in", "target": "k"},
        ],
    })
}

fn read(file: &Value) -> Result<Network, NetworkError> {
    Network::from_json(&file.to_string(), &attention())
}

fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut file = least();
    change(&mut file);
    read(&file).unwrap_err().to_string()
}

#[test]
fn the_least_that_a_file_needs() {
    let network = read(&least()).unwrap();
    assert_eq!(network.architecture(), Architecture::Custom);
    assert_eq!(layers(&network), ["in:16", "q:32", "k:32"]);
    assert_eq!(joins(&network), ["attn.a.weight in>q", "attn.b.weight in>k"]);
    let why = "not among the connections given";
    assert_eq!(left_out(&network), [("up.bias", why), ("up.weight", why)]);
}

/// What inspect prints of matrices that nothing joins, edited: one source for q and k, and a transposed
/// convolution turned.
#[test]
fn a_printed_network_is_edited() {
    let inferred = infer(&attention());
    assert_eq!(inferred.architecture(), Architecture::Generic);
    let mut file = serde_json::to_value(&inferred).unwrap();
    for layer in file["layers"].as_array_mut().unwrap() {
        if layer["name"] == "up.weight.in" || layer["name"] == "up.weight.out" {
            layer["width"] = json!(if layer["name"] == "up.weight.in" { 32 } else { 16 });
        }
    }
    let connections = file["connections"].as_array_mut().unwrap();
    for c in &mut *connections {
        if c["parameter"] == "attn.b.weight" {
            c["source"] = json!("attn.a.weight.in");
        }
        if c["parameter"] == "up.weight" {
            c["orientation"] = json!("in_out");
        }
    }
    file["layers"].as_array_mut().unwrap().retain(|layer| layer["name"] != "attn.b.weight.in");
    let network = read(&file).unwrap();
    let q = network.connections().iter().find(|c| c.parameter == "attn.a.weight").unwrap();
    let k = network.connections().iter().find(|c| c.parameter == "attn.b.weight").unwrap();
    let up = network.connections().iter().find(|c| c.parameter == "up.weight").unwrap();
    assert_eq!(q.source, k.source);
    assert_eq!((up.inputs, up.outputs, up.taps), (32, 16, 4));
    assert_eq!(network.left_out(), inferred.left_out(), "with the printed reasons");
}

/// Files of earlier versions count layers from 0.
#[test]
fn layers_may_be_numbers() {
    let mut file = least();
    for (k, target) in [(0, 1), (1, 2)] {
        file["connections"][k]["source"] = json!(0);
        file["connections"][k]["target"] = json!(target);
    }
    assert_eq!(read(&file).unwrap(), read(&least()).unwrap());
    let full = serde_json::to_value(infer(&attention())).unwrap();
    let mut numbered = full.clone();
    let names: Vec<Value> =
        full["layers"].as_array().unwrap().iter().map(|l| l["name"].clone()).collect();
    for c in numbered["connections"].as_array_mut().unwrap() {
        for end in ["source", "target"] {
            c[end] = json!(names.iter().position(|name| *name == c[end]).unwrap());
        }
    }
    assert_eq!(serde_json::from_value::<Network>(numbered).unwrap(), infer(&attention()));
}

#[test]
fn errors_name_the_layer_the_tensor_and_the_sizes() {
    assert_eq!(
        refusal(|file| file["layers"][1]["width"] = json!(30)),
        "`attn.a.weight` has shape [32, 16]; between its neuron layers it must be [30, 16, taps..], since \
         it leads from `in` (width 16) to `q` (width 30)"
    );
    assert_eq!(
        refusal(|file| file["connections"][0]["target"] = json!("v")),
        "`attn.a.weight` is joined to neuron layer `v`, which is not among [\"in\", \"q\", \"k\"]"
    );
    assert_eq!(
        refusal(|file| file["connections"][0]["target"] = json!(7)),
        "`attn.a.weight` is joined to neuron layer `7`, which is not among [\"in\", \"q\", \"k\"]"
    );
    assert_eq!(
        refusal(|file| file["connections"][1]["parameter"] = json!("att.v.weight")),
        "the connection from `in` to `k` names parameter `att.v.weight`, which does not exist; did you \
         mean `attn.a.weight`?"
    );
    assert_eq!(
        refusal(|file| file["connections"][1]["target"] = json!("q")),
        "nothing leaves or reaches neuron layer `k`: connect it or remove it"
    );
    assert_eq!(
        refusal(|file| file["connections"][0]["orientaton"] = json!("in_out")),
        "it is no network: unknown field `orientaton`, expected one of `parameter`, `source`, `target`, \
         `orientation`, `copies`, `taps`, `inputs`, `outputs`, `heads`, `groups`, `flattened`, `stacked` at \
         line 1 column 168; neuromfa inspect CHECKPOINT --json prints one to begin with"
    );
    let text = refusal(|file| file["layers"][0] = json!({"name": "in", "widht": 16}));
    assert!(text.starts_with("it is no network: unknown field `widht`"), "{text}");
}
