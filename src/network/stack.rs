//! The neuron layers that all transformer blocks have, chained through the residual stream.

use super::Role;
use super::plan::Plan;
use super::select::Matrix;

/// Builds blocks one after the other: [`Stack::open`], then the block's attention, then
/// [`Stack::close`].
pub(super) struct Stack<'a> {
    pub plan: Plan<'a>,
    prefix: &'static str,
    first: usize,
    width: usize,
    /// The last block: its number, its MLP's layer, the matrix from there.
    last: Option<(usize, usize, Matrix<'a>)>,
}

impl<'a> Stack<'a> {
    /// An empty stack around a residual stream of this width.
    pub fn new(width: usize) -> Self {
        Self::in_plan(Plan::default(), "", 0, width)
    }

    /// An empty stack in a plan that already has one, with a prefix to its names and its blocks
    /// counted from `first` on.
    pub fn in_plan(plan: Plan<'a>, prefix: &'static str, first: usize, width: usize) -> Self {
        Self { plan, prefix, first, width, last: None }
    }

    /// Adds a block's residual layer, reached by the block before.
    pub fn open(&mut self, number: usize) -> usize {
        let residual = self.layer(number, "residual", self.width, Role::Qkv);
        self.reach(residual);
        residual
    }

    /// Adds a layer to a block.
    pub fn layer(&mut self, number: usize, part: &str, width: usize, role: Role) -> usize {
        let name = format!("{}block.{number}.{part}", self.prefix);
        self.plan.layer(name, width, role, Some(self.first + number))
    }

    /// Adds what follows attention: `out` to the middle, `hidden` from there to the MLP's hidden
    /// layer (each with its copies), of which twice as many neurons are drawn, `down` to the next
    /// residual layer.
    pub fn close(
        &mut self,
        number: usize,
        attention: usize,
        out: &Matrix<'a>,
        hidden: &[(Matrix<'a>, usize)],
        down: &Matrix<'a>,
    ) {
        let middle = self.layer(number, "middle", self.width, Role::MlpIn);
        let mlp = self.layer(number, "mlp", down.inputs(), Role::MlpOut);
        self.plan.layers[mlp].draw = 2;
        self.plan.join(out, attention, middle, 1);
        for (matrix, copies) in hidden {
            self.plan.join(matrix, middle, mlp, *copies);
        }
        self.last = Some((number, mlp, *down));
    }

    /// Ends with the output of the last block; returns the index of that layer.
    pub fn finish(mut self) -> (Plan<'a>, usize) {
        let number = self.last.as_ref().map_or(0, |(number, ..)| number + 1);
        let output = self.layer(number, "residual", self.width, Role::Output);
        self.plan.layers[output].block = None;
        self.reach(output);
        (self.plan, output)
    }

    fn reach(&mut self, residual: usize) {
        if let Some((_, mlp, down)) = &self.last {
            self.plan.join(down, *mlp, residual, 1);
        }
    }
}
