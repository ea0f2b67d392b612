//! Infers a network from the names and shapes of its parameters.

use std::collections::HashSet;

use super::parameter::Kind;
use super::plan::{Fit, Plan};
use super::reading;
use super::select::{self, Matrix, Selected, Selection};
use super::{
    Architecture, LeftOut, Network, NetworkError, Parameter, bert, cnn, encoder_decoder, generic,
    gpt_neox, gpt2, lora, mlp, natural, rnn, towers, transformer, unet, vit,
};

/// How many names a warning lists.
const LISTED: usize = 4;

impl Network {
    /// Infers a network from the names and shapes of its parameters, in any order.
    ///
    /// Without an architecture in `selection`, takes the first of [`Architecture::ALL`] whose names
    /// are present; without such names, cnn if there are convolutions, otherwise mlp. If the shapes
    /// do not fit, the network is generic, with a warning that says why the other architecture does
    /// not fit.
    ///
    /// # Errors
    ///
    /// A pattern that matches nothing; a name given twice, or by renaming; an architecture asked for by name that
    /// the parameters do not have; `per_head` where it does not apply; nothing left to analyse.
    pub fn infer(parameters: &[Parameter], selection: &Selection) -> Result<Self, NetworkError> {
        let sorted = select::in_natural_order(parameters)?;
        select::check_patterns(&sorted, selection)?;
        Self::read(&sorted, selection, None)
    }

    /// Infers a network from parameters in natural order of their names: all, or those of a group,
    /// read without its name.
    pub(super) fn read(
        parameters: &[&Parameter],
        selection: &Selection,
        group: Option<&str>,
    ) -> Result<Self, NetworkError> {
        let (mut readings, mut warnings) = reading::read(parameters, &selection.rename, group)?;
        let Selected { matrices, mut left_out } = select::select(&mut readings, selection);
        let untrained = parameters.iter().filter(|p| !p.trainable && !selection.untrained).count();
        let nothing = || NetworkError::NoMatrices { count: parameters.len(), untrained };
        let remains = |m: &&Matrix| m.excluded.is_none();
        let kept: Vec<Matrix> = matrices.iter().filter(remains).copied().collect();
        if kept.is_empty() {
            return Err(nothing());
        }
        if selection.architecture == Some(Architecture::Custom) {
            return Err(NetworkError::CustomByName);
        }

        // An excluded matrix is kept while the architecture is read, unless nothing else is left or
        // the parameters fit only without it.
        let read = match read(selection.architecture, &matrices) {
            Ok((architecture, plan)) if plan.uses(&kept) => Ok((architecture, plan)),
            _ => read(selection.architecture, &kept),
        };
        let (architecture, mut plan) = match (read, selection.architecture) {
            (Ok(found), _) => found,
            (Err(why), Some(architecture)) => {
                return Err(NetworkError::DoesNotFit { architecture, why });
            }
            (Err(why), None) => {
                warnings.push(generic::warning(&why));
                (Architecture::Generic, generic::plan(&kept))
            }
        };
        if let Some(heads) = selection.per_head {
            gpt_neox::per_head(&mut plan, architecture, heads)?;
        }
        warnings.append(&mut plan.warnings);
        warnings.extend(settle(architecture, &mut plan, &mut left_out));
        for matrix in &matrices {
            if let Some(excluded) = matrix.excluded {
                left_out.push(LeftOut::new(matrix.parameter, Kind::Excluded, excluded.why()));
            }
        }
        left_out.sort_by(|a, b| natural::compare(&a.name, &b.name));
        let without: HashSet<&str> = left_out.iter().map(|l| l.name.as_str()).collect();
        plan.retain(|connection| !without.contains(connection.parameter.as_str()));
        if plan.connections.is_empty() {
            return Err(nothing());
        }
        if group.is_none() {
            towers::mark(&mut plan);
        }

        let mut network =
            Self::new(architecture, plan.layers, plan.connections, left_out, warnings);
        debug_assert_eq!(network.contradiction(), None);
        let small = network.small_share();
        network.warnings.extend(small);
        Ok(network)
    }
}

/// Reads the matrices as the architecture asked for, or as the first that fits; otherwise returns
/// why it does not fit.
fn read<'a>(
    architecture: Option<Architecture>,
    matrices: &[Matrix<'a>],
) -> Fit<(Architecture, Plan<'a>)> {
    let Some(architecture) = architecture else {
        return recognise(matrices);
    };
    let plan = match architecture {
        Architecture::Mlp => mlp::plan(matrices)?,
        Architecture::Cnn => cnn::plan(matrices)?,
        Architecture::Generic => generic::plan(matrices),
        named => {
            let reader = NAMED.iter().find(|reader| reader.architecture == named);
            let Some(reader) = reader else {
                return Err("it is put together by hand".into());
            };
            let absent = || format!("no parameter is called `{}`", reader.sign);
            (reader.plan)(matrices)?.ok_or_else(absent)?
        }
    };
    Ok((architecture, plan))
}

