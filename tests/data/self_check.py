"""The expected values of src/self_check.rs, by the definitions and with Python's own numbers only."""
import math
import struct

SHAPES = [(30, 20), (16, 30)]


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def weights(step):
    def weight(layer, k):
        size = ((k * k * 31 + 17 * k + 5 + layer) % 211 - 105) / 525.0
        return f32(size * (1.0 + 0.05 * step * (k % 7)))

    return [[weight(l, k) for k in range(r * c)] for l, (r, c) in enumerate(SHAPES)]


def slope(x, y):
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    xy = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))
    return xy / math.fsum((a - mean_x) ** 2 for a in x)


def analyse(step):
    """alpha0 and width of both estimators, over the whole network."""
    neurons = []
    for (rows, columns), w in zip(SHAPES, weights(step)):
        for j in range(columns):
            d = [1 / abs(w[i * columns + j]) for i in range(rows) if w[i * columns + j] != 0]
            kept = [round(d) for d in d if 1 < d <= 150]
            if len(kept) > 10:
                neurons.append(kept)

    def masses(radii):
        return [[(1 + sum(d <= r for d in n)) / (1 + len(n)) for n in neurons] for r in radii]

    q = [k / 10 for k in range(-30, 31)]
    radii = sorted({d for n in neurons for d in n})
    x, p = [math.log(r / radii[-1]) for r in radii], masses(radii)
    tau = [slope(x, [math.log(math.fsum(p**q for p in at)) for at in p]) for q in q]
    alpha = [(tau[k] - tau[k - 1]) / (q[k] - q[k - 1]) for k in range(1, len(q))]
    f = [q * a - t for q, a, t in zip(q, alpha, tau)]
    top = next(k for k, v in enumerate(f) if v > max(f) - 1e-12)  # f is 0 on both sides of q = 0

    x, p = [math.log(r / 150) for r in range(1, 151)], masses(range(1, 151))

    def derivative(q):
        mean = [math.fsum(p**q * math.log(p) for p in at) / math.fsum(p**q for p in at) for at in p]
        return slope(x, mean)

    published = alpha[top], max(alpha) - min(alpha)
    return published, (derivative(0), derivative(-3) - derivative(3))


for (alpha0, width), (alpha0_now, width_now) in zip(analyse(0), analyse(1)):
    print(alpha0_now, width_now, width_now / width * math.log(alpha0 / alpha0_now))
