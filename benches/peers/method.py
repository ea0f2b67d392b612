"""One analysis of a GPT-NeoX checkpoint in two styles: vectorised NumPy, and Python loops.

Both compute, for the drawn neurons of nodes.json, alpha0 and the width of the published estimator:
distances d = 1/|w| with 1 < d <= 150, radii rounded half to even, N_i(r) = 1 + edges within r, neurons
with more than 10 edges, Z_q(r) = sum_i p_i(r)^q at the occupied radii, tau(q) the least-squares slope
of ln Z_q on ln(r/d), alpha = dtau/dq by forward differences, alpha0 at the first maximum of f.

    method.py vectorised|loops MODEL.safetensors NODES.json [SAMPLES]

Prints the seconds that the analysis took (reading the file included) and the mean alpha0 and width.
"""

import json
import math
import struct
import sys
import time

import numpy as np

Q = [k / 10 for k in range(-30, 31)]


def tensors(path):
    """The tensors of a safetensors file, mapped."""
    data = np.memmap(path, np.uint8, "r")
    (size,) = struct.unpack("<Q", data[:8].tobytes())
    header = json.loads(data[8 : 8 + size].tobytes())
    found = {}
    for name, info in header.items():
        if name != "__metadata__":
            begin, end = info["data_offsets"]
            values = data[8 + size + begin : 8 + size + end].view(np.float32)
            found[name] = values.reshape(info["shape"])
    return found


def layers(weights, nodes):
    """For each source layer of one sample: matrix [targets, sources], drawn sources, drawn rows."""
    block = 0
    while f"block.{block}.attention" in nodes:
        stem = f"gpt_neox.layers.{block}."
        residual, attention = nodes[f"block.{block}.residual"], nodes[f"block.{block}.attention"]
        middle, mlp = nodes[f"block.{block}.middle"], nodes[f"block.{block}.mlp"]
        following = nodes[f"block.{block + 1}.residual"]
        qkv = weights[stem + "attention.query_key_value.weight"]
        width = qkv.shape[1]
        rows = [part * width + f for part in range(3) for f in attention]
        yield qkv, residual, rows
        yield weights[stem + "attention.dense.weight"], attention, middle
        yield weights[stem + "mlp.dense_h_to_4h.weight"], middle, mlp
        yield weights[stem + "mlp.dense_4h_to_h.weight"], mlp, following
        block += 1


def spectrum(radii, ln_z_of):
    """alpha0 and width from ln Z_q at the occupied radii."""
    x = [math.log(r / radii[-1]) for r in radii]
    mean = sum(x) / len(x)
    spread = sum((v - mean) ** 2 for v in x)
    tau = [sum((v - mean) * z for v, z in zip(x, ln_z_of(k))) / spread for k in range(len(Q))]
    alpha = [(tau[k + 1] - tau[k]) / (Q[k + 1] - Q[k]) for k in range(len(Q) - 1)]
    f = [Q[k] * alpha[k] - tau[k] for k in range(len(alpha))]
    top = next(k for k, value in enumerate(f) if value >= max(f) - 1e-12)
    return alpha[top], max(alpha) - min(alpha)


def vectorised(weights, nodes):
    counts = []
    for matrix, sources, rows in layers(weights, nodes):
        drawn = matrix[np.ix_(rows, sources)].astype(np.float64)
        with np.errstate(divide="ignore"):
            distance = 1.0 / np.abs(drawn)
        kept = (distance > 1.0) & (distance <= 150.0)
        radius = np.where(kept, np.rint(distance), 0).astype(np.int64)
        index = radius + 151 * np.arange(len(sources))
        counts.append(np.bincount(index.ravel(), minlength=151 * len(sources)).reshape(-1, 151))
    counts = np.concatenate(counts)[:, 1:]
    counts = counts[counts.sum(1) > 10]
    occupied = np.flatnonzero(counts.sum(0))
    mass = 1.0 + counts.cumsum(1)[:, occupied]
    ln_p = np.log(mass / mass[:, -1:])
    ln_z = [np.log(np.exp(q * ln_p).sum(0)) for q in Q]
    return spectrum([float(r + 1) for r in occupied], lambda k: ln_z[k])


def loops(weights, nodes):
    neighbours = []
    for matrix, sources, rows in layers(weights, nodes):
        for source in sources:
            found = []
            for row in rows:
                weight = float(matrix[row, source])
                if weight != 0.0:
                    distance = 1.0 / abs(weight)
                    if 1.0 < distance <= 150.0:
                        found.append(round(distance))
            if len(found) > 10:
                neighbours.append(found)
    radii = sorted({radius for found in neighbours for radius in found})
    shares = []
    for found in neighbours:
        number = {}
        for radius in found:
            number[radius] = number.get(radius, 0) + 1
        mass, reached = [], 1
        for radius in radii:
            reached += number.get(radius, 0)
            mass.append(reached)
        shares.append([m / reached for m in mass])
    ln_z = []
    for q in Q:
        row = []
        for j in range(len(radii)):
            total = 0.0
            for share in shares:
                total += share[j] ** q
            row.append(math.log(total))
        ln_z.append(row)
    return spectrum([float(r) for r in radii], lambda k: ln_z[k])


def main():
    style = {"vectorised": vectorised, "loops": loops}[sys.argv[1]]
    with open(sys.argv[3], encoding="utf-8") as file:
        samples = json.load(file)["samples"]
    samples = samples[: int(sys.argv[4])] if len(sys.argv) > 4 else samples
    start = time.perf_counter()
    weights = tensors(sys.argv[2])
    results = [style(weights, nodes) for nodes in samples]
    seconds = time.perf_counter() - start
    alpha0 = sum(alpha0 for alpha0, _ in results) / len(results)
    width = sum(width for _, width in results) / len(results)
    print(json.dumps({"samples": len(samples), "seconds": seconds, "alpha0": alpha0, "width": width}))


if __name__ == "__main__":
    main()