/// An architecture that is known by its names.
struct Reader {
    architecture: Architecture,
    plan: for<'a> fn(&[Matrix<'a>]) -> Fit<Option<Plan<'a>>>,
    /// A name that every network of this architecture has.
    sign: &'static str,
}

/// The architectures that are known by their names, in the order in which they are tried: those
/// with distinctive names come first.
const NAMED: [Reader; 9] = [
    Reader { architecture: Architecture::Lora, plan: lora::plan, sign: "{module}.lora_A.weight" },
    Reader {
        architecture: Architecture::GptNeox,
        plan: gpt_neox::plan,
        sign: "[prefix.]layers.{i}.attention.query_key_value.weight",
    },
    Reader {
        architecture: Architecture::Gpt2,
        plan: gpt2::plan,
        sign: "[prefix.]h.{i}.attn.c_attn.weight",
    },
    Reader {
        architecture: Architecture::EncoderDecoder,
        plan: encoder_decoder::plan,
        sign: "encoder.block.{i}.layer.0.SelfAttention.q.weight",
    },
    Reader {
        architecture: Architecture::Unet,
        plan: unet::plan,
        sign: "down_blocks.{i}.resnets.{j}.conv1.weight",
    },
    Reader {
        architecture: Architecture::Bert,
        plan: bert::plan,
        sign: "[prefix.]layer.{i}.attention.self.query.weight",
    },
    Reader {
        architecture: Architecture::Vit,
        plan: vit::plan,
        sign: "[prefix.]blocks.{i}.attn.qkv.weight",
    },
    Reader {
        architecture: Architecture::Transformer,
        plan: transformer::plan,
        sign: "[prefix.]layers.{i}.self_attn.q_proj.weight",
    },
    Reader { architecture: Architecture::Rnn, plan: rnn::plan, sign: "[prefix.]weight_ih_l{k}" },
];

fn recognise<'a>(matrices: &[Matrix<'a>]) -> Fit<(Architecture, Plan<'a>)> {
    for Reader { architecture, plan, .. } in NAMED {
        let like = |why| format!("it looks like {architecture}, but {why}");
        if let Some(plan) = plan(matrices).map_err(like)? {
            return Ok((architecture, plan));
        }
    }
    if let Some(why) = mlp::doubt(matrices) {
        return Err(why);
    }
    if let Some(why) = generic::unknown_axes(matrices) {
        return Err(why);
    }
    if cnn::has_kernels(matrices) {
        let like = |why| format!("it looks like {}, but {why}", Architecture::Cnn);
        return Ok((Architecture::Cnn, cnn::plan(matrices).map_err(like)?));
    }
    Ok((Architecture::Mlp, mlp::plan(matrices)?))
}

/// Why an architecture leaves out a matrix that is not one of its own, if that is expected.
fn left_out_reason(architecture: Architecture, matrix: &Matrix) -> Option<&'static str> {
    let of_its_own = match architecture {
        Architecture::Lora => return None,
        Architecture::Bert => bert::left_out_reason(matrix.path()),
        _ => None,
    };
    of_its_own.or_else(|| select::is_last_layer(matrix.reads).then_some("output head"))
}

/// Handles the matrices that the architecture does not use: adds them as separate networks if an
/// include pattern asks for them, and leaves out the others, with a warning unless this is
/// expected.
fn settle(
    architecture: Architecture,
    plan: &mut Plan,
    left_out: &mut Vec<LeftOut>,
) -> Option<String> {
    let mut odd = Vec::new();
    for matrix in std::mem::take(&mut plan.unplaced) {
        if matrix.excluded.is_some() {
            continue;
        } else if matrix.put_back {
            if matrix.included {
                plan.alone(&matrix);
            }
        } else if let Some(why) =
            left_out_reason(architecture, &matrix).filter(|_| !matrix.included)
        {
            left_out.push(LeftOut::new(matrix.parameter, Kind::Apart, why));
        } else {
            odd.push(matrix);
        }
    }
    generic::add(plan, &odd);
    for (matrix, kind, why) in std::mem::take(&mut plan.omitted) {
        odd.retain(|odd| odd.name() != matrix.name());
        if matrix.excluded.is_none() {
            left_out.push(LeftOut::new(matrix.parameter, kind, why));
        }
    }
    odd.retain(|matrix| !matrix.included);
    let listed = odd.len().min(LISTED);
    let more = match odd.len() - listed {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let name = |m: &Matrix| format!("`{}` {:?}", m.name(), m.shape());
    let names: Vec<String> = odd[..listed].iter().map(name).collect();
    (!odd.is_empty()).then(|| {
        format!(
            "The architecture {architecture} has no place for {}{more}: read next to it by their names \
             alone, as generic networks are. An exclude pattern leaves such a matrix out.",
            names.join(", "),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_are_listed_in_the_order_in_which_they_are_tried() {
        let tried = NAMED.iter().map(|reader| reader.architecture);
        let rest = [Architecture::Cnn, Architecture::Mlp, Architecture::Generic];
        let last = [Architecture::Custom];
        assert_eq!(tried.chain(rest).chain(last).collect::<Vec<_>>(), Architecture::ALL);
    }
}
