//! The neuron layers that all transformer blocks have, chained through the residual stream.

use super::Role;
use super::plan::Plan;
use super::select::Matrix;

/// Blocks written down one after the other: [`Stack::open`], then the block's attention, then
/// [`Stack::close`].
pub(super) struct Stack<'a> {
    pub plan: Plan<'a>,
    width: usize,
    /// The last block: its number, its MLP's layer, the matrix from there.
    last: Option<(usize, usize, Matrix<'a>)>,
}

impl<'a> Stack<'a> {
    /// An empty stack around a residual stream of this width.
    pub fn new(width: usize) -> Self {
        Self { plan: Plan::default(), width, last: None }
    }

    /// Adds a block's residual layer, reached by the block before.
    pub fn open(&mut self, number: usize) -> usize {
        self.residual(number, Role::Qkv, Some(number))
    }

    /// Adds what follows attention: `out` to the middle, `hidden` from there to the MLP's hidden
    /// layer, of which twice as many neurons are drawn, `down` to the next residual layer.
    pub fn close(
        &mut self,
        number: usize,
        attention: usize,
        out: &Matrix<'a>,
        hidden: &[Matrix<'a>],
        down: &Matrix<'a>,
    ) {
        let block = Some(number);
        let name = format!("block.{number}.middle");
        let middle = self.plan.layer(name, self.width, Role::MlpIn, block);
        let name = format!("block.{number}.mlp");
        let mlp = self.plan.layer(name, down.inputs(), Role::MlpOut, block);
        self.plan.layers[mlp].draw = 2;
        self.plan.join(out, attention, middle, 1);
        for matrix in hidden {
            self.plan.join(matrix, middle, mlp, 1);
        }
        self.last = Some((number, mlp, *down));
    }

    /// Ends with the output of the last block.
    pub fn finish(mut self, unplaced: Vec<Matrix<'a>>) -> Plan<'a> {
        if let Some((number, ..)) = self.last {
            self.residual(number + 1, Role::Output, None);
        }
        self.plan.unplaced = unplaced;
        self.plan
    }

    fn residual(&mut self, number: usize, role: Role, block: Option<usize>) -> usize {
        let name = format!("block.{number}.residual");
        let residual = self.plan.layer(name, self.width, role, block);
        if let Some((_, mlp, down)) = &self.last {
            self.plan.join(down, *mlp, residual, 1);
        }
        residual
    }
}
