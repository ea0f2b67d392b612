"""Expected values of networks that are easily misread: misread.json.

    python misread.py > misread.json

Written from docs/quantities.md with NumPy alone. A case has its tensors, whose values follow from a rule (`values`, as in
tests/misread.rs), and alpha0 and width of the stable estimator over the whole network, as it is.
"""
import json

import numpy as np

X = np.log(np.arange(1, 151) / 150.0)
SLOPE = (X - X.mean()) / ((X - X.mean()) ** 2).sum()


def values(shape, seed):
    state, out = seed, np.empty(int(np.prod(shape)))
    for k in range(out.size):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out[k] = ((state >> 11) / 2**53 - 0.5) * 0.2
    return out.reshape(shape).astype(np.float32)


def edges(matrix, groups=1):
    """[out, in/groups, taps..] as [in, edges]."""
    out, inputs = matrix.shape[:2]
    parts = matrix.astype(np.float64).reshape(groups, out // groups, inputs, -1)
    return parts.transpose(0, 2, 1, 3).reshape(groups * inputs, -1)


def counts(weights):
    size = np.abs(weights)
    distance = np.where(size > 0, 1 / np.where(size > 0, size, 1), np.inf)
    kept = (distance > 1) & (distance <= 150)
    found = np.zeros((len(size), 150))
    np.add.at(found, (np.nonzero(kept)[0], np.rint(distance[kept]).astype(int) - 1), 1)
    return found


def stable(layers):
    """Each layer a list of what leaves it."""
    masses = []
    for parts in layers:
        found = sum(counts(part) for part in parts)
        mass = 1 + found[found.sum(1) > 10].cumsum(1)
        masses.append(mass / mass[:, -1:])
    p = np.concatenate(masses)
    alpha = {}
    for q in (-3.0, 0.0, 3.0):
        power = p**q
        alpha[q] = float((SLOPE * ((power * np.log(p)).sum(0) / power.sum(0))).sum())
    return {"alpha0": alpha[0.0], "width": alpha[-3.0] - alpha[3.0]}


def case(name, shapes, layers, **more):
    tensors = {}
    for seed, (tensor, shape) in enumerate(shapes.items(), 1):
        tensors[tensor] = tensors[shape] if isinstance(shape, str) else values(shape, seed)
    return {"name": name, "tensors": list(shapes.items()), **stable(layers(tensors)), **more}


def each(tensors):
    return [[edges(t)] for t in tensors.values()]


def joined(*lists):
    """Tensors that leave one layer, list by list; the others alone."""
    def layers(tensors):
        inside = {name for names in lists for name in names}
        together = [[edges(tensors[name]) for name in names] for names in lists]
        return together + [[edges(t)] for name, t in tensors.items() if name not in inside]
    return layers


def normed(tensors):
    layers = []
    for i in (0, 2):
        g, v = (tensors[f"{i}.parametrizations.weight.original{k}"].astype(np.float64) for k in (0, 1))
        layers.append([edges((g * v / np.sqrt((v**2).sum((1, 2), keepdims=True))).astype(np.float32))])
    return layers


GENERIC = "was not recognised"
block = "model.layers.0"
wave = {"filter": (8, 2), "gate": (8, 2), "residual": (8, 1), "skip": (24, 1)}
decoder = "led.decoder.layers.0"
encoder = "led.encoder.layers.0.self_attn.longformer_self_attn"
self_attn = [f"{decoder}.self_attn.{n}_proj.weight" for n in "qkv"]
cross = [f"{decoder}.encoder_attn.{n}_proj.weight" for n in ("k", "v")]
long = [f"{encoder}.{n}.weight" for n in ("query", "key", "value")]
qkv = [f"{block}.self_attn.{n}_proj.weight" for n in "qkv"]
cases = [
    case("textcnn", {**{f"convs.{i}.weight": (12, 1, k, 8) for i, k in enumerate((3, 4, 5))}, "fc.weight": (14, 36)},
         joined([f"convs.{i}.weight" for i in range(3)]), warning=GENERIC),
    case("textcnn of equal widths", {**{f"convs.{i}.weight": (12, 12, k) for i, k in enumerate((3, 4, 5))}, "fc.weight": (14, 36)},
         joined([f"convs.{i}.weight" for i in range(3)]), warning=GENERIC),
    case("wavenet", {**{f"{n}_convs.{i}.weight": (o, 8, k) for n, (o, k) in wave.items() for i in range(3)},
                     "start_conv.weight": (8, 24, 1), "end_conv_1.weight": (24, 24, 1), "end_conv_2.weight": (24, 24, 1)},
         joined(*[[f"{a}_convs.{i}.weight", f"{b}_convs.{i}.weight"] for i in range(3)
                  for a, b in (("filter", "gate"), ("residual", "skip"))]), warning=GENERIC),
    case("resnet-d, a stage that pools", {"conv1.weight": (8, 3, 3, 3), "layer1.0.conv1.weight": (8, 8, 3, 3), "layer1.0.conv2.weight": (8, 8, 3, 3),
                                          "layer2.0.conv1.weight": (16, 8, 3, 3), "layer2.0.conv2.weight": (16, 16, 3, 3),
                                          "layer2.0.downsample.1.weight": (16, 8, 1, 1), "fc.weight": (12, 16)}, each),
    case("resnet-d, the first stage", {"conv1.weight": (8, 3, 3, 3), "layer1.0.conv1.weight": (8, 8, 1, 1), "layer1.0.conv2.weight": (8, 8, 3, 3),
                                       "layer1.0.conv3.weight": (32, 8, 1, 1), "layer1.0.downsample.1.weight": (32, 8, 1, 1), "fc.weight": (12, 32)},
         joined(["layer1.0.conv1.weight", "layer1.0.downsample.1.weight"])),
    case("transposed convolutions", {f"{i}.weight": (10, 10, 4, 4) for i in (0, 2, 4)},
         lambda t: [[edges(w.transpose(1, 0, 2, 3))] for w in t.values()], warning="may be a transposed convolution", orient="in-out"),
    case("weight normalisation", {f"{i}.parametrizations.weight.original{k}": s for i in (0, 2) for k, s in ((0, (16, 1, 1)), (1, (16, 16, 3)))}, normed),
    case("experts", {**{f"experts.{e}.{k}.weight": s for e in range(4) for k, s in ((0, (24, 16)), (2, (16, 24)))}, "out.weight": (12, 16)},
         joined([f"experts.{e}.0.weight" for e in range(4)]), warning=GENERIC),
    case("graphsage", {f"convs.{i}.lin_{k}.weight": (16, 16) for i in range(3) for k in "lr"}, each, warning=GENERIC),
    case("a projection before an LSTM", {"input_proj.weight": (16, 16), "lstm.weight_ih_l0": (64, 16), "lstm.weight_hh_l0": (64, 16), "out.weight": (12, 16)},
         joined(["lstm.weight_hh_l0", "out.weight"])),
    case("one matrix under three names", {"a.weight": (16, 16), "b.weight": "a.weight", "c.weight": "a.weight"},
         lambda t: [[edges(t["a.weight"])]], left_out=["b.weight", "c.weight"]),
    case("an adapter and what is saved whole", {
        f"base_model.model.{block}.self_attn.q_proj.lora_A.weight": (16, 24), f"base_model.model.{block}.self_attn.q_proj.lora_B.weight": (24, 16),
        f"base_model.model.{block}.mlp.down_proj.weight": (24, 40), "base_model.model.score.weight": (12, 24)}, each, warning="has no place for"),
    case("experts in one tensor", {**{n: (24, 24) for n in qkv}, f"{block}.self_attn.o_proj.weight": (24, 24),
                                   f"{block}.block_sparse_moe.input_linear.weight": (4, 32, 24), f"{block}.block_sparse_moe.output_linear.weight": (4, 24, 16)},
         lambda t: [[edges(t[n]) for n in qkv], [edges(t[f"{block}.self_attn.o_proj.weight"])],
                    [edges(t[f"{block}.block_sparse_moe.input_linear.weight"].reshape(128, 24))],
                    [edges(t[f"{block}.block_sparse_moe.output_linear.weight"].reshape(96, 16), 4)]], warning=GENERIC),
    case("buffers", {"pos_encoder.pe": (50, 1, 24), "layers.0.self_attn.in_proj_weight": (72, 24), "layers.0.self_attn.out_proj.weight": (24, 24),
                     "blocks.0.sa.heads.0.tril": (32, 32)},
         lambda t: [[edges(t[f"layers.0.self_attn.{n}"])] for n in ("in_proj_weight", "out_proj.weight")], warning=GENERIC),
    case("a stem called embedder", {"resnet.embedder.embedder.convolution.weight": (16, 3, 7, 7),
                                    **{f"resnet.encoder.stages.0.layers.0.layer.{i}.convolution.weight": (16, 16, 3, 3) for i in (0, 1)},
                                    "classifier.1.weight": (12, 16)}, each),
    case("a depthwise convolution", {"mixer.conv1d.weight": (24, 1, 14), "mixer.in_proj.weight": (48, 12), "mixer.x_proj.weight": (18, 24)},
         lambda t: [[edges(t["mixer.conv1d.weight"], 24)], [edges(t["mixer.in_proj.weight"])], [edges(t["mixer.x_proj.weight"])]], warning=GENERIC),
    case("an encoder with names of its own", {**{n: (24, 24) for n in long + self_attn + cross},
                                              **{f"{decoder}.{n}.weight": (24, 24) for n in ("self_attn.out_proj", "encoder_attn.q_proj", "encoder_attn.out_proj")}},
         joined(long, self_attn, cross), warning="has other names than T5's and BART's"),
]
print("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]")
