"""Reference values for the detection components, from torchvision and plain torch.

    python tests/golden/detection.py tests/golden/data/detection.json
"""

import json
import sys

import torch
import torch.nn.functional as F
import torchvision
from torchvision.models.detection import _utils as det_utils
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNet

torch.manual_seed(0)


def numbers(count, seed):
    """Distinct values in [0, 1) that the C++ test computes too."""
    i = torch.arange(count, dtype=torch.int64)
    return ((i * 7919 + seed * 104729) % 100003).double() / 100003


def boxes_of(count, seed, extent):
    v = numbers(count * 4, seed).view(count, 4)
    corner = v[:, :2] * extent * 0.7
    return torch.cat([corner, corner + 2 + v[:, 2:] * extent * 0.5], 1)


def listed(t):
    return [round(float(x), 9) for x in t.flatten()]


out = {"versions": {"torch": torch.__version__, "torchvision": torchvision.__version__}}

# Anchors. torchvision's are rounded; MMDetection's are the same formula in float32 without that.
tv_sizes = [[s, int(s * 2 ** (1 / 3)), int(s * 2 ** (2 / 3))] for s in (32, 64, 128, 256, 512)]
ratios = (0.5, 1.0, 2.0)
gen = AnchorGenerator(tuple(tuple(s) for s in tv_sizes), (ratios,) * 5)
grids = [(4, 6), (2, 3), (1, 2), (1, 1), (1, 1)]
images = ImageList(torch.zeros(1, 3, 32, 48), [(32, 48)])
anchors = gen(images, [torch.zeros(1, 1, h, w) for h, w in grids])[0]
out["torchvision_anchors"] = {"sizes": tv_sizes, "base": [listed(c) for c in gen.cell_anchors],
                              "grid": listed(anchors)}
base = []
for stride in (8, 16, 32, 64, 128):
    scales = torch.tensor([2 ** (i / 3) * 4 for i in range(3)], dtype=torch.float32)
    h_ratios = torch.sqrt(torch.tensor(ratios))
    w_ratios = 1 / h_ratios
    ws = (stride * w_ratios[:, None] * scales[None, :]).view(-1)
    hs = (stride * h_ratios[:, None] * scales[None, :]).view(-1)
    base.append(listed(torch.stack([0 - 0.5 * ws, 0 - 0.5 * hs, 0 + 0.5 * ws, 0 + 0.5 * hs], -1)))
out["mmdet_base_anchors"] = base

# Box coder.
coder = det_utils.BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
anchor = boxes_of(20, 1, 100)
target = boxes_of(20, 2, 100)
delta = (numbers(80, 3).view(20, 4) - 0.5) * 60
out["coder"] = {"encoded": listed(coder.encode_single(target, anchor)),
                "decoded": listed(coder.decode_single(delta, anchor))}

# Losses, with gradients.
logits = ((numbers(60, 4) - 0.5) * 20).view(12, 5).requires_grad_()
labels = [0, 5, 4, 5, 5, 2, 3, 1, 5, 0, 5, 4]
onehot = F.one_hot(torch.tensor(labels), 6)[:, :5].double()
loss = torchvision.ops.sigmoid_focal_loss(logits, onehot, 0.25, 2.0, "sum")
loss.backward()
out["focal"] = {"labels": labels, "loss": loss.item(), "grad": listed(logits.grad)}
for name, f in {
    "giou": lambda p, t: torchvision.ops.generalized_box_iou_loss(p, t, "sum", eps=1e-9),
    "l1": lambda p, t: F.l1_loss(p, t, reduction="sum"),
    "smooth_l1": lambda p, t: F.smooth_l1_loss(p, t, reduction="sum", beta=11.0),
}.items():
    p = boxes_of(16, 5, 60).requires_grad_()
    loss = f(p, boxes_of(16, 6, 60))
    loss.backward()
    out[name] = {"loss": loss.item(), "grad": listed(p.grad)}

# Suppression.
nms_boxes = boxes_of(300, 7, 60).float()
nms_scores = numbers(300, 8).float()
nms_classes = torch.arange(300) % 4
out["nms"] = {"plain": torchvision.ops.nms(nms_boxes, nms_scores, 0.5).tolist(),
              "by_class": torchvision.ops.batched_nms(nms_boxes, nms_scores, nms_classes, 0.5)
              .tolist()}

# A whole RetinaNet head of torchvision on made-up predictions for two images.
CLASSES = 3
sizes = ((16, 20, 25), (32, 40, 50))


class Backbone(torch.nn.Module):
    out_channels = 8


net = RetinaNet(Backbone(), CLASSES, anchor_generator=AnchorGenerator(sizes, (ratios,) * 2)).eval()
levels = [(8, 12), (4, 6)]
images = ImageList(torch.zeros(2, 3, 64, 96), [(64, 96), (60, 80)])
anchors = net.anchor_generator(images, [torch.zeros(2, 1, h, w) for h, w in levels])
counts = [h * w * 9 for h, w in levels]
total = sum(counts)
cls = ((numbers(2 * total * CLASSES, 9) * 9 - 8).view(2, total, CLASSES)).float()
reg = ((numbers(2 * total * 4, 10) - 0.5).view(2, total, 4) * 2).float()
cls.requires_grad_()
reg.requires_grad_()
targets = [
    {"boxes": torch.tensor([[10.0, 12, 40, 44], [30, 5, 62, 50], [70, 40, 78, 47], [10, 12, 40, 44]]),
     "labels": torch.tensor([0, 1, 2, 1])},
    {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
]
losses = net.compute_loss(targets, {"cls_logits": cls, "bbox_regression": reg}, anchors)
(losses["classification"] + losses["bbox_regression"]).backward()
matched = net.proposal_matcher(torchvision.ops.box_iou(targets[0]["boxes"], anchors[0]))
split_cls = list(cls.detach().split(counts, 1))
split_reg = list(reg.detach().split(counts, 1))
split_anchors = [list(a.split(counts)) for a in anchors]
net.topk_candidates = 200
found = net.postprocess_detections({"cls_logits": split_cls, "bbox_regression": split_reg},
                                   split_anchors, images.image_sizes)
out["retinanet"] = {
    "matched": matched.tolist(),
    "loss_cls": losses["classification"].item(),
    "loss_bbox": losses["bbox_regression"].item(),
    "cls_grad_norm": float(cls.grad.double().norm()),
    "reg_grad_norm": float(reg.grad.double().norm()),
    "detections": [{"boxes": listed(d["boxes"][:40]), "scores": listed(d["scores"][:40]),
                    "labels": d["labels"][:40].tolist(), "count": len(d["labels"])} for d in found],
}

with open(sys.argv[1], "w") as file:
    json.dump(out, file)
    file.write("\n")
