"""Learning rates and momenta that mmcv's own updater hooks set in every iteration of a run, for every policy and option.

Writes data/schedules.json. Run: python tests/golden/schedules.py
Ran with Python 3.11, torch 2.15.0, mmcv 1.7 and mmdet 2.28.2 (see "versions" in the file).
"""

import json
import pathlib
import types

import without_kernels  # noqa: F401
import mmcv
import mmdet
import torch
from mmcv.runner.hooks import HOOKS
import mmdet.core.hook.yolox_lrupdater_hook  # noqa: F401

EPOCHS, LENGTH = 10, 20  # 200 iterations
BASES = [0.02, 0.1]  # of two groups
MOMENTUM = 0.9

LINEAR = dict(warmup="linear", warmup_iters=37, warmup_ratio=0.001)
ITERS = dict(by_epoch=False)
RATES = [
    dict(policy="fixed"),
    dict(policy="fixed", warmup="constant", warmup_iters=30, warmup_ratio=1 / 3),
    dict(policy="fixed", warmup="exp", warmup_iters=30),
    dict(policy="fixed", warmup="linear", warmup_iters=2, warmup_by_epoch=True),
    dict(policy="step", step=[4, 8], **LINEAR),
    dict(policy="step", step=3, gamma=0.5, min_lr=0.004),
    dict(policy="step", step=[50, 120, 121], gamma=0.3, **ITERS),
    dict(policy="step", step=25, **ITERS, warmup="exp", warmup_iters=3, warmup_by_epoch=True, warmup_ratio=0.01),
    dict(policy="exp", gamma=0.7),
    dict(policy="exp", gamma=0.99, **ITERS, **LINEAR),
    dict(policy="poly"),
    dict(policy="poly", power=0.9, min_lr=1e-4, **ITERS, **LINEAR),
    dict(policy="inv", gamma=0.1),
    dict(policy="inv", gamma=0.01, power=0.75, **ITERS),
    dict(policy="CosineAnnealing", min_lr=0),
    dict(policy="CosineAnnealing", min_lr=1e-4, **ITERS, **LINEAR),
    dict(policy="CosineAnnealing", min_lr_ratio=0.05, **LINEAR),
    dict(policy="FlatCosineAnnealing", min_lr=1e-4),
    dict(policy="FlatCosineAnnealing", min_lr_ratio=0.05, start_percent=0.25),  # 2.5 epochs
    dict(policy="FlatCosineAnnealing", min_lr=0, start_percent=0.333, **ITERS, **LINEAR),
    dict(policy="CosineRestart", periods=[4, 6], restart_weights=[1, 0.5], min_lr=1e-4),
    dict(policy="CosineRestart", periods=[50, 50, 100], restart_weights=[1, 0.5, 0.25], min_lr_ratio=0.1, **ITERS),
    dict(policy="LinearAnnealing", min_lr=1e-4),
    dict(policy="LinearAnnealing", min_lr_ratio=0.2, **ITERS, **LINEAR),
    dict(policy="cyclic"),
    dict(policy="cyclic", target_ratio=(5, 0.1), cyclic_times=3, step_ratio_up=0.3),
    dict(policy="cyclic", target_ratio=(5, 0.1), cyclic_times=4, anneal_strategy="linear", gamma=0.6, **LINEAR),
    dict(policy="cyclic", target_ratio=6.0, step_ratio_up=0.0, cyclic_times=2, gamma=0.5),
    dict(policy="OneCycle", max_lr=0.1),
    dict(policy="OneCycle", max_lr=[0.1, 0.3], pct_start=0.42, div_factor=10, final_div_factor=100),
    dict(policy="OneCycle", max_lr=0.1, anneal_strategy="linear", three_phase=True),
    dict(policy="OneCycle", max_lr=0.1, total_steps=260, three_phase=True, pct_start=0.25),
    dict(policy="OneCycle", max_lr=0.1, warmup="constant", warmup_iters=10),
    dict(policy="YOLOX", num_last_epochs=2, min_lr_ratio=0.05, **ITERS, warmup="exp", warmup_by_epoch=True,
         warmup_iters=3, warmup_ratio=1),
    dict(policy="YOLOX", num_last_epochs=1, min_lr=1e-3, **ITERS, warmup="exp", warmup_iters=25, warmup_ratio=0.7),
    dict(policy="YOLOX", num_last_epochs=0, min_lr=1e-3),
]
MOMENTA = [
    dict(policy="step", step=[4, 8]),
    dict(policy="step", step=3, gamma=0.8, min_momentum=0.5, warmup="linear", warmup_iters=30),
    dict(policy="step", step=60, **ITERS, warmup="constant", warmup_iters=30, warmup_ratio=0.95),
    dict(policy="CosineAnnealing", min_momentum=0.5),
    dict(policy="CosineAnnealing", min_momentum_ratio=0.9, **ITERS, warmup="exp", warmup_iters=40, warmup_ratio=0.8),
    dict(policy="LinearAnnealing", min_momentum=0.5, **ITERS),
    dict(policy="LinearAnnealing", min_momentum_ratio=0.9),
    dict(policy="cyclic"),
    dict(policy="cyclic", target_ratio=(0.9, 1.05), cyclic_times=3, step_ratio_up=0.3, gamma=0.7),
    dict(policy="cyclic", cyclic_times=2, anneal_strategy="linear"),
    dict(policy="OneCycle"),
    dict(policy="OneCycle", base_momentum=[0.8, 0.7], max_momentum=[0.9, 0.95], pct_start=0.4, anneal_strategy="linear"),
    dict(policy="OneCycle", three_phase=True, warmup="linear", warmup_iters=12),
]


