//! The values of a libtorch tensor in the computer's memory: where they lie, or copied there.
//!
//! A tensor on a device is copied once, into memory that is kept and used again at the next
//! snapshot: fresh memory costs more than the copy. For CUDA it is page-locked, so that the bus
//! moves the weights at its own speed.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::sync::Arc;

use half::{bf16, f16};
use tch::{Device, Kind, TchError, Tensor as Torch};

use super::{SourceError, Tensor, tensor::Kept};
use crate::mfa::Values;

/// The most memory that is kept: twice what a snapshot counts at once.
const KEPT_BYTES: usize = 512 << 20;

/// Copies of tensors. One that nobody reads any more is overwritten by the next tensor of its type
/// and size.
#[derive(Debug, Default)]
pub(super) struct HostCopies(RefCell<Vec<Arc<HostCopy>>>);

#[derive(Debug)]
struct HostCopy(Torch);

// SAFETY, of Sync: libtorch's tensors may be read by several threads. This one is written in
// `HostCopies::copy` alone, through an exclusive reference.
unsafe impl Sync for HostCopy {}

impl Kept for HostCopy {
    fn values(&self) -> Values<'_> {
        view(&self.0, "").unwrap_or(Values::F32(&[])) // its type was checked when it was made
    }
}

impl HostCopies {
    /// A copy of a tensor on any device and with any strides.
    pub(super) fn copy(&self, tensor: &Torch, name: &str) -> Result<Tensor<'static>, SourceError> {
        let framework = |error: TchError| framework(name, error);
        let mut copies = self.0.borrow_mut();
        let mut copy = match copies.iter_mut().position(|copy| is_free(copy, tensor)) {
            Some(free) => copies.swap_remove(free),
            None => Arc::new(HostCopy(host_memory(tensor).map_err(framework)?)),
        };
        let kept = |copies: &[Arc<HostCopy>]| copies.iter().map(|copy| copy.bytes()).sum::<usize>();
        if kept(&copies) + copy.bytes() > KEPT_BYTES {
            copies.retain(|copy| Arc::strong_count(copy) > 1);
        }
        let memory = Arc::get_mut(&mut copy).map(|HostCopy(memory)| memory);
        let memory = memory.expect("nobody else has a copy that is new or free");
        memory.f_copy_(&tensor.detach()).map_err(framework)?;
        view(memory, name)?;
        if kept(&copies) + copy.bytes() <= KEPT_BYTES {
            copies.push(Arc::clone(&copy));
        }
        Ok(Tensor::kept(copy))
    }
}

impl HostCopy {
    fn bytes(&self) -> usize {
        self.0.numel() * self.0.kind().elt_size_in_bytes()
    }
}

/// Whether nobody reads the copy, and it has the type and shape of the tensor.
fn is_free(copy: &mut Arc<HostCopy>, tensor: &Torch) -> bool {
    let alike =
        |copy: &mut HostCopy| copy.0.kind() == tensor.kind() && copy.0.size() == tensor.size();
    Arc::get_mut(copy).is_some_and(alike)
}

/// Memory for a copy of a tensor.
fn host_memory(tensor: &Torch) -> Result<Torch, TchError> {
    let memory = Torch::f_empty(tensor.size(), (tensor.kind(), Device::Cpu))?;
    match tensor.device() {
        // Where the system locks no more pages, ordinary memory does too.
        device @ Device::Cuda(_) => Ok(memory.f_pin_memory(device).unwrap_or(memory)),
        _ => Ok(memory),
    }
}

pub(super) fn framework(name: &str, error: TchError) -> SourceError {
    SourceError::Framework { name: name.to_owned(), source: error.into() }
}

/// The values of a contiguous tensor in the computer's memory.
pub(super) fn view<'a>(tensor: &'a Torch, name: &str) -> Result<Values<'a>, SourceError> {
    let (data, n) = (tensor.data_ptr(), tensor.numel());
    // A tensor without elements may have no storage to point to.
    let empty = n == 0;
    // SAFETY: `tensor` is contiguous, in the computer's memory and of the type matched on, so its
    // storage holds n values of that type from `data` on; it is aligned by libtorch's allocator.
    // The storage lives as long as the tensor that is borrowed here, a shallow clone of the model's or
    // a copy that nobody else has. Only the model's is ever written: `attach` asks that no other thread
    // does so while `attach` or `step` runs, and the slice is not kept beyond them: its readers,
    // `Plan::snapshot` and `save`, are done with it when they return.
    unsafe {
        Ok(match tensor.kind() {
            Kind::Float if empty => Values::F32(&[]),
            Kind::Double if empty => Values::F64(&[]),
            Kind::Half if empty => Values::F16(&[]),
            Kind::BFloat16 if empty => Values::Bf16(&[]),
            Kind::Float => Values::F32(std::slice::from_raw_parts(data.cast::<f32>(), n)),
            Kind::Double => Values::F64(std::slice::from_raw_parts(data.cast::<f64>(), n)),
            Kind::Half => Values::F16(std::slice::from_raw_parts(data.cast::<f16>(), n)),
            Kind::BFloat16 => Values::Bf16(std::slice::from_raw_parts(data.cast::<bf16>(), n)),
            other => {
                return Err(SourceError::Type {
                    name: name.to_owned(),
                    place: "the VarStore".to_owned(),
                    dtype: format!("{other:?}"),
                });
            }
        })
    }
}

/// A copy of a tensor's values that outlives it.
pub(super) fn own(tensor: &Torch, name: &str) -> Result<Tensor<'static>, SourceError> {
    Ok(match view(tensor, name)? {
        Values::F32(v) => Tensor::from(v.to_vec()),
        Values::F64(v) => Tensor::from(v.to_vec()),
        Values::F16(v) => Tensor::from(v.to_vec()),
        Values::Bf16(v) => Tensor::from(v.to_vec()),
    })
}
