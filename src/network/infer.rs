//! Reading a network off the names and shapes of its parameters.

use super::plan::{Fit, Plan};
use super::select::{self, Matrix, Selected, Selection};
use super::{
    Architecture, LeftOut, Network, NetworkError, Parameter, generic, gpt_neox, mlp, natural,
    transformer,
};

/// How many names a warning lists.
const LISTED: usize = 4;

impl Network {
    /// Reads a network off the names and shapes of its parameters, in whatever order they come.
    ///
    /// Without an architecture in `selection` the first that fits of gpt-neox, transformer and mlp
    /// is taken, and else the generic one with a warning that says what stood against the others.
    ///
    /// # Errors
    ///
    /// A pattern that matches nothing; a name given twice; an architecture asked for by name that
    /// the parameters do not have; nothing left to analyse.
    pub fn infer(parameters: &[Parameter], selection: &Selection) -> Result<Self, NetworkError> {
        let sorted = select::in_natural_order(parameters)?;
        let Selected { matrices, mut left_out } = select::select(&sorted, selection)?;
        let nothing = || NetworkError::NoMatrices { count: parameters.len() };
        let remains = |m: &&Matrix| m.excluded.is_none();
        let kept: Vec<Matrix> = matrices.iter().filter(remains).copied().collect();
        if kept.is_empty() {
            return Err(nothing());
        }
        if selection.architecture == Some(Architecture::Custom) {
            return Err(NetworkError::CustomByName);
        }

        let mut warnings = Vec::new();
        // An excluded matrix keeps its place in the architecture, unless that leaves nothing or the
        // parameters fit without it only.
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
        warnings.extend(settle(architecture, &mut plan, &mut left_out));
        for matrix in &matrices {
            if let Some(pattern) = matrix.excluded {
                let why = format!("excluded by the pattern `{pattern}`");
                left_out.push(LeftOut::new(matrix.parameter, why));
            }
        }
        left_out.sort_by(|a, b| natural::compare(&a.name, &b.name));
        plan.retain(|connection| left_out.iter().all(|l| l.name != connection.parameter));
        if plan.connections.is_empty() {
            return Err(nothing());
        }

        let network = Self {
            architecture,
            layers: plan.layers,
            connections: plan.connections,
            left_out,
            warnings,
        };
        debug_assert_eq!(network.contradiction(), None);
        Ok(network)
    }
}

/// Reads the matrices as the architecture asked for, or as the first that fits; else what stands
/// against it.
fn read<'a>(
    architecture: Option<Architecture>,
    matrices: &[Matrix<'a>],
) -> Fit<(Architecture, Plan<'a>)> {
    let absent = |name: &str| format!("no parameter is called `{name}`");
    let Some(architecture) = architecture else {
        return recognise(matrices);
    };
    let plan = match architecture {
        Architecture::GptNeox => gpt_neox::plan(matrices)?
            .ok_or_else(|| absent("[prefix.]layers.{i}.attention.query_key_value.weight")),
        Architecture::Transformer => transformer::plan(matrices)?
            .ok_or_else(|| absent("[prefix.]layers.{i}.self_attn.q_proj.weight")),
        Architecture::Mlp => mlp::plan(matrices),
        Architecture::Generic => Ok(generic::plan(matrices)),
        Architecture::Custom => Err("it is put together by hand".into()),
    };
    Ok((architecture, plan?))
}

fn recognise<'a>(matrices: &[Matrix<'a>]) -> Fit<(Architecture, Plan<'a>)> {
    let like = |architecture, why| format!("it looks like {architecture}, but {why}");
    let found = gpt_neox::plan(matrices).map_err(|why| like(Architecture::GptNeox, why))?;
    if let Some(plan) = found {
        return Ok((Architecture::GptNeox, plan));
    }
    let found = transformer::plan(matrices).map_err(|why| like(Architecture::Transformer, why))?;
    if let Some(plan) = found {
        return Ok((Architecture::Transformer, plan));
    }
    match mlp::doubt(matrices) {
        Some(why) => Err(why),
        None => Ok((Architecture::Mlp, mlp::plan(matrices)?)),
    }
}

/// Puts the matrices that the architecture has no place for beside it if an include pattern asks
/// for them, and leaves the others out, with a warning unless they are output heads.
fn settle(
    architecture: Architecture,
    plan: &mut Plan,
    left_out: &mut Vec<LeftOut>,
) -> Option<String> {
    let mut odd = Vec::new();
    for matrix in std::mem::take(&mut plan.unplaced) {
        let name = matrix.name();
        if matrix.excluded.is_some() {
            continue;
        } else if matrix.included {
            plan.alone(&matrix);
        } else if select::is_last_layer(name) {
            left_out.push(LeftOut::new(matrix.parameter, "output head"));
        } else {
            odd.push(format!("`{name}` {:?}", matrix.shape()));
            let why = format!("no place in the architecture {architecture}");
            left_out.push(LeftOut::new(matrix.parameter, why));
        }
    }
    let listed = odd.len().min(LISTED);
    let more = match odd.len() - listed {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!odd.is_empty()).then(|| {
        format!(
            "The architecture {architecture} has no place for {}{more}: left out. An include \
             pattern puts such a matrix in as a network of its own.",
            odd[..listed].join(", "),
        )
    })
}