def run(config, kind, optimizer, read):
    """As EpochBasedRunner calls the hook."""
    config = dict(config)
    policy = config.pop("policy")
    if policy == policy.lower():
        policy = policy.title()
    hook = HOOKS.build(dict(type=policy + kind, **config))
    runner = types.SimpleNamespace(
        optimizer=optimizer, epoch=0, iter=0, max_epochs=EPOCHS, max_iters=EPOCHS * LENGTH, data_loader=range(LENGTH))
    hook.before_run(runner)
    rows = [[] for _ in optimizer.param_groups]
    for runner.epoch in range(EPOCHS):
        hook.before_train_epoch(runner)
        for _ in range(LENGTH):
            hook.before_train_iter(runner)
            for row, group in zip(rows, optimizer.param_groups):
                row.append(read(group))
            runner.iter += 1
    return rows


def sgd():
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in BASES]
    return torch.optim.SGD(groups, lr=1, momentum=MOMENTUM)


def adam():
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in BASES]
    return torch.optim.Adam(groups, lr=1, betas=(MOMENTUM, 0.99))


def short(rows):
    """The second group where it is another; runs of one value as [value, how often]."""
    result = []
    for row in rows if rows[1] != rows[0] else rows[:1]:
        runs = []
        for value in row:
            if runs and runs[-1][0] == value:
                runs[-1][1] += 1
            else:
                runs.append([value, 1])
        result.append([r[0] if r[1] == 1 else r for r in runs])
    return result


def main():
    rates = [{"config": c, "groups": short(run(c, "LrUpdaterHook", sgd(), lambda g: g["lr"]))} for c in RATES]
    momenta = []
    for config in MOMENTA:
        rows = run(config, "MomentumUpdaterHook", sgd(), lambda g: g["momentum"])
        assert rows == run(config, "MomentumUpdaterHook", adam(), lambda g: g["betas"][0])
        momenta.append({"config": config, "groups": short(rows)})
    out = {
        "versions": {"torch": torch.__version__, "mmcv": mmcv.__version__, "mmdet": mmdet.__version__},
        "epochs": EPOCHS, "length": LENGTH, "bases": BASES, "momentum": MOMENTUM,
        "rates": rates, "momenta": momenta,
    }
    path = pathlib.Path(__file__).parent / "data" / "schedules.json"
    path.write_text(json.dumps(out, separators=(",", ":")).replace('{"config"', '\n{"config"') + "\n")


if __name__ == "__main__":
    main()
