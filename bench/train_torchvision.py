#!/usr/bin/env python3
"""Trains torchvision's RetinaNet from scratch on a directory in VOC form: the baseline for Kestrel's trainer.

Every ingredient can be written in an MMDetection config, so that the same recipe runs on both sides: Resize to a fixed
size, RandomFlip, Normalize, Pad to 32; ResNet whose BatchNorm layers train; FPN on C3..C5 with P6 and P7; a RetinaNet
head, optionally with GroupNorm; 3 scales x 3 ratios of anchors per level; SGD or AdamW; linear warm-up, then step or
cosine.

Example (the recipe of configs/retinanet/retinanet_r18_fpn_bccd.yaml):
  bench/train_torchvision.py --data BCCD --out /tmp/tv_bccd

Writes to --out: results.csv (one row per epoch), summary.json (recipe, versions, the twelve COCO numbers, AP50 per
class), and with --save-weights initial.safetensors and final.safetensors under torchvision's names.
"""
import argparse
import csv
import functools
import json
import math
import os
import resource
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", required=True, type=Path, help="directory with Annotations, ImageSets/Main and JPEGImages")
    add("--train-split", default="train")
    add("--test-split", default="test")
    add("--out", required=True, type=Path, help="directory for results.csv, summary.json and weights")
    add("--backbone", default="resnet18", help="a torchvision ResNet: resnet18, resnet34, resnet50 (default %(default)s)")
    add("--fpn-channels", type=int, default=128)
    add("--extra-levels", choices=("p5", "c5"), default="p5", help="what P6 is computed from (default %(default)s)")
    add("--fpn-norm", choices=("none", "bn"), default="none")
    add("--head-norm", choices=("none", "gn"), default="gn", help="gn: GroupNorm of 32 groups after each head conv")
    add("--image-size", type=int, nargs=2, default=(320, 240), metavar=("WIDTH", "HEIGHT"))
    add("--octave-base-scale", type=float, default=2, help="smallest anchor of a level in strides (default %(default)s)")
    add("--epochs", type=int, default=40)
    add("--stop-after", type=int, help="end after this many epochs of the schedule (for probes)")
    add("--batch", type=int, default=4)
    add("--optimizer", choices=("sgd", "adamw"), default="adamw")
    add("--lr", type=float, default=1e-3)
    add("--momentum", type=float, default=0.9)
    add("--weight-decay", type=float, default=0.05)
    add("--clip", type=float, default=0.0, help="clip the gradient's global L2 norm (0: off)")
    add("--schedule", choices=("cosine", "step"), default="cosine")
    add("--steps", type=int, nargs="*", default=(), help="epochs after which a step schedule divides lr by 10")
    add("--min-lr-ratio", type=float, default=0.0, help="the cosine's end as a share of lr")
    add("--warmup-iters", type=int, default=100)
    add("--warmup-ratio", type=float, default=0.01)
    add("--flip", choices=("none", "horizontal", "both"), default="both",
        help="both: horizontal and vertical, each with probability 1/2")
    add("--eval-every", type=int, default=0, help="evaluate every so many epochs (the last epoch always; 0: only it)")
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=1)
    add("--save-weights", action="store_true")
    add("--dry-run", action="store_true", help="read the data, build the model, print sizes and stop")
    return parser.parse_args()


def read_voc(root, split):
    """The images of a split: [(file, width, height, [(class, x1, y1, x2, y2)])], VOC's 1-based corners minus 1."""
    images = []
    for name in (root / "ImageSets" / "Main" / f"{split}.txt").read_text().split():
        path = root / "Annotations" / f"{name}.xml"
        tree = ElementTree.parse(path).getroot()
        objects = []
        for index, item in enumerate(tree.iter("object")):
            label = item.find("name").text.strip()
            box = [float(item.find(f"bndbox/{key}").text) - 1 for key in ("xmin", "ymin", "xmax", "ymax")]
            if box[2] <= box[0] or box[3] <= box[1]:
                print(f"[voc] {path}: object {index} ({label}) has width {box[2] - box[0]:g} and height "
                      f"{box[3] - box[1]:g}; dropped", file=sys.stderr)
                continue
            objects.append((label, *box))
        size = tree.find("size")
        images.append((root / "JPEGImages" / f"{name}.jpg", int(size.find("width").text),
                       int(size.find("height").text), objects))
    return images


