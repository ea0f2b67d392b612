//! An optimizer that passes the gate.

use tch::Tensor;
use tch::nn::Optimizer;

use super::gate::Gate;

/// An [`Optimizer`] that waits, before each update, until no weights are being read
/// ([`Work::Overlapped`](super::Work)). It has the optimizer's own methods; what is not repeated
/// here is reached through [`Self::with`].
#[derive(Debug)]
pub struct Gated {
    optimizer: Optimizer,
    gate: Gate,
}

impl Gated {
    pub(super) fn new(optimizer: Optimizer, gate: Gate) -> Self {
        Self { optimizer, gate }
    }

    /// Zeroes the gradients.
    pub fn zero_grad(&mut self) {
        self.optimizer.zero_grad();
    }

    /// Clips the gradients to ±`max`.
    pub fn clip_grad_value(&self, max: f64) {
        self.optimizer.clip_grad_value(max);
    }

    /// Clips the norm of all gradients together.
    pub fn clip_grad_norm(&self, max: f64) {
        self.optimizer.clip_grad_norm(max);
    }

    /// Updates the weights, once nobody reads them.
    pub fn step(&mut self) {
        self.gate.pass();
        self.optimizer.step();
    }

    /// Backward, while weights may still be read, then the update.
    pub fn backward_step(&mut self, loss: &Tensor) {
        self.optimizer.zero_grad();
        loss.backward();
        self.step();
    }

    /// [`Self::backward_step`] with gradients clipped to ±`max`.
    pub fn backward_step_clip(&mut self, loss: &Tensor, max: f64) {
        self.optimizer.zero_grad();
        loss.backward();
        self.optimizer.clip_grad_value(max);
        self.step();
    }

    /// [`Self::backward_step`] with the norm of the gradients clipped.
    pub fn backward_step_clip_norm(&mut self, loss: &Tensor, max: f64) {
        self.optimizer.zero_grad();
        loss.backward();
        self.optimizer.clip_grad_norm(max);
        self.step();
    }

    /// Sets the learning rate.
    pub fn set_lr(&mut self, lr: f64) {
        self.optimizer.set_lr(lr);
    }

    /// Anything else that the optimizer can do, with no weights being read meanwhile.
    pub fn with<T>(&mut self, task: impl FnOnce(&mut Optimizer) -> T) -> T {
        self.gate.pass();
        task(&mut self.optimizer)
    }

    /// The optimizer, without its gate.
    pub fn into_inner(self) -> Optimizer {
        self.gate.pass();
        self.optimizer
    }
}
