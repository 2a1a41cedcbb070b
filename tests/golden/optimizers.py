"""Parameters on their way through 200 steps of PyTorch's optimizers, in float32 and in float64, for every option; of
MMClassification's Lamb; what clipping makes of gradients; and mmcv's and MMDetection's moving averages.

Writes data/optimizers.json. Run: python tests/golden/optimizers.py
Ran with Python 3.11, torch 2.15.0, mmcv 1.7, mmdet 2.28.2 and mmcls 0.25 (see "versions" in the file).
"""

import json
import pathlib
import types

import without_kernels  # noqa: F401
import mmcls
import mmcv
import mmdet
import numpy as np
import torch
from mmcls.core.optimizers.lamb import Lamb
from mmcv.runner.hooks.ema import EMAHook
from mmdet.core.hook.ema import ExpMomentumEMAHook, LinearMomentumEMAHook

SHAPES = [(2, 3), (5,), (1,)]
STEPS = 200
SHOWN = [1, 50, 200]
O = torch.optim


def numbers():
    """Multiples of 2^-23 in [-1, 1), the same in every language."""
    state = 1
    while True:
        state = (state * 1664525 + 1013904223) % 2**32
        yield (state >> 8) / 2**23 - 1


def draw(source, shape, scale=1.0):
    return np.array([next(source) * scale for _ in range(int(np.prod(shape)))]).reshape(shape)


def gradients(source):
    """Of all steps. The second parameter has none in every fifth step, the third is tiny, and the first element of the
    first is 0."""
    steps = []
    for step in range(STEPS):
        grads = [draw(source, SHAPES[0]), draw(source, SHAPES[1]), draw(source, SHAPES[2], 2.0**-12)]
        grads[0][0, 0] = 0
        if step % 5 == 4:
            grads[1] = None
        steps.append(grads)
    return steps


source = numbers()
INITIAL = [draw(source, s, 2.0) for s in SHAPES]
GRADS = gradients(source)


def flat(tensors):
    """Nine digits tell one float32 from the next."""
    short = lambda x, t: float(x) if t.dtype == torch.float64 else float(f"{x:.9g}")
    return [[short(x, t) for x in t.detach().numpy().ravel()] for t in tensors]


def run(make, dtype, clip=None):
    torch.set_default_dtype(dtype)
    params = [torch.nn.Parameter(torch.tensor(a, dtype=dtype)) for a in INITIAL]
    optimizer = make(params)
    shown, norms = [], []
    for step in range(STEPS):
        for p, g in zip(params, GRADS[step]):
            p.grad = None if g is None else torch.tensor(g, dtype=dtype)
        if clip:
            norms.append(float(clip(params)))
        optimizer.step()
        if step + 1 in SHOWN:
            shown.append(flat(params))
    torch.set_default_dtype(torch.float32)
    return shown, norms


# By the options as a config has them.
CASES = [
    (O.SGD, [
        {}, dict(lr=0.05), dict(lr=0.05, weight_decay=0.1), dict(lr=0.02, momentum=0.9),
        dict(lr=0.02, momentum=0.9, dampening=0.3), dict(lr=0.02, momentum=0.9, weight_decay=0.01),
        dict(lr=0.02, momentum=0.9, weight_decay=0.01, nesterov=True), dict(lr=0.02, momentum=0.5, maximize=True)]),
    (O.Adam, [
        {}, dict(lr=0.01, weight_decay=0.1), dict(lr=0.01, betas=[0.8, 0.95], eps=1e-6), dict(lr=0.01, amsgrad=True),
        dict(lr=0.01, amsgrad=True, betas=[0.5, 0.7], weight_decay=0.05), dict(lr=0.01, maximize=True)]),
    (O.AdamW, [
        {}, dict(lr=0.01, betas=[0.8, 0.95], eps=1e-6, weight_decay=0.1), dict(lr=0.01, amsgrad=True),
        dict(lr=0.01, maximize=True)]),
    (O.RMSprop, [
        {}, dict(alpha=0.9, eps=1e-4), dict(weight_decay=0.1), dict(momentum=0.9, lr=1e-3), dict(centered=True),
        dict(centered=True, momentum=0.8, lr=1e-3, weight_decay=0.02), dict(maximize=True)]),
    (O.Adadelta, [{}, dict(lr=0.5, rho=0.8, eps=1e-4), dict(weight_decay=0.1), dict(maximize=True)]),
    (O.Adagrad, [
        {}, dict(lr=0.1, lr_decay=0.01), dict(weight_decay=0.1, eps=1e-6), dict(initial_accumulator_value=0.5),
        dict(maximize=True)]),
    (O.Adamax, [{}, dict(lr=0.01, betas=[0.8, 0.95], eps=1e-4), dict(weight_decay=0.1), dict(maximize=True)]),
    (O.NAdam, [
        {}, dict(lr=0.01, betas=[0.8, 0.95], eps=1e-4), dict(weight_decay=0.1), dict(momentum_decay=0.02),
        dict(weight_decay=0.1, decoupled_weight_decay=True), dict(maximize=True)]),
    (O.RAdam, [
        {}, dict(lr=0.01, betas=[0.8, 0.95], eps=1e-4), dict(weight_decay=0.1),
        dict(weight_decay=0.1, decoupled_weight_decay=True), dict(maximize=True)]),
    (Lamb, [
        {}, dict(lr=0.01, bias_correction=False), dict(lr=0.01, betas=[0.8, 0.95], eps=1e-4), dict(lr=0.01, weight_decay=0),
        dict(lr=0.01, weight_decay=0, always_adapt=True), dict(lr=0.01, grad_averaging=False), dict(lr=0.01, max_grad_norm=0.1),
        dict(lr=0.01, trust_clip=True)]),
]