def load_images(images, classes, size):
    """Decodes and resizes everything once: [(image (3, H, W) float in [0, 1], boxes (N, 4), labels (N))]."""
    import numpy
    import torch
    from PIL import Image
    width, height = size
    samples = []
    for path, image_width, image_height, objects in images:
        pixels = torch.from_numpy(numpy.asarray(Image.open(path).convert("RGB")).copy())
        pixels = pixels.permute(2, 0, 1)[None].float() / 255
        pixels = torch.nn.functional.interpolate(pixels, (height, width), mode="bilinear", align_corners=False)[0]
        scale = torch.tensor([width / image_width, height / image_height] * 2)
        boxes = torch.tensor([o[1:] for o in objects], dtype=torch.float32).reshape(-1, 4) * scale
        labels = torch.tensor([classes.index(o[0]) for o in objects], dtype=torch.int64)
        samples.append((pixels, boxes, labels))
    return samples


def build_model(args, num_classes):
    import torchvision
    from torch import nn
    from torchvision.models.detection import RetinaNet
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.models.detection.retinanet import RetinaNetHead
    from torchvision.ops.feature_pyramid_network import LastLevelP6P7

    resnet = getattr(torchvision.models, args.backbone)(weights=None, norm_layer=nn.BatchNorm2d)
    c5 = resnet.fc.in_features
    channels = args.fpn_channels
    backbone = BackboneWithFPN(
        resnet, {"layer2": "0", "layer3": "1", "layer4": "2"}, [c5 // 4, c5 // 2, c5], channels,
        LastLevelP6P7(channels if args.extra_levels == "p5" else c5, channels),
        norm_layer=nn.BatchNorm2d if args.fpn_norm == "bn" else None)
    sizes = tuple(tuple(args.octave_base_scale * stride * 2 ** (octave / 3) for octave in range(3))
                  for stride in (8, 16, 32, 64, 128))
    anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
    head_norm = functools.partial(nn.GroupNorm, 32) if args.head_norm == "gn" else None
    head = RetinaNetHead(channels, anchors.num_anchors_per_location()[0], num_classes, norm_layer=head_norm)
    return RetinaNet(backbone, num_classes, anchor_generator=anchors, head=head, detections_per_img=100,
                     min_size=min(args.image_size), max_size=max(args.image_size))


def learning_rate(args, iteration, iterations_per_epoch):
    """MMDetection's by-iteration schedule: linear warm-up on top of step (by epoch) or cosine annealing."""
    if args.schedule == "cosine":
        progress = iteration / (args.epochs * iterations_per_epoch)
        rate = args.min_lr_ratio + (1 - args.min_lr_ratio) * 0.5 * (1 + math.cos(math.pi * progress))
    else:
        rate = 0.1 ** sum(iteration // iterations_per_epoch >= step for step in args.steps)
    if iteration < args.warmup_iters:
        rate *= 1 - (1 - iteration / args.warmup_iters) * (1 - args.warmup_ratio)
    return args.lr * rate


def make_batch(samples, flip, generator):
    import torch
    images, targets = [], []
    for image, boxes, labels in samples:
        _, height, width = image.shape
        if flip != "none" and torch.rand((), generator=generator) < 0.5:
            image = image.flip(2)
            boxes = torch.stack((width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]), 1)
        if flip == "both" and torch.rand((), generator=generator) < 0.5:
            image = image.flip(1)
            boxes = torch.stack((boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]), 1)
        images.append(image)
        targets.append({"boxes": boxes, "labels": labels})
    return images, targets


def coco_ground_truth(images, classes):
    import contextlib
    import io
    from pycocotools.coco import COCO
    annotations = []
    for image_id, (_, _, _, objects) in enumerate(images):
        for label, x1, y1, x2, y2 in objects:
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, "iscrowd": 0,
                                "category_id": classes.index(label), "bbox": [x1, y1, x2 - x1, y2 - y1],
                                "area": (x2 - x1) * (y2 - y1)})
    coco = COCO()
    coco.dataset = {"info": {}, "images": [{"id": i, "width": im[1], "height": im[2]} for i, im in enumerate(images)],
                    "annotations": annotations,
                    "categories": [{"id": i, "name": name} for i, name in enumerate(classes)]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def evaluate(model, images, samples, classes, batch):
    """The twelve COCO numbers and AP50 of each class, on boxes scaled back to the original image size."""
    import contextlib
    import io
    import torch
    from pycocotools.cocoeval import COCOeval
    model.eval()
    results = []
    with torch.no_grad():
        for start in range(0, len(samples), batch):
            outputs = model([sample[0] for sample in samples[start:start + batch]])
            for image_id, output in enumerate(outputs, start):
                _, height, width = samples[image_id][0].shape
                scale_x, scale_y = images[image_id][1] / width, images[image_id][2] / height
                for (x1, y1, x2, y2), score, label in zip(output["boxes"].tolist(), output["scores"].tolist(),
                                                          output["labels"].tolist()):
                    results.append({"image_id": image_id, "category_id": label, "score": score,
                                    "bbox": [x1 * scale_x, y1 * scale_y, (x2 - x1) * scale_x, (y2 - y1) * scale_y]})
    if not results:
        return [0.0] * 12, {name: 0.0 for name in classes}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco_ground_truth(images, classes)
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][0, :, :, 0, -1]  # IoU 0.5, all areas, 100 detections: (recall, class)
    per_class = {name: float(precision[:, i][precision[:, i] > -1].mean()) for i, name in enumerate(classes)}
    return [float(value) for value in evaluation.stats], per_class


