"""Writes the PyTorch checkpoints beside this file, all from the weights of mlp.safetensors.

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 numpy safetensors
    venv/bin/python tests/data/make_checkpoints.py

mlp.ot comes from the test `a_var_store_saved_by_tch_is_read_back` of tests/live.rs.
"""

import argparse
import pathlib
from collections import OrderedDict

import numpy
import torch
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
torch.manual_seed(0)
weights = load_file(HERE / "mlp.safetensors")


class Mlp(torch.nn.Module):
    def __init__(self):
        super().__init__()
        shapes = [w.shape for _, w in sorted(weights.items())]
        self.layers = torch.nn.ModuleList(
            [torch.nn.Linear(i, o, bias=False) for o, i in shapes]
        )

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


model = Mlp()
model.load_state_dict(weights)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
model(torch.randn(4, 20)).square().mean().backward()
with torch.no_grad():
    optimizer.step()
    scheduler.step()
model.load_state_dict(weights)  # the step is only there to fill the optimizer

# A flat state dict, as `torch.save(model.state_dict(), ..)` leaves it.
torch.save(model.state_dict(), HERE / "mlp.bin")

# What a training script keeps: nested, wrapped by DataParallel and torch.compile, with an
# optimizer, numpy scalars, a generator's state and arbitrary objects beside it.
wrapped = {f"module._orig_mod.{name}": w for name, w in model.state_dict().items()}
torch.save(
    {
        "step": 1000,
        "best": numpy.float64(0.25),
        "curve": numpy.arange(5),
        "args": argparse.Namespace(lr=1e-3, path=pathlib.PurePosixPath("runs/a"), tags={"x"}),
        "big": 10**30,
        "optimizer": optimizer.state_dict(),
        "model": wrapped,
        "rng_state": torch.get_rng_state()[:64].clone(),
    },
    HERE / "mlp-training.pt",
)

# The keys of a Lightning checkpoint; the module holds the network as `model`.
torch.save(
    {
        "epoch": 3,
        "global_step": 1000,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": OrderedDict((f"model.{n}", w) for n, w in model.state_dict().items()),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"current": {"ready": 4}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5)}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [scheduler.state_dict()],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 1e-3},
    },
    HERE / "mlp-lightning.ckpt",
)

# The whole module pickled, and compiled by TorchScript.
torch.save(model, HERE / "mlp-module.pt")
torch.jit.save(torch.jit.script(model), HERE / "mlp-script.pt")

# The format before torch 1.6.
torch.save(model.state_dict(), HERE / "mlp-legacy.pth", _use_new_zipfile_serialization=False)

# Every way in which a tensor can lie in a file, beside its plain values.
a, b, c = (weights[f"layers.{i}.weight"] for i in range(3))
base = torch.cat([a.flatten(), b.flatten()])
stack = torch.randn(2, 5, 3, 4)
odd = {
    "tied.a": a,
    "tied.b": a,
    "transposed": b.T,
    "parameter": torch.nn.Parameter(c),
    "offset": base[600:].view(25, 30),
    "columns": c[:, 3:17:2],
    "permuted": stack.permute(2, 0, 3, 1),
    "half": a.half(),
    "half_transposed": a.half().T,
    "bfloat": b.bfloat16(),
    "double": c.double().T,
    "scalar": torch.tensor(1.5),
    "empty": torch.zeros(0, 7),
}
plain = {name: w.detach().clone().contiguous() for name, w in odd.items()}
save_file(plain, HERE / "odd.safetensors")
stateful = torch.nn.Parameter(b.clone())
stateful.note = "with state"
noted = a.clone()
noted.note = "a plain tensor with an attribute"


class Marked(torch.Tensor):
    pass


torch.save(
    odd
    | {
        "stateful": stateful,
        "noted": noted,
        "subclass": c.clone().as_subclass(Marked),
        "integers": torch.arange(6).view(2, 3),
        "flags": torch.tensor([[True, False]]),
        "complex": torch.ones(2, 2, dtype=torch.complex64),
        "unsigned": torch.ones(2, 2, dtype=torch.uint16),
        "expanded": torch.ones(1).expand(4, 4),
        "sparse": torch.eye(3).to_sparse(),
        "meta": torch.empty(3, 3, device="meta"),
        "quantized": torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.quint8),
    },
    HERE / "odd.pt",
)
