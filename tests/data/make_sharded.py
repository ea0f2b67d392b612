"""Writes the checkpoints in the folder sharded beside this file: a model of two processes.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy safetensors
    venv/bin/python tests/data/make_sharded.py
"""

import os
import pathlib

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
import torch.multiprocessing as mp
from safetensors.torch import load_file, save_file
from torch.distributed.checkpoint import HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict import get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn import Linear, ReLU, Sequential

OUT = pathlib.Path(__file__).parent / "sharded"


def run(rank, world):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29533")
    dist.init_process_group("gloo", rank=rank, world_size=world)
    torch.manual_seed(0)
    model = Sequential(Linear(20, 30), ReLU(), Linear(30, 25), ReLU(), Linear(25, 41))
    mesh = init_device_mesh("cpu", (world,))
    for layer in (0, 2, 4):
        fully_shard(model[layer], mesh=mesh)
    fully_shard(model, mesh=mesh)
    state = get_model_state_dict(model)
    whole = {name: tensor.full_tensor() for name, tensor in state.items()}
    if rank == 0:
        save_file(whole, OUT / "whole.safetensors")
        torch.save(state, OUT / "dtensor.pt")
    dcp.save({"model": state}, checkpoint_id=OUT / "dcp")
    writer = HuggingFaceStorageWriter(
        path=str(OUT / "pieces"),
        save_distributed=True,
        fqn_to_index_mapping={name: 1 for name in state},
    )
    dcp.save(state, storage_writer=writer)
    dist.destroy_process_group()


def stacked_layers():
    """As Megatron's torch_dist saves layers that are alike."""
    torch.manual_seed(3)
    state = {
        "decoder.layers.mlp.linear_fc1.weight": torch.randn(2, 6, 4),
        "decoder.layers.mlp.linear_fc2.weight": torch.randn(2, 4, 6),
        "output_layer.weight": torch.randn(5, 4),
    }
    dcp.save(state, checkpoint_id=OUT / "stacked")
    (OUT / "stacked" / "metadata.json").write_text('{"sharded_backend": "torch_dist"}')
    whole = {}
    for name, tensor in state.items():
        if ".layers." in name:
            before, after = name.split(".layers.")
            for k, layer in enumerate(tensor):
                whole[f"{before}.layers.{k}.{after}"] = layer.contiguous()
        else:
            whole[name] = tensor
    save_file(whole, OUT / "stacked-whole.safetensors")


def floats_of_8_bits():
    torch.manual_seed(1)
    scaled = {
        "a.weight": torch.randn(256, 40).to(torch.float8_e4m3fn),
        "a.weight_scale_inv": torch.rand(2, 1) + 0.5,
        "b.weight": torch.randn(12, 256).to(torch.float8_e4m3fn),
        "b.weight_scale": (torch.rand(12, 1) + 0.5).bfloat16(),
        "c.weight": torch.randn(10, 12).to(torch.float8_e5m2),
        "c.weight_scale": torch.tensor(0.25),
    }
    save_file(scaled, OUT / "f8-scaled.safetensors")
    blocks = scaled["a.weight_scale_inv"].repeat_interleave(128, 0)
    plain = {
        "a.weight": scaled["a.weight"].float() * blocks,
        "b.weight": scaled["b.weight"].float() * scaled["b.weight_scale"].float(),
        "c.weight": scaled["c.weight"].float() * 0.25,
    }
    save_file(plain, OUT / "f8-scaled-plain.safetensors")


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    mp.spawn(run, args=(2,), nprocs=2)
    weights = load_file(OUT / "whole.safetensors")
    torch.save(
        {"model": weights, "global_step": 74},
        OUT / "legacy-4.pth",
        _use_new_zipfile_serialization=False,
        pickle_protocol=4,
    )
    stacked_layers()
    floats_of_8_bits()
