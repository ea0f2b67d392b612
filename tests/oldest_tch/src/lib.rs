//! Type-checks what a program calls, with the oldest tch that neuromfa accepts. Needs no libtorch.

use neuromfa::{Error, Monitor, OnFailure};
use tch::nn::VarStore;

/// The lines of the README.
pub fn one_store(vs: &VarStore) -> Result<(), Error> {
    let mut monitor =
        Monitor::builder("runs/first").every(100).on_failure(OnFailure::KeepTraining).attach(vs)?;
    for step in 1..=600 {
        let _ = monitor.step(step, &[("loss", 0.0)])?;
    }
    println!("{}", monitor.finish()?);
    Ok(())
}

/// Several stores, and tensors without one.
pub fn others(actor: &VarStore, critic: &VarStore) -> Result<(), Error> {
    let stores = [("actor", actor), ("critic", critic)];
    drop(Monitor::builder("runs/groups").attach_groups(stores)?);
    let tensors = actor.variables();
    drop(Monitor::builder("runs/tensors").attach_tensors(tensors)?);
    Ok(())
}
