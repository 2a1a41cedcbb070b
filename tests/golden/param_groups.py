"""Learning rate and weight decay of every parameter as mmcv's and MMDetection's optimizer constructors set them: for a
small model with all kinds of modules under each option, and for MMDetection's own configs.

Writes data/param_groups.json. Run: python tests/golden/param_groups.py
Ran with Python 3.11, torch 2.15.0, mmcv 1.7 and mmdet 2.28.2 (see "versions" in the file).
"""

import json
import pathlib

import without_kernels  # noqa: F401
import mmcv
import mmdet
import torch
from mmcv.ops import DeformConv2dPack, ModulatedDeformConv2dPack
import mmcv.runner.optimizer.default_constructor as default_constructor
from mmdet.core import build_optimizer
from mmdet.models import build_detector

default_constructor.check_ops_exist = lambda: True
CONFIGS = pathlib.Path(mmdet.__file__).parent / ".mim" / "configs"
LR, DECAY = 0.02, 0.05


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.weight = nn.Parameter(torch.zeros(3))
        self.backbone = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 8, 3, groups=4), nn.GroupNorm(2, 8))
        self.backbone[1].bias.requires_grad = False
        self.neck = nn.ModuleList([DeformConv2dPack(4, 4, 3), ModulatedDeformConv2dPack(4, 4, 3)])
        self.conv_offset = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 4)


class Twice(Small):
    def __init__(self):
        super().__init__()
        self.shared = self.backbone[0]


RULES = [
    {}, dict(bias_lr_mult=2.0), dict(bias_decay_mult=0.0), dict(norm_decay_mult=0.0), dict(dwconv_decay_mult=0.5),
    dict(dcn_offset_lr_mult=0.1), dict(bias_lr_mult=2.0, dcn_offset_lr_mult=0.1, bias_decay_mult=0.3),
    dict(norm_decay_mult=0.1, dwconv_decay_mult=0.2, bias_decay_mult=0.3, bias_lr_mult=4.0),
    dict(custom_keys={"backbone": dict(lr_mult=0.1), "backbone.2": dict(decay_mult=0.5), ".bias": dict(lr_mult=3.0)},
         norm_decay_mult=0.0),
    dict(custom_keys={"neck.0": dict(lr_mult=0.5), "neck.1": dict(decay_mult=0.0), "ck.1.w": dict(lr_mult=7.0),
                      "ck.1.c": dict(lr_mult=9.0), "eck.1.": dict(lr_mult=8.0)}, bias_lr_mult=2.0),
    dict(custom_keys={".weight": dict(decay_mult=0.25)}, dcn_offset_lr_mult=0.1),
]


def settings(model, config):
    optimizer = build_optimizer(model, config)
    names = {id(p): n for n, p in model.named_parameters()}
    rows = {}
    for group in optimizer.param_groups:
        for p in group["params"]:
            assert names[id(p)] not in rows
            # A frozen parameter has the optimizer's own values, which nobody uses.
            if p.requires_grad:
                rows[names[id(p)]] = [group["lr"], group["weight_decay"]]
    return rows


def sgd(paramwise):
    return dict(type="SGD", lr=LR, weight_decay=DECAY, paramwise_cfg=paramwise)


def model_of(name):
    config = mmcv.Config.fromfile(str(CONFIGS / name))
    config.model.pretrained = None
    config.model.backbone.pop("init_cfg", None)
    return config, build_detector(config.model)


def grouped(rows):
    """Names by their pair of values."""
    groups = {}
    for name, pair in rows.items():
        groups.setdefault(json.dumps(pair), []).append(name)
    return [json.loads(key) + [names] for key, names in groups.items()]


def main():
    small = [{"paramwise_cfg": rules, "params": settings(Small(), sgd(rules))} for rules in RULES]
    twice = settings(Twice(), sgd(dict(bypass_duplicate=True, bias_lr_mult=2.0)))

    models = []
    for name, paramwise in [
            ("retinanet/retinanet_r18_fpn_1x_coco.py", dict(norm_decay_mult=0.0, bypass_duplicate=True)),
            ("retinanet/retinanet_r18_fpn_1x_coco.py", dict(
                bias_lr_mult=2.0, bias_decay_mult=0.0, norm_decay_mult=0.5, custom_keys={
                    "backbone": dict(lr_mult=0.1), "layer4": dict(lr_mult=0.3, decay_mult=0.9),
                    "bbox_head.retina_cls": dict(decay_mult=2.0)}))]:
        model = model_of(name)[1]
        models.append({"config": name, "paramwise_cfg": paramwise, "groups": grouped(settings(model, sgd(paramwise)))})

    # ConvNeXt's own configs, tiny and small, by layer and by stage.
    decays = []
    for size, layers in [("tiny", 6), ("small", 12)]:
        name = f"convnext/cascade_mask_rcnn_convnext-{size[0]}_p4_w7_fpn_giou_4conv1f_fp16_ms-crop_3x_coco.py"
        config, model = model_of(name)
        for decay_type in ["layer_wise", "stage_wise"]:
            paramwise = dict(decay_rate=0.7, decay_type=decay_type, num_layers=layers)
            rows = settings(model, dict(type="AdamW", lr=1e-4, weight_decay=0.05, paramwise_cfg=paramwise,
                                        constructor="LearningRateDecayOptimizerConstructor"))
            decays.append({"config": name, "paramwise_cfg": paramwise, "groups": grouped(rows)})
    shapes = {}
    for size in "ts":
        name = f"convnext/cascade_mask_rcnn_convnext-{size}_p4_w7_fpn_giou_4conv1f_fp16_ms-crop_3x_coco.py"
        shapes[name] = {n: p.dim() for n, p in model_of(name)[1].named_parameters()}

    out = {
        "versions": {"torch": torch.__version__, "mmcv": mmcv.__version__, "mmdet": mmdet.__version__},
        "lr": LR, "weight_decay": DECAY, "small": small, "twice": twice, "models": models, "decays": decays,
        "dims": {name: [[d, [n for n in dims if dims[n] == d]] for d in sorted(set(dims.values()))]
                 for name, dims in shapes.items()},
    }
    path = pathlib.Path(__file__).parent / "data" / "param_groups.json"
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
