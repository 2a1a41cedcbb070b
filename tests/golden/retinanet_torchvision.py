#!/usr/bin/env python3
"""Whole-model reference values of torchvision's RetinaNet, for weights and inputs that both sides compute by a hash.

No weight is stored: tensor `name` has, at flat index i of torchvision's own layout (OIHW for a convolution),

    hash(name, i) = splitmix64(fnv1a64(name) + (i + 1) * 0x9E3779B97F4A7C15)       all modulo 2^64
    unit(name, i) = 2 * ((hash >> 40) / 2^24) - 1                                   in [-1, 1), exact in float32
    value         = float32(center + spread * unit(name, i))                        computed in double

where fnv1a64 is FNV-1a over the UTF-8 bytes of the name, and splitmix64 is its finaliser:
    z ^= z >> 30; z *= 0xBF58476D1CE4E5B9; z ^= z >> 27; z *= 0x94D049BB133111EB; z ^= z >> 31.
Center, spread and shape of a tensor are in the written file under "weights", keyed by name. num_batches_tracked is 0.

The images are (3, H, W) and already normalised: noise of 0.5 * unit("image<k>", flat index in NCHW) for image k, and on it
one rectangle per target, so that the images have structure: each target box (in order, a later one replaces an earlier one)
sets its pixels x1 <= x < x2, y1 <= y < y2 of channel c to noise + 2 * unit("color<k>", 3 * box index + c); float32 at the
end. Images of unequal size are padded with zeros at the right and the bottom to the largest size rounded up to 32, as
torchvision does; they are not resized. The target boxes are in the written file.

A tensor t is recorded by a digest: shape (torchvision's, so NCHW), norm (L2), mean, projections
p_j = sum_i t[i] * unit("projection<j>", i) for j = 0, 1, and 16 samples [flat index, value]; all sums in double.

Cases (--case, all by default; each writes retinanet_<case>.json into --json):
  r18_frozen     ResNet-18, FrozenBatchNorm2d, FPN 64 channels, 5 classes, 2 images in 128x256
  r18_frozen_odd the same, padded to 96x160: anchor strides are image_size // grid_size, not powers of two, at P6 and P7
  r18_small      ResNet-18, FPN 32 channels, 3 classes, one image of 64x96: small enough for simulated CUDA
  r18_bn_gn      ResNet-18, BatchNorm2d in train mode (running statistics recorded), GroupNorm(32) in the head, P6 from C5
  r50_frozen     retinanet_resnet50_fpn's architecture, 91 classes, 2 images in 256x384 (all convolutions trained)

With --dump DIR also writes DIR/retinanet_<case>.safetensors with everything in full (r50: about 300 MB; never commit it):
weights.<name>, images (padded batch, NCHW), image_sizes, targets.<k>.boxes|labels, c3..c5, p3..p7, cls_logits, bbox_regression
(N, anchors, classes or 4), losses.classification|bbox_regression, grads.<name>, sgd_losses (20, 2), and
detections.<k>.boxes|scores|labels.
"""
import argparse
import functools
import json
import math
import sys
from pathlib import Path

import numpy
import torch
import torchvision
from torch import nn
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops.feature_pyramid_network import LastLevelP6P7
from torchvision.ops.misc import FrozenBatchNorm2d

CASES = {
    "r18_frozen": dict(depth=18, fpn=64, classes=5, norm="frozen", head_norm="none", extra="p5", logit_std=0.3,
                       sizes=[(128, 256), (120, 230)]),
    "r18_frozen_odd": dict(depth=18, fpn=64, classes=5, norm="frozen", head_norm="none", extra="p5", logit_std=0.3,
                           sizes=[(96, 160), (90, 137)]),
    "r18_small": dict(depth=18, fpn=32, classes=3, norm="frozen", head_norm="none", extra="p5", logit_std=2.0,
                      sizes=[(64, 96)]),
    "r18_bn_gn": dict(depth=18, fpn=64, classes=5, norm="bn", head_norm="gn", extra="c5", logit_std=0.7,
                      sizes=[(128, 256), (120, 230)]),
    "r50_frozen": dict(depth=50, fpn=256, classes=91, norm="frozen", head_norm="none", extra="p5", logit_std=0.36,
                       sizes=[(256, 384), (240, 350)]),
}
SGD = dict(lr=0.0002, momentum=0.9, weight_decay=1e-4)
MASK = (1 << 64) - 1


def unit(name, count):
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(seed) + numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
    return 2 * ((z >> numpy.uint64(40)).astype(numpy.float64) / 2**24) - 1