def save_weights(model, path, metadata):
    from safetensors.torch import save_file
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path, metadata)


def main():
    args = parse_arguments()
    import torch
    import torchvision
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    versions = {"python": sys.version.split()[0], "torch": torch.__version__, "torchvision": torchvision.__version__}

    train_images = read_voc(args.data, args.train_split)
    test_images = read_voc(args.data, args.test_split)
    classes = sorted({o[0] for image in train_images for o in image[3]})
    # torchvision pads to multiples of 32 with zeros after normalising, as MMDetection does.
    train = load_images(train_images, classes, args.image_size)
    test = load_images(test_images, classes, args.image_size)
    model = build_model(args, len(classes)).to(memory_format=torch.channels_last)
    parameters = [p for p in model.parameters() if p.requires_grad]
    print(f"{versions}; classes {classes}; {len(train)} training and {len(test)} test images of "
          f"{args.image_size[0]}x{args.image_size[1]}; {sum(p.numel() for p in parameters):,} parameters", flush=True)
    if args.dry_run:
        return
    if args.save_weights:
        save_weights(model, args.out / "initial.safetensors", versions)

    if args.optimizer == "sgd":
        optimizer = torch.optim.SGD(parameters, args.lr, momentum=args.momentum, weight_decay=args.weight_decay)
    else:
        optimizer = torch.optim.AdamW(parameters, args.lr, weight_decay=args.weight_decay)
    iterations_per_epoch = math.ceil(len(train) / args.batch)
    fields = ["epoch", "lr", "loss_cls", "loss_bbox", "seconds", "cpu_seconds", "ap", "ap50"]
    fields += [f"ap50_{name}" for name in classes]
    last_epoch = min(args.epochs, args.stop_after or args.epochs)
    iteration, started, stats = 0, time.time(), None
    with open(args.out / "results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        for epoch in range(1, last_epoch + 1):
            model.train()
            order = torch.randperm(len(train), generator=generator).tolist()
            totals, epoch_started = [0.0, 0.0], time.time()
            for start in range(0, len(order), args.batch):
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(args, iteration, iterations_per_epoch)
                images, targets = make_batch([train[i] for i in order[start:start + args.batch]], args.flip, generator)
                losses = model(images, targets)
                loss = losses["classification"] + losses["bbox_regression"]
                if not torch.isfinite(loss):
                    sys.exit(f"the loss is {loss.item()} in iteration {iteration}: lower --lr")
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                if args.clip > 0:
                    torch.nn.utils.clip_grad_norm_(parameters, args.clip)
                optimizer.step()
                totals[0] += losses["classification"].item() / iterations_per_epoch
                totals[1] += losses["bbox_regression"].item() / iterations_per_epoch
                iteration += 1
            row = {"epoch": epoch, "lr": f"{optimizer.param_groups[0]['lr']:.3e}", "loss_cls": f"{totals[0]:.4f}",
                   "loss_bbox": f"{totals[1]:.4f}", "seconds": f"{time.time() - epoch_started:.1f}",
                   "cpu_seconds": f"{time.process_time():.0f}"}
            if epoch == last_epoch or (args.eval_every and epoch % args.eval_every == 0):
                stats, per_class = evaluate(model, test_images, test, classes, args.batch)
                row.update({"ap": f"{stats[0]:.4f}", "ap50": f"{stats[1]:.4f}"})
                row.update({f"ap50_{name}": f"{value:.4f}" for name, value in per_class.items()})
            writer.writerow(row)
            file.flush()
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if args.save_weights:
        save_weights(model, args.out / "final.safetensors", versions)
    names = "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl".split()
    summary = {"versions": versions, "classes": classes, "arguments": {k: str(v) for k, v in vars(args).items()},
               "stats": dict(zip(names, stats)), "ap50_per_class": per_class,
               "wall_seconds": time.time() - started, "cpu_seconds": time.process_time(),
               "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "cpus": os.cpu_count()}
    (args.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary["stats"]))


if __name__ == "__main__":
    main()
