#!/usr/bin/env python3
"""PyTorch's values for the operators of RetinaNet: inputs, outputs and gradients, computed in float64.

Writes one safetensors file per operator into --out (committed as tests/golden/data/ops_<op>.safetensors, each below
200 kB). Tensors are float64, or int64 where they are indices, named <case>/<tensor>. Layouts are Kestrel's: feature maps
(N, H, W, C), convolution weights (O, kh, kw, I / groups), transposed convolution weights (I, kh, kw, O / groups). Every
number was rounded to float32 before it went in, so a float32 kernel starts from the same inputs.

The metadata has "versions" (JSON) and "cases" (JSON: {case: {parameter: value}}).
`grad_<x>` is the gradient of sum(output * grad_output) for <x>; for losses, of the loss itself.

op            tensors beside the parameters
conv2d        x weight [bias] [residual] output grad_output grad_x grad_weight [grad_bias]; relu in the parameters
conv_transpose2d  x weight bias output grad_output grad_x grad_weight grad_bias; output_padding in the parameters
deform_conv2d x offset [mask] weight [bias] output grad_output grad_x grad_offset [grad_mask] grad_weight [grad_bias];
              offset (N, Ho, Wo, deform_groups * kh * kw * 2) and mask as torchvision's, channels last
linear        x weight bias output grad_output grad_x grad_weight grad_bias
batch_norm    x weight bias running_mean running_var output new_running_mean new_running_var grad_output grad_x
              grad_weight grad_bias
group_norm    x weight bias output grad_output grad_x grad_weight grad_bias
pool2d        x output grad_output grad_x
interpolate   x output grad_output grad_x (bilinear: align_corners false)
roi_align     x rois (K, 5: image, x1, y1, x2, y2) output grad_output grad_x
roi_pool      x rois output grad_output grad_x
focal_loss    logits (M, C), labels (M) with C = background and -1 = ignored, loss (sum), elements (M, C), grad_logits
regression    prediction target loss (sum) elements grad_prediction; l1, smooth_l1 (beta), giou (boxes x1, y1, x2, y2)
cross_entropy logits (M, C) labels (M) loss (sum) elements grad_logits; ignored labels are -100
box_iou       a (A, 4) b (B, 4) iou (A, B) giou (A, B)
nms           boxes (N, 4) scores (N) keep; labels (N) in the batched cases
delta_coder   anchors boxes deltas decoded (of `deltas_in`, clipped at log(1000/16))
"""
import argparse
import json
import math
import sys
from pathlib import Path

import numpy
import torch
import torchvision
import torch.nn.functional as F
from safetensors.torch import save_file

GENERATOR = torch.Generator()  # seeded anew for each operator


def normal(*shape, scale=1.0):
    return (torch.randn(shape, generator=GENERATOR) * scale).double()


def uniform(*shape, low=0.0, high=1.0):
    return (torch.rand(shape, generator=GENERATOR) * (high - low) + low).float().double()


def to_nchw(tensor):
    return tensor.permute(0, 3, 1, 2)


def to_nhwc(tensor):
    return tensor.permute(0, 2, 3, 1)


def leaves(**tensors):
    return {name: tensor.clone().requires_grad_() for name, tensor in tensors.items() if tensor is not None}


def with_gradients(inputs, output):
    """All tensors of a case whose output gets a random gradient."""
    grad_output = normal(*output.shape)
    (output * grad_output).sum().backward()
    tensors = {**inputs, "output": output, "grad_output": grad_output}
    tensors.update({f"grad_{name}": tensor.grad for name, tensor in inputs.items()})
    return tensors


