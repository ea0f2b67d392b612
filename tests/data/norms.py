"""The size of the weights of the checkpoints in this folder, and how far they have moved, by NumPy:
norms.json.

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


def moved(now, start, before):
    """How far the weights are from the start, and from those before."""
    norm = np.linalg.norm
    return {
        "distance": float(norm(now - start) / norm(start)),
        "cosine": float(now @ start / (norm(now) * norm(start))),
        "update": float(norm(now - before) / norm(now)),
    }


def spectrum(matrix):
    """Stable rank, and the exponent of the tail of the eigenvalues of WᵀW."""
    values = np.sort(np.linalg.svd(matrix.astype(np.float64), compute_uv=False) ** 2)
    fits = []
    for k in range(len(values) - 10 + 1):
        tail = values[k:]
        n = len(tail)
        alpha = 1 + n / np.log(tail / tail[0]).sum()
        below = 1 - (tail / tail[0]) ** (1 - alpha)
        steps = np.arange(n + 1) / n
        distance = max(abs(below - steps[:-1]).max(), abs(below - steps[1:]).max())
        fits.append((distance, alpha))
    return {"stable_rank": float(values.sum() / values[-1]), "tail_alpha": float(min(fits)[1])}


def flat(step):
    tensors = load_file(f"neox-step{step}.safetensors")
    of = {layer: tensors[name].astype(np.float64).ravel() for layer, name in layers.items()}
    return of | {"all": np.concatenate(list(of.values()))}


files = {f: model(f, layers) for f in ("neox-step0.safetensors", "neox-step300.safetensors")}
start, before, now = flat(0), flat(64), flat(300)
for layer, of in files["neox-step300.safetensors"].items():
    of |= moved(now[layer], start[layer], before[layer])
for file, of in files.items():
    tensors = load_file(file)
    spectra = {layer: spectrum(tensors[name]) for layer, name in layers.items()}
    mean = {k: float(np.mean([s[k] for s in spectra.values()])) for k in ("stable_rank", "tail_alpha")}
    for layer, values in (spectra | {"all": mean}).items():
        of[layer] |= values
print(json.dumps(files, indent=1))