def build(case):
    norm = FrozenBatchNorm2d if case["norm"] == "frozen" else nn.BatchNorm2d
    resnet = getattr(torchvision.models, f"resnet{case['depth']}")(weights=None, norm_layer=norm)
    c5 = resnet.fc.in_features
    fpn = case["fpn"]
    backbone = BackboneWithFPN(resnet, {"layer2": "0", "layer3": "1", "layer4": "2"}, [c5 // 4, c5 // 2, c5], fpn,
                               LastLevelP6P7(fpn if case["extra"] == "p5" else c5, fpn))
    # retinanet_resnet50_fpn's anchors: int(x * 2^(k/3)), and AnchorGenerator rounds the base anchors.
    sizes = tuple((x, int(x * 2 ** (1 / 3)), int(x * 2 ** (2 / 3))) for x in (32, 64, 128, 256, 512))
    anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 5)
    head = RetinaNetHead(fpn, 9, case["classes"],
                         norm_layer=functools.partial(nn.GroupNorm, 32) if case["head_norm"] == "gn" else None)
    # The inputs below are normalised and sized already: the transform only pads and batches.
    model = RetinaNet(backbone, case["classes"], anchor_generator=anchors, head=head, image_mean=[0.0] * 3,
                      image_std=[1.0] * 3)
    model.transform.resize = lambda image, target=None: (image, target)
    return model


def name_of_last_norm(case):
    return ".bn2." if case["depth"] < 50 else ".bn3."


def weight_rule(name, tensor, case):
    """(center, spread) of a tensor: activations stay of order 1 and a few hundred scores exceed 0.05."""
    if tensor.dim() == 4:
        gain = math.sqrt(2)
        if name.endswith("cls_logits.weight"):
            gain = case["logit_std"]
        elif name.endswith("bbox_reg.weight"):
            gain = 0.3
        elif ".fpn.inner_blocks." in name:
            gain = 0.5
        elif ".fpn." in name or ".downsample.0." in name:
            gain = 1.0
        return 0.0, gain * math.sqrt(3 / (tensor.shape[1] * tensor.shape[2] * tensor.shape[3]))
    if name.endswith("cls_logits.bias"):
        return -math.log((1 - 0.01) / 0.01), 0.1
    if name.endswith("running_var") or (name.endswith(".weight") and name_of_last_norm(case) not in name):
        return 1.0, 0.4
    if name.endswith(".weight"):  # the norm before a residual addition: small, or the residual stream grows
        return (0.4, 0.2) if case["depth"] < 50 else (0.25, 0.1)
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


