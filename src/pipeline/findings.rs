//! What shapes alone show about an analysis, before any weight is read.

use crate::mfa::Parameters;
use crate::network::Network;

/// Why some layers, or all, can never have a neuron that counts; each a sentence or two.
pub(super) fn findings(network: &Network, parameters: &Parameters) -> Vec<String> {
    let least = parameters.min_edges as usize;
    let sources = || (0..network.layers().len()).filter(|&k| network.leaving(k).next().is_some());
    let edges = |k: usize| network.leaving(k).map(|c| c.weights() / c.inputs).sum::<usize>();
    let width = |k: usize| network.layers()[k].width;
    let without: Vec<usize> = sources().filter(|&k| edges(k) <= least).collect();
    if without.is_empty() {
        return Vec::new();
    }
    let remedy = "Parameters::min_edges lowers the limit";
    let of_layer = |&k: &usize| {
        let (name, width) = (&network.layers()[k].name, width(k));
        format!("the {width} neurons of layer {name} have {} edges each", edges(k))
    };
    let listed: Vec<String> = without.iter().take(LISTED).map(of_layer).collect();
    let mut text = listed.join(", ");
    if without.len() > LISTED {
        text += &format!(", and {} more layers are alike", without.len() - LISTED);
    }
    let all: usize = sources().map(width).sum();
    let excluded: usize = without.iter().map(|&k| width(k)).sum();
    let consequence = match all - excluded {
        0 => "no row can have a value".to_owned(),
        kept => format!("at most {:.2} of the neurons are kept", kept as f64 / all as f64),
    };
    vec![format!(
        "{text}, and a neuron counts only with more than {least}: {consequence}. {remedy}"
    )]
}

/// How many layers a finding lists.
const LISTED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Parameter, Selection};

    fn of(shapes: &[[usize; 2]]) -> Vec<String> {
        let name = |k: usize| format!("{k}.weight");
        let parameters: Vec<Parameter> =
            shapes.iter().enumerate().map(|(k, s)| Parameter::new(name(k), *s)).collect();
        let network = Network::infer(&parameters, &Selection::default()).unwrap();
        findings(&network, &Parameters::default())
    }

    #[test]
    fn a_head_of_ten_excludes_the_layer_before_it() {
        assert!(of(&[[128, 64], [11, 128]]).is_empty());
        let [found] = &of(&[[128, 64], [10, 128]])[..] else { panic!("one finding") };
        assert!(found.starts_with("the 128 neurons of layer "), "{found}");
        assert!(found.contains("have 10 edges each, and a neuron counts only with more than 10"));
        assert!(found.contains("at most 0.33 of the neurons are kept"), "{found}");
    }

    #[test]
    fn a_network_in_which_no_neuron_counts_says_so() {
        let [found] = &of(&[[2, 64]])[..] else { panic!("one finding") };
        assert!(found.contains("have 2 edges each"), "{found}");
        assert!(found.contains("no row can have a value"), "{found}");
    }
}