def conv2d():
    shapes = {  # n, h, w, c, o, kh, kw, stride, pad, dilation, groups, bias, residual, relu
        "1x1": (2, 5, 7, 6, 9, 1, 1, 1, 0, 1, 1, True, False, False),
        "1x1_stride2": (1, 6, 7, 5, 4, 1, 1, 2, 0, 1, 1, False, False, False),
        "3x3": (2, 5, 6, 5, 8, 3, 3, 1, 1, 1, 1, True, False, False),
        "3x3_relu": (1, 6, 6, 8, 8, 3, 3, 1, 1, 1, 1, True, False, True),
        "3x3_residual_relu": (1, 6, 5, 4, 4, 3, 3, 1, 1, 1, 1, True, True, True),
        "3x3_stride2": (1, 9, 8, 4, 6, 3, 3, 2, 1, 1, 1, True, False, False),
        "3x3_dilation2": (1, 9, 10, 4, 5, 3, 3, 1, 2, 2, 1, True, False, False),
        "3x3_groups": (1, 6, 7, 8, 12, 3, 3, 1, 1, 1, 4, True, False, False),
        "3x3_depthwise": (2, 7, 7, 8, 8, 3, 3, 2, 1, 1, 8, False, False, False),
        "7x7_stem": (1, 17, 15, 3, 8, 7, 7, 2, 3, 1, 1, False, False, False),
        "5x3_no_pad": (1, 8, 9, 3, 4, 5, 3, 1, 0, 1, 1, True, False, False),
        "one_pixel": (1, 1, 1, 3, 2, 3, 3, 1, 1, 1, 1, True, False, False),
        "stride_beyond_kernel": (1, 8, 8, 3, 2, 2, 2, 3, 0, 1, 1, True, False, False),
    }
    cases, tensors = {}, {}
    for name, (n, h, w, c, o, kh, kw, stride, pad, dilation, groups, bias, residual, relu) in shapes.items():
        inputs = leaves(x=normal(n, h, w, c), weight=normal(o, kh, kw, c // groups, scale=(kh * kw * c / groups) ** -0.5),
                        bias=normal(o) if bias else None)
        result = F.conv2d(to_nchw(inputs["x"]), to_nchw(inputs["weight"]), inputs.get("bias"), stride, pad, dilation, groups)
        result = to_nhwc(result)
        if residual:
            inputs.update(leaves(residual=normal(*result.shape)))
            result = result + inputs["residual"]
        tensors[name] = with_gradients(inputs, result.relu() if relu else result)
        cases[name] = dict(stride=stride, pad=pad, dilation=dilation, groups=groups, relu=relu)
    return cases, tensors


def conv_transpose2d():
    shapes = {  # n, h, w, i, o, k, stride, pad, output_padding, dilation, groups
        "2x2_stride2": (2, 4, 5, 6, 4, 2, 2, 0, 0, 1, 1),
        "3x3_stride2_output_padding": (1, 5, 4, 4, 5, 3, 2, 1, 1, 1, 1),
        "4x4_stride2_groups": (1, 4, 4, 6, 4, 4, 2, 1, 0, 1, 2),
        "3x3_dilation2": (1, 4, 5, 3, 2, 3, 1, 1, 0, 2, 1),
    }
    cases, tensors = {}, {}
    for name, (n, h, w, i, o, k, stride, pad, output_padding, dilation, groups) in shapes.items():
        inputs = leaves(x=normal(n, h, w, i), weight=normal(i, k, k, o // groups, scale=(k * k * i) ** -0.5), bias=normal(o))
        result = F.conv_transpose2d(to_nchw(inputs["x"]), to_nchw(inputs["weight"]), inputs["bias"], stride, pad,
                                    output_padding, groups, dilation)
        tensors[name] = with_gradients(inputs, to_nhwc(result))
        cases[name] = dict(stride=stride, pad=pad, output_padding=output_padding, dilation=dilation, groups=groups)
    return cases, tensors


def deform_conv2d():
    shapes = {  # n, h, w, c, o, k, stride, pad, dilation, groups, deform_groups, mask, bias
        "v1": (1, 3, 4, 4, 5, 3, 1, 1, 1, 1, 1, False, False),
        "v2": (2, 3, 4, 4, 4, 3, 1, 1, 1, 1, 1, True, True),
        "stride2": (1, 7, 6, 4, 4, 3, 2, 1, 1, 1, 1, True, False),
        "dilation2": (1, 4, 3, 3, 4, 3, 1, 2, 2, 1, 1, False, True),
        "groups": (1, 3, 4, 8, 8, 3, 1, 1, 1, 4, 1, True, True),
        "deform_groups": (1, 3, 4, 8, 4, 3, 1, 1, 1, 1, 2, True, False),
        "both_groups": (1, 5, 5, 12, 4, 3, 2, 1, 1, 2, 3, True, True),
        "one_pixel": (1, 1, 1, 3, 2, 1, 1, 0, 1, 1, 1, True, True),
    }
    cases, tensors = {}, {}
    for name, (n, h, w, c, o, k, stride, pad, dilation, groups, deform_groups, mask, bias) in shapes.items():
        ho, wo = ((size + 2 * pad - dilation * (k - 1) - 1) // stride + 1 for size in (h, w))
        samples = deform_groups * k * k
        inputs = leaves(x=normal(n, h, w, c), offset=normal(n, ho, wo, 2 * samples, scale=1.5),
                        mask=uniform(n, ho, wo, samples) if mask else None,
                        weight=normal(o, k, k, c // groups, scale=(k * k * c / groups) ** -0.5), bias=normal(o) if bias else None)
        result = torchvision.ops.deform_conv2d(
            to_nchw(inputs["x"]), to_nchw(inputs["offset"]), to_nchw(inputs["weight"]), inputs.get("bias"), stride, pad,
            dilation, to_nchw(inputs["mask"]) if mask else None)
        tensors[name] = with_gradients(inputs, to_nhwc(result))
        cases[name] = dict(stride=stride, pad=pad, dilation=dilation, groups=groups, deform_groups=deform_groups)
    return cases, tensors


def linear():
    cases, tensors = {}, {}
    for name, (m, c, o) in {"2d": (7, 10, 6), "one": (1, 1, 1), "tall": (33, 4, 3)}.items():
        inputs = leaves(x=normal(m, c), weight=normal(o, c, scale=c ** -0.5), bias=normal(o))
        tensors[name] = with_gradients(inputs, F.linear(inputs["x"], inputs["weight"], inputs["bias"]))
        cases[name] = {}
    return cases, tensors


def batch_norm():
    cases, tensors = {}, {}
    for name, shape, training, momentum, eps in (("train", (2, 4, 5, 6), True, 0.1, 1e-5),
                                                 ("train_momentum_eps", (3, 3, 3, 4), True, 0.01, 1e-3),
                                                 ("train_large_mean", (2, 6, 6, 3), True, 0.1, 1e-5),
                                                 ("eval", (2, 4, 5, 6), False, 0.1, 1e-5)):
        c = shape[-1]
        offset = 100.0 if name == "train_large_mean" else 0.3
        inputs = leaves(x=(normal(*shape) + offset).float().double(), weight=uniform(c, low=0.5, high=1.5), bias=normal(c))
        mean, var = normal(c, scale=0.5), uniform(c, low=0.5, high=2)
        new_mean, new_var = mean.clone(), var.clone()
        result = F.batch_norm(to_nchw(inputs["x"]), new_mean, new_var, inputs["weight"], inputs["bias"], training, momentum, eps)
        tensors[name] = with_gradients(inputs, to_nhwc(result))
        tensors[name].update(running_mean=mean, running_var=var, new_running_mean=new_mean, new_running_var=new_var)
        cases[name] = dict(training=training, momentum=momentum, eps=eps)
    return cases, tensors


def group_norm():
    cases, tensors = {}, {}
    for name, shape, groups in (("groups4", (2, 5, 4, 12), 4), ("instance", (2, 3, 3, 5), 5), ("layer", (1, 4, 4, 6), 1),
                                ("groups32", (2, 3, 4, 64), 32)):
        c = shape[-1]
        inputs = leaves(x=normal(*shape), weight=uniform(c, low=0.5, high=1.5), bias=normal(c))
        result = F.group_norm(to_nchw(inputs["x"]), groups, inputs["weight"], inputs["bias"], 1e-5)
        tensors[name] = with_gradients(inputs, to_nhwc(result))
        cases[name] = dict(groups=groups, eps=1e-5)
    return cases, tensors


def pool2d():
    shapes = {  # kind, n, h, w, c, kernel, stride, pad, ceil_mode, count_include_pad
        "max_3x3_stride2": ("max", 2, 9, 8, 5, 3, 2, 1, False, True),
        "max_2x2": ("max", 2, 7, 6, 4, 2, 2, 0, False, True),
        "max_ceil": ("max", 1, 8, 9, 4, 3, 2, 0, True, True),
        "max_1x1_stride2": ("max", 1, 5, 6, 3, 1, 2, 0, False, True),
        "avg_2x2": ("avg", 2, 6, 7, 4, 2, 2, 0, False, True),
        "avg_3x3_pad": ("avg", 1, 6, 7, 4, 3, 1, 1, False, True),
        "avg_exclude_pad": ("avg", 1, 6, 7, 4, 3, 2, 1, False, False),
        "avg_ceil": ("avg", 1, 7, 6, 3, 2, 2, 0, True, False),
    }
    cases, tensors = {}, {}
    for name, (kind, n, h, w, c, kernel, stride, pad, ceil_mode, include) in shapes.items():
        inputs = leaves(x=normal(n, h, w, c))
        x = to_nchw(inputs["x"])
        result = (F.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil_mode) if kind == "max" else
                  F.avg_pool2d(x, kernel, stride, pad, ceil_mode, include))
        tensors[name] = with_gradients(inputs, to_nhwc(result))
        cases[name] = dict(kind=kind, kernel=kernel, stride=stride, pad=pad, ceil_mode=ceil_mode, count_include_pad=include)
    return cases, tensors


def interpolate():
    shapes = {"nearest_2x": ("nearest", 3, 4, 6, 8), "nearest_odd": ("nearest", 4, 3, 7, 5), "nearest_shrink": ("nearest", 7, 9, 3, 4),
              "bilinear_2x": ("bilinear", 3, 4, 6, 8), "bilinear_odd": ("bilinear", 4, 5, 7, 9),
              "bilinear_shrink": ("bilinear", 8, 9, 3, 5), "bilinear_one": ("bilinear", 1, 1, 3, 4)}
    cases, tensors = {}, {}
    for name, (mode, h, w, out_h, out_w) in shapes.items():
        inputs = leaves(x=normal(2, h, w, 3))
        result = F.interpolate(to_nchw(inputs["x"]), (out_h, out_w), mode=mode,
                               **({"align_corners": False} if mode == "bilinear" else {}))
        tensors[name] = with_gradients(inputs, to_nhwc(result))
        cases[name] = dict(mode=mode, height=out_h, width=out_w)
    return cases, tensors


def random_rois(count, images, size):
    """Regions of pictures of `size` pixels, some of them partly outside; corners are not in special places."""
    corners = uniform(count, 2, low=-0.2 * size, high=0.8 * size)
    index = torch.randint(0, images, (count, 1), generator=GENERATOR).double()
    return torch.cat((index, corners, corners + uniform(count, 2, low=1.0, high=0.7 * size)), 1).float().double()


def roi_align():
    shapes = {  # height, width, scale, ratio, aligned
        "adaptive": (3, 2, 0.25, 0, True), "adaptive_legacy": (2, 3, 0.25, 0, False), "fixed": (3, 3, 0.25, 2, True),
        "fixed_legacy": (2, 2, 0.25, 2, False), "tiny": (4, 4, 0.03125, 0, False), "full_scale": (5, 5, 1.0, 0, True)}
    cases, tensors = {}, {}
    for name, (height, width, scale, ratio, aligned) in shapes.items():
        inputs = leaves(x=normal(2, 8, 9, 3))
        rois = random_rois(6, 2, 8 / scale)
        result = torchvision.ops.roi_align(to_nchw(inputs["x"]), rois, (height, width), scale, ratio or -1, aligned)
        tensors[name] = with_gradients(inputs, to_nhwc(result))
        tensors[name].update(rois=rois)
        cases[name] = dict(height=height, width=width, scale=scale, ratio=ratio, aligned=aligned)
    return cases, tensors


def roi_pool():
    cases, tensors = {}, {}
    for name, (height, width, scale) in {"3x2": (3, 2, 0.25), "7x7": (7, 7, 0.25), "full_scale": (2, 4, 1.0)}.items():
        inputs = leaves(x=normal(2, 8, 9, 3))
        rois = random_rois(6, 2, 8 / scale)
        result = torchvision.ops.roi_pool(to_nchw(inputs["x"]), rois, (height, width), scale)
        tensors[name] = with_gradients(inputs, to_nhwc(result))
        tensors[name].update(rois=rois)
        cases[name] = dict(height=height, width=width, scale=scale)
    return cases, tensors


def focal_loss():
    cases, tensors = {}, {}
    for name, scale, alpha, gamma in (("default", 2.0, 0.25, 2.0), ("alpha_gamma", 2.0, 0.5, 1.5), ("gamma0", 1.0, 0.25, 0.0),
                                      ("extreme", 60.0, 0.25, 2.0)):
        classes = 7
        inputs = leaves(logits=normal(20, classes, scale=scale))
        labels = torch.randint(-1, classes + 1, (20,), generator=GENERATOR)
        targets = F.one_hot(labels.clamp(min=0), classes + 1)[:, :classes].double()
        weight = (labels >= 0).double()[:, None]
        elements = torchvision.ops.sigmoid_focal_loss(inputs["logits"], targets, alpha, gamma) * weight
        elements.sum().backward()
        tensors[name] = dict(logits=inputs["logits"], labels=labels, loss=elements.sum(), elements=elements,
                             grad_logits=inputs["logits"].grad)
        cases[name] = dict(alpha=alpha, gamma=gamma)
    return cases, tensors


def random_boxes(count, size=100.0):
    corners = uniform(count, 2, high=size)
    return torch.cat((corners, corners + uniform(count, 2, low=1.0, high=size / 2)), 1).float().double()


def regression():
    cases, tensors = {}, {}
    for name, params in {"l1": dict(kind="l1"), "smooth_l1": dict(kind="smooth_l1", beta=1.0),
                         "smooth_l1_beta": dict(kind="smooth_l1", beta=0.11), "giou": dict(kind="giou", eps=1e-7)}.items():
        if name == "giou":
            target = random_boxes(24)
            prediction = (target + normal(24, 4, scale=8)).float().double()
            prediction[:, 2:] = torch.maximum(prediction[:, 2:], prediction[:, :2] + 1)
            prediction[-4:] = random_boxes(4) + 300  # disjoint pairs
        else:
            target = normal(24, 4)
            prediction = (target + normal(24, 4, scale=0.8)).float().double()
        inputs = leaves(prediction=prediction)
        if name == "giou":
            elements = torchvision.ops.generalized_box_iou_loss(inputs["prediction"], target, eps=1e-7)
        elif name == "l1":
            elements = F.l1_loss(inputs["prediction"], target, reduction="none")
        else:
            elements = F.smooth_l1_loss(inputs["prediction"], target, reduction="none", beta=params["beta"])
        elements.sum().backward()
        tensors[name] = dict(prediction=prediction, target=target, loss=elements.sum(), elements=elements,
                             grad_prediction=inputs["prediction"].grad)
        cases[name] = params
    return cases, tensors


def cross_entropy():
    cases, tensors = {}, {}
    for name, scale in (("default", 1.5), ("extreme", 80.0)):
        inputs = leaves(logits=normal(16, 6, scale=scale))
        labels = torch.randint(0, 6, (16,), generator=GENERATOR)
        labels[3] = labels[9] = -100
        elements = F.cross_entropy(inputs["logits"], labels, reduction="none")
        elements.sum().backward()
        tensors[name] = dict(logits=inputs["logits"], labels=labels, loss=elements.sum(), elements=elements,
                             grad_logits=inputs["logits"].grad)
        cases[name] = {}
    return cases, tensors


def box_iou():
    a, b = random_boxes(9), random_boxes(13)
    b[:3] = a[:3]
    b[3] += 300  # disjoint from all
    return {"boxes": {}}, {"boxes": dict(a=a, b=b, iou=torchvision.ops.box_iou(a, b),
                                         giou=torchvision.ops.generalized_box_iou(a, b))}


def nms():
    cases, tensors = {}, {}
    for name, count, threshold, classes in (("dense", 300, 0.5, 0), ("loose", 200, 0.7, 0), ("strict", 200, 0.1, 0),
                                            ("batched", 300, 0.5, 4)):
        boxes = random_boxes(count).float()
        scores = torch.rand(count, generator=GENERATOR)  # distinct: ties would make the order a choice
        assert scores.unique().numel() == count
        case = dict(boxes=boxes.double(), scores=scores.double())
        if classes:
            labels = torch.randint(0, classes, (count,), generator=GENERATOR)
            keep = torch.cat([torch.nonzero(labels == c)[:, 0][torchvision.ops.nms(boxes[labels == c], scores[labels == c], threshold)]
                              for c in range(classes)])
            case.update(labels=labels, keep=keep[scores[keep].argsort(descending=True)])
        else:
            case.update(keep=torchvision.ops.nms(boxes, scores, threshold))
        tensors[name] = case
        cases[name] = dict(iou_threshold=threshold)
    return cases, tensors


def delta_coder():
    from torchvision.models.detection._utils import BoxCoder
    cases, tensors = {}, {}
    for name, weights in (("unit", (1.0, 1.0, 1.0, 1.0)), ("rcnn", (10.0, 10.0, 5.0, 5.0))):
        coder = BoxCoder(weights)
        anchors, boxes = random_boxes(20), random_boxes(20)
        deltas_in = normal(20, 4, scale=1.5)
        deltas_in[0] = torch.tensor([0.0, 0.0, 40.0, 30.0])  # beyond the clamp
        tensors[name] = dict(anchors=anchors, boxes=boxes, deltas=coder.encode_single(boxes, anchors), deltas_in=deltas_in,
                             decoded=coder.decode_single(deltas_in, anchors))
        cases[name] = dict(stds=[1 / w for w in weights], clamp=math.log(1000.0 / 16))
    return cases, tensors


OPERATORS = (conv2d, conv_transpose2d, deform_conv2d, linear, batch_norm, group_norm, pool2d, interpolate, roi_align,
             roi_pool, focal_loss, regression, cross_entropy, box_iou, nms, delta_coder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="(default %(default)s)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    versions = {"python": sys.version.split()[0], "torch": torch.__version__, "torchvision": torchvision.__version__,
                "numpy": numpy.__version__}
    for operator in OPERATORS:
        GENERATOR.manual_seed(20261121)
        cases, tensors = operator()
        flat = {f"{case}/{name}": tensor.detach().contiguous().clone() for case, group in tensors.items()
                for name, tensor in group.items()}
        path = args.out / f"ops_{operator.__name__}.safetensors"
        save_file(flat, path, {"versions": json.dumps(versions), "cases": json.dumps(cases)})
        print(f"{path}: {len(cases)} cases, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
