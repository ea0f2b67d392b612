"""The size of the weights of the checkpoints in this folder, by NumPy: norms.json.

    python norms.py > norms.json

Each matrix [out, in] leaves a layer of its own: its columns are the source neurons.
"""
import json

import numpy as np
from safetensors.numpy import load_file


def of(columns):
    """Frobenius norm, and coefficient of variation of the columns' norms."""
    norms = np.concatenate([np.sqrt((c.astype(np.float64) ** 2).sum(0)) for c in columns])
    return {"weight_norm": float(np.sqrt((norms**2).sum())), "norm_spread": float(norms.std() / norms.mean())}


def model(file, layers):
    tensors = load_file(file)
    columns = {layer: tensors[name] for layer, name in layers.items()}
    return {layer: of([c]) for layer, c in columns.items()} | {"all": of(list(columns.values()))}


NEOX = {
    "residual": "attention.query_key_value",
    "attention": "attention.dense",
    "middle": "mlp.dense_h_to_4h",
    "mlp": "mlp.dense_4h_to_h",
}
layers = {f"block.{b}.{k}": f"gpt_neox.layers.{b}.{v}.weight" for b in (0, 1) for k, v in NEOX.items()}
print(json.dumps({f: model(f, layers) for f in ("neox-step0.safetensors", "neox-step300.safetensors")}, indent=1))