def make_targets(case):
    targets = []
    for k, (height, width) in enumerate(case["sizes"]):
        numbers = (unit(f"boxes{k}", 5 * 6) + 1) / 2
        boxes, labels = [], []
        for a, b, c, d, e in numbers.reshape(-1, 5):
            w, h = round(16 + a * (0.6 * width - 16)), round(16 + b * (0.7 * height - 16))
            x, y = math.floor(c * (width - w)), math.floor(d * (height - h))
            boxes.append([x, y, x + w, y + h])
            labels.append(math.floor(e * case["classes"]))
        targets.append({"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)})
    return targets


def make_images(case, targets):
    images = []
    for k, (height, width) in enumerate(case["sizes"]):
        image = 0.5 * unit(f"image{k}", 3 * height * width).reshape(3, height, width)
        noise = image.copy()
        for index, (x1, y1, x2, y2) in enumerate(targets[k]["boxes"].int().tolist()):
            color = 2 * unit(f"color{k}", 3 * index + 3)[3 * index:]
            image[:, y1:y2, x1:x2] = noise[:, y1:y2, x1:x2] + color[:, None, None]
        images.append(torch.from_numpy(image.astype(numpy.float32)))
    return images


def digest(tensor):
    flat = tensor.detach().double().contiguous().reshape(-1).numpy()
    count = flat.size
    indices = numpy.unique(((unit("samples", 16) + 1) / 2 * count).astype(numpy.int64))
    return {"shape": list(tensor.shape), "norm": float(numpy.linalg.norm(flat)), "mean": float(flat.mean()),
            "projections": [float(flat @ unit(f"projection{j}", count)) for j in range(2)],
            "samples": [[int(i), float(flat[i])] for i in indices]}


def short_digest(tensor):
    flat = tensor.detach().double().contiguous().reshape(-1).numpy()
    return [float(numpy.linalg.norm(flat))] + [float(flat @ unit(f"projection{j}", flat.size)) for j in range(2)]


def run(name, case, dump, sgd_steps):
    model = build(case)
    rules = fill(model, case)
    targets = make_targets(case)
    images = make_images(case, targets)
    everything = {f"weights.{key}": value.clone() for key, value in model.state_dict().items()}
    record = {"case": name, "versions": {"python": sys.version.split()[0], "torch": torch.__version__,
                                         "torchvision": torchvision.__version__, "numpy": numpy.__version__},
              "model": {key: case[key] for key in ("depth", "fpn", "classes", "norm", "head_norm", "extra")},
              "image_sizes": case["sizes"], "weights": rules,
              "targets": [{"boxes": t["boxes"].tolist(), "labels": t["labels"].tolist()} for t in targets]}

    # Detections and outputs in eval mode.
    model.eval()
    with torch.no_grad():
        batch, _ = model.transform(images)
        body = model.backbone.body(batch.tensors)
        levels = model.backbone.fpn(body)
        head = model.head(list(levels.values()))
        detections = model(images)
    outputs = {f"c{i + 3}": value for i, value in enumerate(body.values())}
    outputs.update({f"p{i + 3}": value for i, value in enumerate(levels.values())})
    outputs.update(head)
    record["padded_size"] = list(batch.tensors.shape[-2:])
    record["images"] = digest(batch.tensors)
    record["eval_outputs"] = {key: digest(value) for key, value in outputs.items()}
    record["detections"] = [{key: d[key].tolist() for key in ("boxes", "scores", "labels")} for d in detections]
    scores = torch.sigmoid(head["cls_logits"])
    print(f"[{name}] padded {record['padded_size']}, levels' std {[round(float(v.std()), 3) for v in outputs.values()]}, "
          f"{int((scores > 0.05).sum())} scores above 0.05, {[len(d['scores']) for d in detections]} detections, "
          f"best {float(scores.max()):.3f}")

    # One training step with gradients, then SGD.
    model.train()
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    optimizer = torch.optim.SGD(model.parameters(), **SGD)
    sgd_losses = []
    for step in range(sgd_steps):
        losses = model(images, targets)
        optimizer.zero_grad(set_to_none=True)
        (losses["classification"] + losses["bbox_regression"]).backward()
        sgd_losses.append([losses["classification"].item(), losses["bbox_regression"].item()])
        if step == 0:
            gradients = {key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}
            record["losses"] = {key: value.item() for key, value in losses.items()}
            record["gradients"] = {key: short_digest(value) for key, value in gradients.items()}
            if case["norm"] == "bn":
                record["running_statistics"] = {
                    key: short_digest(value) for key, value in model.state_dict().items() if "running_" in key}
        optimizer.step()
    record["sgd"] = {**SGD, "losses": sgd_losses}
    print(f"[{name}] losses {record['losses']}; {len(gradients)} gradients; SGD "
          f"{[round(sum(x), 4) for x in sgd_losses]}")

    if dump:
        from safetensors.torch import save_file
        everything.update(outputs)
        everything.update({f"grads.{key}": value for key, value in gradients.items()})
        everything.update({f"losses.{key}": torch.tensor(value) for key, value in record["losses"].items()})
        everything["images"] = batch.tensors
        everything["image_sizes"] = torch.tensor(case["sizes"])
        everything["sgd_losses"] = torch.tensor(sgd_losses, dtype=torch.float64)
        for k, (target, detection) in enumerate(zip(targets, detections)):
            everything.update({f"targets.{k}.{key}": value for key, value in target.items()})
            everything.update({f"detections.{k}.{key}": value for key, value in detection.items()})
        dump.mkdir(parents=True, exist_ok=True)
        metadata = {**{key: str(v) for key, v in record["versions"].items()}, "model": json.dumps(record["model"]),
                    "sgd": json.dumps(SGD)}
        save_file({key: value.contiguous() for key, value in everything.items()},
                  dump / f"retinanet_{name}.safetensors", metadata)
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=sorted(CASES), nargs="*", default=sorted(CASES))
    parser.add_argument("--json", type=Path, help="directory for the expected numbers (tests/golden/data in the repository)")
    parser.add_argument("--dump", type=Path, help="directory for the full safetensors files")
    parser.add_argument("--sgd-steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for name in args.case:
        record = run(name, CASES[name], args.dump, args.sgd_steps)
        if args.json:
            args.json.mkdir(parents=True, exist_ok=True)
            path = args.json / f"retinanet_{name}.json"
            path.write_text(json.dumps(record) + "\n")
            print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