def optimizers():
    result = []
    for kind, options in CASES:
        for given in options:
            make = lambda params: kind(params, **given)
            result.append({
                "config": {"type": kind.__name__, **given},
                "float32": run(make, torch.float32)[0],
                "float64": run(make, torch.float64)[0],
            })
    return result


def clips():
    """SGD behind a clip, in float64."""
    result = []
    for norm_type in [2.0, 1.0, 3.0, 0.5, "inf"]:
        clip = lambda params: torch.nn.utils.clip_grad_norm_(params, 0.7, norm_type)
        shown, norms = run(lambda p: O.SGD(p, lr=0.05), torch.float64, clip)
        result.append({"config": {"max_norm": 0.7, "norm_type": norm_type}, "norms": [norms[s - 1] for s in SHOWN],
                       "float64": shown})

    def by_value(params):
        torch.nn.utils.clip_grad_value_(params, 0.3)
        return 0

    shown, _ = run(lambda p: O.SGD(p, lr=0.05), torch.float64, by_value)
    result.append({"config": {"type": "value", "clip_value": 0.3}, "float64": shown})
    return result


class Model(torch.nn.Module):
    """One of each: parameters, a buffer of floats, a buffer of integers."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(INITIAL[1], dtype=torch.float32))
        self.register_buffer("running_mean", torch.tensor(INITIAL[0][0], dtype=torch.float32))
        self.register_buffer("num_batches_tracked", torch.tensor(0))


def averages():
    """The values that the hooks average are those of GRADS: weight those of its second, running_mean of its first."""
    result = []
    for kind, given in [
            (EMAHook, {}), (EMAHook, dict(momentum=0.02, interval=3, warm_up=10)),
            (ExpMomentumEMAHook, {}), (ExpMomentumEMAHook, dict(momentum=0.1, total_iter=8, interval=3)),
            (ExpMomentumEMAHook, dict(momentum=0.01, total_iter=50, skip_buffers=True)),
            (LinearMomentumEMAHook, {}), (LinearMomentumEMAHook, dict(momentum=0.3, warm_up=10, interval=2)),
            (LinearMomentumEMAHook, dict(momentum=0.3, skip_buffers=True))]:
        model = Model()
        hook = kind(**given)
        if kind is EMAHook:
            # mmcv calls Tensor.add_(number, tensor), which PyTorch no longer has.
            class Old(torch.Tensor):
                def add_(self, scale, other):
                    return torch.Tensor.add_(self, other.as_subclass(torch.Tensor), alpha=scale)
        runner = types.SimpleNamespace(model=model, iter=0)
        hook.before_run(runner)
        if kind is EMAHook:
            hook.model_buffers = {k: v.as_subclass(Old) for k, v in hook.model_buffers.items()}
        shown = []
        for step in range(STEPS):
            runner.iter = step
            if GRADS[step][1] is not None:
                model.weight.data.copy_(torch.tensor(GRADS[step][1]))
            model.running_mean.copy_(torch.tensor(GRADS[step][0][0]))
            hook.after_train_iter(runner)
            if step + 1 in SHOWN:
                buffers = dict(model.named_buffers())
                mean = buffers.get("ema_running_mean", model.running_mean)
                shown.append(flat([buffers["ema_weight"], mean]))
        result.append({"config": {"type": kind.__name__, **given}, "float32": shown})
    return result


def main():
    out = {
        "versions": {"torch": torch.__version__, "mmcv": mmcv.__version__, "mmdet": mmdet.__version__,
                     "mmcls": mmcls.__version__},
        "steps": SHOWN,
        "optimizers": optimizers(),
        "clips": clips(),
        "averages": averages(),
    }
    path = pathlib.Path(__file__).parent / "data" / "optimizers.json"
    path.write_text(json.dumps(out, separators=(",", ":")).replace('{"config"', '\n{"config"') + "\n")


if __name__ == "__main__":
    main()
