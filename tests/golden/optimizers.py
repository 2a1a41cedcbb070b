"""Parameters after each of ten steps of PyTorch's optimizers, and learning rates by their formulas.

Writes data/optimizers.json. Run: python tests/golden/optimizers.py
"""

import json
import math
import pathlib

import numpy as np
import torch

SHAPES = [(3, 5), (7,), (1,)]
STEPS = 10


def main():
    rng = np.random.default_rng(0)
    initial = [rng.standard_normal(s).astype(np.float32) for s in SHAPES]
    grads = [[rng.standard_normal(s).astype(np.float32) for s in SHAPES] for _ in range(STEPS)]

    def flat(arrays):
        return [[float(x) for x in np.asarray(a).ravel()] for a in arrays]

    def run(make, max_norm=None):
        params = [torch.nn.Parameter(torch.from_numpy(a.copy())) for a in initial]
        optimizer = make(params)
        result, norms = [], []
        for step in range(STEPS):
            for p, g in zip(params, grads[step]):
                p.grad = torch.from_numpy(g.copy())
            if max_norm is not None:
                norms.append(float(torch.nn.utils.clip_grad_norm_(params, max_norm)))
            optimizer.step()
            result.append(flat(p.detach().numpy() for p in params))
        return {"params": result, "norms": norms}

    cases = {
        "SGD": (lambda p: torch.optim.SGD(p, lr=0.05), None),
        "SGD_momentum": (
            lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, weight_decay=1e-2), None),
        "SGD_nesterov": (
            lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, weight_decay=1e-2, nesterov=True),
            None),
        "SGD_clip": (lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9), 2.5),
        "Adam": (lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1), None),
        "AdamW": (lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6,
                                              weight_decay=0.1), None),
    }

    # Learning rates for base 0.02 over 4 epochs of 5 iterations.
    def schedule(f):
        return [f(epoch, epoch * 5 + i) for epoch in range(4) for i in range(5)]

    def warm(kind, iters, ratio, it):
        if it >= iters:
            return 1.0
        k = it / iters
        return {"linear": ratio + k * (1 - ratio), "constant": ratio,
                "exp": ratio ** (1 - k)}[kind]

    base = 0.02
    lrs = {
        "step": schedule(lambda e, i: base * 0.1 ** sum(m <= e for m in (2, 3))),
        "step_every_iters": schedule(lambda e, i: max(base * 0.5 ** (i // 4), 0.002)),
        "cosine_linear": schedule(
            lambda e, i: (1e-4 + (base - 1e-4) / 2 * (1 + math.cos(math.pi * i / 20)))
            * warm("linear", 6, 0.001, i)),
        "cosine_ratio_epochs": schedule(
            lambda e, i: base * 0.05 + (base - base * 0.05) / 2 * (1 + math.cos(math.pi * e / 4))),
        "poly_exp": schedule(
            lambda e, i: ((base - 1e-3) * (1 - i / 20) ** 0.9 + 1e-3) * warm("exp", 5, 0.1, i)),
        "exp_constant": schedule(lambda e, i: base * 0.7**e * warm("constant", 7, 1 / 3, i)),
        "inv": schedule(lambda e, i: base * (1 + 0.1 * i) ** -0.75),
    }

    out = {
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "shapes": SHAPES,
        "initial": flat(initial),
        "grads": [flat(g) for g in grads],
        "optimizers": {name: run(*case) for name, case in cases.items()},
        "schedules": lrs,
    }
    path = pathlib.Path(__file__).parent / "data" / "optimizers.json"
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
