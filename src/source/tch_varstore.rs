//! The live weights of a tch model.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use tch::{
    Device, Kind, Tensor as Torch,
    nn::{VarStore, Variables},
};

use super::tch_values::{HostCopies, framework, own, view};
use super::{Block, Source, SourceError, Tensor};
use crate::network::Parameter;

/// The variables of a [`VarStore`], as they are at each call.
///
/// Weights in the computer's own memory are read where they lie; weights on another device are
/// copied, or only the drawn ones where that moves less. Variables that are added to the store
/// later are not seen.
///
/// Not public: it is sound only while no other thread writes the weights, which `attach` asks of its
/// caller during calls of the hook.
#[derive(Debug)]
pub(crate) struct VarStoreWeights {
    variables: BTreeMap<String, Variable>,
    stores: Vec<Store>, // that the variables are from
    copies: HostCopies, // of weights that do not lie in the computer's memory row by row
}

/// A store, to see what is added to it.
#[derive(Debug)]
struct Store {
    group: String, // with its dot, or empty
    variables: Arc<Mutex<Variables>>,
    known: usize, // how many variables it had
}

impl Store {
    fn new(group: String, store: &VarStore) -> Self {
        let known = store.len();
        Self { group, variables: Arc::clone(&store.variables_), known }
    }
}

#[derive(Debug)]
struct Variable {
    tensor: Torch, // a shallow clone: it shares storage with the model
    trainable: bool,
}

impl VarStoreWeights {
    /// Takes shallow clones of the store's variables.
    pub(crate) fn new(store: &VarStore) -> Self {
        // A frozen variable is still in the list of trainable ones; a buffer never was.
        let trained = store.trainable_variables();
        let trained: HashSet<_> = trained.iter().map(|tensor| tensor.data_ptr()).collect();
        let variable = |tensor: Torch| {
            let trainable = trained.contains(&tensor.data_ptr());
            Variable { tensor, trainable }
        };
        let named = store.variables().into_iter();
        Self {
            variables: named.map(|(name, tensor)| (name, variable(tensor))).collect(),
            stores: vec![Store::new(String::new(), store)],
            copies: HostCopies::default(),
        }
    }

    /// Those of several stores, each name after its group's: `actor.fc1.weight`.
    pub(crate) fn of_groups(groups: &[(String, &VarStore)]) -> Self {
        let of_group = |(group, store): &(String, &VarStore)| {
            let of_store = Self::new(store).variables.into_iter();
            of_store
                .map(|(name, variable)| (format!("{group}.{name}"), variable))
                .collect::<Vec<_>>()
        };
        let store = |(group, store): &(String, &VarStore)| Store::new(format!("{group}."), store);
        Self {
            variables: groups.iter().flat_map(of_group).collect(),
            stores: groups.iter().map(store).collect(),
            copies: HostCopies::default(),
        }
    }

    /// Tensors by name. Those that require a gradient are trainable, or all if none does.
    pub(crate) fn of_tensors(tensors: Vec<(String, Torch)>) -> Self {
        let none = !tensors.iter().any(|(_, tensor)| tensor.requires_grad());
        let variable = |(name, tensor): (String, Torch)| {
            let trainable = none || tensor.requires_grad();
            (name, Variable { tensor, trainable })
        };
        Self {
            variables: tensors.into_iter().map(variable).collect(),
            stores: Vec::new(),
            copies: HostCopies::default(),
        }
    }

    fn variable(&self, name: &str) -> Result<&Torch, SourceError> {
        let found = self.variables.get(name).map(|variable| &variable.tensor);
        found.ok_or_else(|| SourceError::Missing {
            name: name.to_owned(),
            place: "the VarStore".to_owned(),
        })
    }
}

fn shape(tensor: &Torch) -> Vec<usize> {
    tensor.size().into_iter().map(|n| n as usize).collect()
}

const fn is_weight(kind: Kind) -> bool {
    matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16)
}

impl Source for VarStoreWeights {
    fn parameters(&self) -> Vec<Parameter> {
        let weights = self.variables.iter().filter(|(_, v)| is_weight(v.tensor.kind()));
        let parameter = |(name, variable): (&String, &Variable)| {
            let parameter = Parameter::new(name, shape(&variable.tensor));
            if variable.trainable { parameter } else { parameter.not_trainable() }
        };
        weights.map(parameter).collect()
    }

    fn added(&self) -> Vec<String> {
        let mut added = Vec::new();
        for Store { group, variables, known } in &self.stores {
            // Held while a layer is made: then the next step asks again.
            let Ok(variables) = variables.try_lock() else { continue };
            if variables.named_variables.len() > *known {
                let names = variables.named_variables.keys();
                let names = names.map(|name| format!("{group}{name}"));
                added.extend(names.filter(|name| !self.variables.contains_key(name)));
            }
        }
        added.sort();
        added
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        let variable = self.variable(name)?;
        if variable.device() == Device::Cpu && variable.is_contiguous() {
            return view(variable, name).map(Tensor::from);
        }
        self.copies.copy(variable, name)
    }

    fn gather(&self, name: &str, blocks: &[Block<'_>]) -> Result<Option<Tensor<'_>>, SourceError> {
        let variable = self.variable(name)?;
        let (size, shape) = (variable.numel(), shape(variable));
        let [_, _, ..] = shape[..] else { return Ok(None) };
        let taps: usize = shape[2..].iter().product();
        let wanted: usize = blocks.iter().map(|b| b.rows.len() * b.columns.len() * taps).sum();
        if variable.device() == Device::Cpu || wanted >= size {
            return Ok(None);
        }
        gather_on_device(variable, blocks)
            .map_err(|e| framework(name, e))
            .and_then(|gathered| own(&gathered, name))
            .map(Some)
    }
}

/// The blocks, flattened and joined on the tensor's own device, in the computer's memory.
fn gather_on_device(variable: &Torch, blocks: &[Block<'_>]) -> Result<Torch, tch::TchError> {
    let device = variable.device();
    let variable = variable.detach();
    let index = |indices: &[usize]| {
        let indices: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
        Torch::from_slice(&indices).f_to_device(device)
    };
    let mut parts = Vec::with_capacity(blocks.len());
    for block in blocks {
        let rows = variable.f_index_select(0, &index(block.rows)?)?;
        parts.push(rows.f_index_select(1, &index(block.columns)?)?.f_reshape([-1])?);
    }
    Torch::f_cat(&parts, 0)?.f_to_device(Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::Values;

    #[test]
    fn blocks_are_gathered_as_their_elements_stand() {
        let tensor = Torch::arange(2 * 3 * 4, (Kind::Float, Device::Cpu)).reshape([2, 3, 4]);
        let blocks =
            [Block { rows: &[1, 0], columns: &[2] }, Block { rows: &[0], columns: &[0, 1] }];
        let gathered = gather_on_device(&tensor, &blocks).unwrap();
        let expected = [20, 21, 22, 23, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7];
        let Values::F32(values) = view(&gathered, "t").unwrap() else { panic!("f32 expected") };
        assert_eq!(values, expected.map(|v| v as f32));
    }
}
