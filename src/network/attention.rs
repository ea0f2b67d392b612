//! The passage through attention: which matrices make queries, keys and values, and which layer
//! these reach.
//!
//! Attention has no weights of its own. The published graph joins each query feature to its
//! feature of the attention output, and each key and each value to all of them, by edges of
//! weight 1 (distance 1).

use serde::{Deserialize, Serialize};

use super::{Architecture, Connection, Network, Role};

/// The last segments of the names of queries, keys and values.
const NAMES: [(Projection, &[&str]); 3] = [
    (Projection::Query, &["q_proj", "wq", "q", "query", "q_lin", "to_q"]),
    (Projection::Key, &["k_proj", "wk", "k", "key", "k_lin", "to_k"]),
    (Projection::Value, &["v_proj", "wv", "v", "value", "v_lin", "to_v"]),
];

/// The output of a matrix that leads to an attention layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// Queries: feature f leads to feature f of the attention output.
    Query,
    /// Keys: each leads to every feature.
    Key,
    /// Values: each leads to every feature.
    Value,
    /// All three in one matrix of three copies, as [Q; K; V] row blocks.
    Fused,
}

impl Network {
    /// The attention layer that a connection reaches through queries, keys or values, and which of
    /// them it makes. `None` for a connection that reaches its target neurons directly.
    ///
    /// An attention layer has the role [`Role::AttentionOut`]. A matrix of three copies into it is
    /// a fused query-key-value matrix; separate matrices are distinguished by the last segment of
    /// the name (`q_proj`, `wq`, `query`, ..). Keys and values narrower than the queries reach a
    /// layer of their own: they lead to the attention layer that the queries of the same source
    /// reach.
    #[must_use]
    pub(crate) fn attention(&self, connection: &Connection) -> Option<(usize, Projection)> {
        let is_attention = |layer: usize| self.layers()[layer].role == Role::AttentionOut;
        let target = connection.target;
        if is_attention(target) && connection.copies == 3 {
            return Some((target, Projection::Fused));
        }
        let kind = projection(&connection.parameter).or_else(|| self.by_order(connection));
        let kind = kind.filter(|_| connection.copies == 1)?;
        if is_attention(target) {
            return Some((target, kind));
        }
        if kind == Projection::Query || self.leaving(target).next().is_some() {
            return None;
        }
        let queries = self.leaving(connection.source).find(|c| {
            let kind = projection(&c.parameter).or_else(|| self.by_order(c));
            is_attention(c.target) && kind == Some(Projection::Query)
        })?;
        Some((queries.target, kind))
    }

    /// What a matrix makes that was renamed to be read: three that leave one layer are queries, keys
    /// and values, in this order.
    fn by_order(&self, connection: &Connection) -> Option<Projection> {
        let read = self.architecture() != Architecture::Custom;
        // No more than it takes to see that they are not three.
        let leaving = self.leaving(connection.source).take(4);
        let all: Vec<&Connection> = leaving.filter(|_| read).collect();
        let [query, key, value] = all.as_slice() else { return None };
        let reached = self.layers()[query.target].role == Role::AttentionOut;
        let kinds = [Projection::Query, Projection::Key, Projection::Value];
        let found = [query, key, value].into_iter().zip(kinds).filter(|_| reached);
        found.into_iter().find(|(c, _)| c.parameter == connection.parameter).map(|(_, kind)| kind)
    }
}

/// Which of query, key and value a matrix of this name makes, by the last segment of the name, or
/// by the end of that (`attn_q`).
fn projection(name: &str) -> Option<Projection> {
    let path = name.strip_suffix("weight").unwrap_or(name);
    let last = path.trim_end_matches(['.', '_']).rsplit('.').next()?;
    let is_called = |name: &&str| {
        last.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    };
    NAMES.into_iter().find_map(|(kind, names)| names.iter().any(is_called).then_some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Parameter, Selection};

    fn passages(
        shapes: &[(&str, [usize; 2])],
        exclude: &[&str],
    ) -> Vec<Option<(String, Projection)>> {
        let parameters: Vec<_> = shapes.iter().map(|(n, s)| Parameter::new(*n, *s)).collect();
        let exclude = exclude.iter().map(|e| (*e).to_owned()).collect();
        let selection = Selection { exclude, ..Selection::default() };
        let network = Network::infer(&parameters, &selection).unwrap();
        let named =
            |(layer, kind): (usize, Projection)| (network.layers()[layer].name.clone(), kind);
        network.connections().iter().map(|c| network.attention(c).map(named)).collect()
    }

    #[test]
    fn fused_and_grouped() {
        let attention = |kind| Some(("block.0.attention".to_owned(), kind));
        let neox = [
            ("layers.0.attention.query_key_value.weight", [24, 8]),
            ("layers.0.attention.dense.weight", [8, 8]),
            ("layers.0.mlp.dense_h_to_4h.weight", [32, 8]),
            ("layers.0.mlp.dense_4h_to_h.weight", [8, 32]),
        ];
        assert_eq!(passages(&neox, &[]), [attention(Projection::Fused), None, None, None]);
        // Without outgoing edges the layer is an end, and no path passes through it.
        assert_eq!(passages(&neox, &["*.dense.weight"]), [None, None, None]);
        let grouped = [
            ("layers.0.self_attn.q_proj.weight", [8, 8]),
            ("layers.0.self_attn.k_proj.weight", [4, 8]),
            ("layers.0.self_attn.v_proj.weight", [4, 8]),
            ("layers.0.self_attn.o_proj.weight", [8, 8]),
            ("layers.0.mlp.up_proj.weight", [32, 8]),
            ("layers.0.mlp.down_proj.weight", [8, 32]),
        ];
        let [q, k, v] = [Projection::Query, Projection::Key, Projection::Value].map(attention);
        assert_eq!(passages(&grouped, &[]), [q, k, v, None, None, None]);
    }
}
