#!/usr/bin/env python3
"""Whole-model reference values of MMDetection's RetinaNet, for weights and inputs that both sides compute by a hash.

Hash, images, objects and digests are those of retinanet_torchvision.py, next to this file, which says how they are made. The
model is MMDetection's own, from its own config with fewer channels and classes; the written file has the config under "model".

Cases (each writes retinanet_mmdetection_<case>.json into --json):
  r18        retinanet_r18_fpn_1x_coco, 16 channels, 2 images in 64x96: stem and first stage frozen, running statistics
  r50_caffe  retinanet_r50_caffe_fpn_1x_coco, 8 channels, one image of 64x96: bottlenecks of Caffe's form, constant norms

Needs MMDetection 2.28 and its kernels; --import names a module that provides the latter, where they are not installed.
"""
import argparse
import importlib
import json
import math
import sys
from pathlib import Path

import numpy
import torch

from retinanet_torchvision import digest, make_images, make_targets, short_digest, unit

CASES = {
    "r18": dict(config="retinanet_r18_fpn_1x_coco", channels=16, expansion=1, last_norm=".bn2.", fpn=32, classes=5,
                sizes=[(64, 96), (56, 80)]),
    "r50_caffe": dict(config="retinanet_r50_caffe_fpn_1x_coco", channels=8, expansion=4, last_norm=".bn3.", fpn=32, classes=3,
                      sizes=[(64, 96)]),
}


def build(case):
    import mmcv
    import mmdet
    from mmdet.models import build_detector
    configs = Path(mmdet.__file__).parent / ".mim" / "configs"
    config = mmcv.Config.fromfile(str(configs / "retinanet" / f"{case['config']}.py")).model
    channels = [case["channels"] * case["expansion"] * 2**i for i in range(4)]
    config.backbone.update(base_channels=case["channels"], stem_channels=case["channels"], init_cfg=None)
    config.neck.update(in_channels=channels, out_channels=case["fpn"])
    config.bbox_head.update(num_classes=case["classes"], in_channels=case["fpn"], feat_channels=case["fpn"], stacked_convs=2)
    plain = json.loads(json.dumps(config))
    return build_detector(config), plain


def weight_rule(name, tensor, case):
    """(center, spread) of a tensor: activations stay of order 1 and some hundred scores exceed 0.05."""
    if tensor.dim() == 4:
        gain = math.sqrt(2)
        if name.endswith("retina_cls.weight"):
            gain = 1.0
        elif name.endswith("retina_reg.weight"):
            gain = 0.3
        elif ".lateral_convs." in name:
            gain = 0.5
        elif ".fpn_convs." in name or ".downsample.0." in name:
            gain = 1.0
        return 0.0, gain * math.sqrt(3 / (tensor.shape[1] * tensor.shape[2] * tensor.shape[3]))
    if name.endswith("retina_cls.bias"):
        return -3.0, 0.1
    if name.endswith("running_var") or (name.endswith(".weight") and case["last_norm"] not in name):
        return 1.0, 0.4
    if name.endswith(".weight"):  # the norm before a residual addition: small, or the residual stream grows
        return 0.4, 0.2
    return 0.0, 0.1  # biases and running means


def fill(model, case):
    rules = {}
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        center, spread = weight_rule(name, tensor, case)
        rules[name] = [center, spread, list(tensor.shape)]
        values = (center + spread * unit(name, tensor.numel())).astype(numpy.float32)
        tensor.copy_(torch.from_numpy(values).reshape(tensor.shape))
    return rules


def run(name, case):
    import mmcv
    import mmdet
    model, config = build(case)
    rules = fill(model, case)
    targets = make_targets(case)
    images = make_images(case, targets)
    height, width = (32 * -(-max(side) // 32) for side in zip(*case["sizes"]))
    batch = torch.zeros(len(images), 3, height, width)
    metas = []
    for i, image in enumerate(images):
        h, w = image.shape[1:]
        batch[i, :, :h, :w] = image
        metas.append(dict(filename=f"{i}.jpg", ori_shape=(h, w, 3), img_shape=(h, w, 3), pad_shape=(height, width, 3),
                          batch_input_shape=(height, width), scale_factor=numpy.ones(4, dtype=numpy.float32), flip=False))
    record = {"case": name, "versions": {"python": sys.version.split()[0], "torch": torch.__version__,
                                         "mmdet": mmdet.__version__, "mmcv": mmcv.__version__, "numpy": numpy.__version__},
              "config": case["config"], "model": config, "image_sizes": case["sizes"], "padded_size": [height, width],
              "weights": rules, "targets": [{key: value.tolist() for key, value in t.items()} for t in targets]}
    model.eval()
    with torch.no_grad():
        levels = model.extract_feat(batch)
        results = model.simple_test(batch, metas, rescale=True)
    record["eval_outputs"] = {f"p{i + 3}": digest(level) for i, level in enumerate(levels)}
    record["detections"] = []
    for result in results:
        rows = [(*box.tolist(), label) for label, boxes in enumerate(result) for box in boxes]
        rows.sort(key=lambda row: -row[4])
        record["detections"].append({"boxes": [row[:4] for row in rows], "scores": [row[4] for row in rows],
                                     "labels": [row[5] for row in rows]})
    model.train()
    losses = model.forward_train(batch, metas, [t["boxes"] for t in targets], [t["labels"] for t in targets])
    total, _ = model._parse_losses(losses)
    total.backward()
    record["losses"] = {key: sum(level.item() for level in value) for key, value in losses.items()}
    record["gradients"] = {key: short_digest(p.grad) for key, p in model.named_parameters() if p.grad is not None}
    print(f"[{name}] levels' std {[round(float(level.std()), 3) for level in levels]}, "
          f"{[len(d['scores']) for d in record['detections']]} detections, losses {record['losses']}, "
          f"{len(record['gradients'])} gradients")
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, help="directory for the expected numbers (tests/golden/data)")
    parser.add_argument("--import", dest="module", help="a module to import first")
    args = parser.parse_args()
    if args.module:
        importlib.import_module(args.module)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name, case in CASES.items():
        path = args.json / f"retinanet_mmdetection_{name}.json"
        path.write_text(json.dumps(run(name, case)) + "\n")
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
