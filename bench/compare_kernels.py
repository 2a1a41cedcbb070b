#!/usr/bin/env python3
"""Kestrel's kernels beside PyTorch's (on a GPU cuDNN's and cuBLAS's) and torchvision's, case by case, called in turn in one run.

Example:
  bench/compare_kernels.py build/release/bin/kernel_bench --threads 2 --rounds 9 --json /tmp/kernels.json
  bench/compare_kernels.py build/release/bin/kernel_bench --vectors avx2 --filter "k=1"
  bench/compare_kernels.py build/release/bin/kernel_bench --threads 1 --peak --filter "k=1"
  bench/compare_kernels.py build/cuda/bin/kernel_bench --device cuda

Cases come from bench/kernels/kernel_cases.txt. Each side's median over the rounds and the median of the ratios PyTorch /
Kestrel; convolutions of both are NHWC (channels_last), regions are taken
from NCHW on PyTorch's side, which is all that it has. "-" where PyTorch has no such operator.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision

CASES = Path(__file__).parent / "kernels" / "kernel_cases.txt"


def parse(line):
    op, *words = line.split()
    sizes = dict(word.split("=") for word in words)
    dtype = getattr(torch, sizes.pop("dtype", "float32"))
    return op, {name: int(value) for name, value in sizes.items()}, dtype


def feature_map(s, dtype, c="c"):
    return torch.randn(s["n"], s[c], s["h"], s["w"]).to(dtype).to(memory_format=torch.channels_last)


def random_boxes(n, largest):
    sides = torch.rand(n, 2) * (largest - 8) + 8
    corner = torch.rand(n, 2) * (torch.tensor([1344.0, 800.0]) - sides)
    return torch.cat([corner, corner + sides], 1)


def conv2d(s, dtype, which="forward"):
    x = feature_map(s, dtype)
    groups = s.get("groups", 1)
    weight = (torch.randn(s["o"], s["c"] // groups, s["k"], s["k"]) * 0.05).to(dtype).to(memory_format=torch.channels_last)
    bias = torch.randn(s["o"]).to(dtype)
    stride, pad = s.get("stride", 1), s.get("pad", s["k"] // 2)
    if which == "forward":
        return lambda: F.relu_(F.conv2d(x, weight, bias, stride, pad, 1, groups))
    grad = torch.randn_like(F.conv2d(x, weight, None, stride, pad, 1, groups))
    mask = [which == "data", which == "weights", which == "weights"]
    return lambda: torch.ops.aten.convolution_backward(
        grad, x, weight, [s["o"]], [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], groups, mask)


def simple(make):
    """An operator of one map."""
    return lambda s, dtype: (lambda x: lambda: make(x, s))(feature_map(s, dtype))


def batch_norm_backward(s, dtype):
    x = feature_map(s, dtype)
    grad = torch.randn_like(x)
    weight, mean, rstd = torch.ones(s["c"]), torch.zeros(s["c"]), torch.ones(s["c"])
    return lambda: torch.ops.aten.native_batch_norm_backward(grad, x, weight, None, None, mean, rstd, True, 1e-5, [True] * 3)


def focal_loss(s, dtype):
    logits = (torch.randn(s["n"], s["classes"]) - 4).to(dtype).requires_grad_()
    targets = torch.zeros(s["n"], s["classes"], dtype=dtype)

    def step():
        logits.grad = None
        torchvision.ops.sigmoid_focal_loss(logits, targets, reduction="sum").backward()
    return step


def smooth_l1_loss(s, dtype):
    pred = random_boxes(s["n"], 400).requires_grad_()
    target = torch.randn(s["n"], 4) * 100 + 400

    def step():
        pred.grad = None
        F.smooth_l1_loss(pred, target, reduction="sum").backward()
    return step


def anchor_assign(s, dtype):
    from torchvision.models.detection._utils import Matcher
    anchors, truths = random_boxes(s["n"], 400), random_boxes(s["truths"], 400)
    matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)
    return lambda: matcher(torchvision.ops.box_iou(truths, anchors))


def anchor_ignore(s, dtype):
    anchors, ignored = random_boxes(s["n"], 400), random_boxes(s["ignored"], 400)

    def ignore():
        lt = torch.max(anchors[:, None, :2], ignored[:, :2])
        rb = torch.min(anchors[:, None, 2:], ignored[:, 2:])
        inter = (rb - lt).clamp(min=0).prod(2)
        area = (anchors[:, 2] - anchors[:, 0]) * (anchors[:, 3] - anchors[:, 1])
        return (inter / area.clamp(min=1e-6)[:, None]).max(1)[0] > 0.5
    return ignore


def box_decode(s, dtype):
    from torchvision.models.detection._utils import BoxCoder
    anchors, deltas = random_boxes(s["n"], 400), torch.randn(s["n"], 4) * 0.2
    coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    return lambda: torchvision.ops.clip_boxes_to_image(coder.decode_single(deltas, anchors), (800, 1344))


def top_k(s, dtype):
    logits = (torch.randn(s["n"]) - 4).to(dtype)

    def select():
        above = torch.nonzero(logits > -2.94).squeeze(1)
        return logits[above].topk(min(s["k"], above.numel()))
    return select


def nms(s, dtype):
    boxes, scores = random_boxes(s["n"], 100), torch.randn(s["n"])
    if "classes" not in s:
        return lambda: torchvision.ops.nms(boxes, scores, 0.5)
    classes = torch.randint(0, s["classes"], (s["n"],))
    return lambda: torchvision.ops.batched_nms(boxes, scores, classes, 0.5)


def optimizer(s, make):
    params = [torch.nn.Parameter(torch.randn(min(1 << 20, s["parameters"] - i))) for i in range(0, s["parameters"], 1 << 20)]
    for p in params:
        p.grad = torch.randn_like(p) * 1e-3
    return make(params).step


def linear(s, dtype):
    x, weight, bias = torch.randn(s["n"], s["c"]).to(dtype), torch.randn(s["o"], s["c"]).to(dtype), torch.randn(s["o"]).to(dtype)
    return lambda: F.linear(x, weight, bias)


def join(make):
    """An operator of two maps."""
    return lambda s, dtype: (lambda a, b: lambda: make(a, b))(feature_map(s, dtype), feature_map(s, dtype))


def batch_norm(s, dtype):
    x, weight, bias = feature_map(s, dtype), torch.ones(s["c"]), torch.zeros(s["c"])
    return lambda: F.batch_norm(x, None, None, weight, bias, training=True)


def gradient(make_input, forward):
    """The gradient alone of an operator by its input."""
    def peer(s, dtype):
        x = make_input(s, dtype).requires_grad_()
        with torch.enable_grad():
            y = forward(x, s)
        grad = torch.randn_like(y)
        return lambda: torch.autograd.grad(y, x, grad, retain_graph=True)
    return peer


def giou_loss(s, dtype):
    pred, target = random_boxes(s["n"], 400).requires_grad_(), random_boxes(s["n"], 400)

    def step():
        pred.grad = None
        torchvision.ops.generalized_box_iou_loss(pred, target, reduction="sum").backward()
    return step


def box_encode(s, dtype):
    from torchvision.models.detection._utils import encode_boxes
    anchors, weights = random_boxes(s["n"], 400), torch.ones(4)
    return lambda: encode_boxes(anchors, anchors, weights)


def top_rows(s, dtype):
    logits = torch.randn(s["n"], s["classes"]) - 4
    return lambda: logits.amax(1).topk(s["k"])


def gather_rows(s, dtype):
    x, rows = torch.randn(s["n"], s["width"]), torch.randint(0, s["n"], (s["rows"],))
    return lambda: x[rows]


def scatter_add_rows(s, dtype):
    x, rows = torch.randn(s["rows"], s["width"]), torch.randint(0, s["n"], (s["rows"],))
    return lambda: torch.zeros(s["n"], s["width"]).index_add_(0, rows, x)


def image_normalize(s, dtype):
    x = torch.full((s["n"], s["h"], s["w"], s["c"]), 128, dtype=torch.uint8)
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    return lambda: (x - mean) / std


def clip_grad_norm(s, dtype):
    grads = [torch.nn.Parameter(torch.zeros(min(1 << 20, s["parameters"] - i))) for i in range(0, s["parameters"], 1 << 20)]
    for p in grads:
        p.grad = torch.randn_like(p)
    return lambda: torch.nn.utils.clip_grad_norm_(grads, 1.0)


def ema(s, dtype):
    averages, values = ([torch.randn(min(1 << 20, s["parameters"] - i)) for i in range(0, s["parameters"], 1 << 20)] for _ in range(2))
    return lambda: torch._foreach_lerp_(averages, values, 1e-3)


def group_norm(s, dtype):
    x, weight, bias = feature_map(s, dtype), torch.ones(s["c"]), torch.zeros(s["c"])
    return lambda: F.group_norm(x, s["groups"], weight, bias)


def upsample_nearest_add(s, dtype):
    x = feature_map(s, dtype)
    lateral = F.interpolate(x, scale_factor=2).contiguous(memory_format=torch.channels_last)
    return lambda: F.interpolate(x, scale_factor=2) + lateral


def cross_entropy(s, dtype):
    logits, labels = torch.randn(s["n"], s["classes"]), torch.randint(0, s["classes"], (s["n"],))
    return lambda: F.cross_entropy(logits, labels, reduction="none")


def regions(s):
    return torch.cat([torch.zeros(s["rois"], 1), random_boxes(s["rois"], 400)], 1)


def roi_align(s, dtype):
    if dtype == torch.bfloat16:
        return None  # torchvision has none
    x, rois = feature_map(s, dtype).contiguous(), regions(s)
    return lambda: torchvision.ops.roi_align(x, rois, s["out"], 0.25, aligned=True)


def roi_align_backward(s, dtype):
    x, rois = feature_map(s, dtype).contiguous(), regions(s)
    x.requires_grad_()
    y = torchvision.ops.roi_align(x, rois, s["out"], 0.25, aligned=True)
    grad = torch.randn_like(y)
    return lambda: torch.autograd.grad(y, x, grad, retain_graph=True)


def roi_pool(s, dtype):
    x, rois = feature_map(s, dtype).contiguous(), regions(s)
    return lambda: torchvision.ops.roi_pool(x, rois, s["out"], 0.25)


def deform_conv2d(s, dtype):
    x, taps = feature_map(s, dtype).contiguous(), s["k"] ** 2
    offset = torch.randn(s["n"], 2 * taps, s["h"], s["w"])
    mask = torch.full((s["n"], taps, s["h"], s["w"]), 0.5)
    weight = torch.randn(s["o"], s["c"], s["k"], s["k"]) * 0.05
    return lambda: torchvision.ops.deform_conv2d(x, offset, weight, padding=s["k"] // 2, mask=mask)


def box_iou(s, dtype):
    a, b = random_boxes(s["n"], 400), random_boxes(s["m"], 400)
    return lambda: torchvision.ops.box_iou(a, b)


def multiply_backward(s, dtype):
    a, b, grad = feature_map(s, dtype), feature_map(s, dtype), feature_map(s, dtype)
    return lambda: (grad * b, grad * a)


def rows_of(s, dtype):
    """Numbers, and the dimension that is reduced."""
    first = "first" in s
    shape = (s["classes"], s["n"]) if first else (s["n"], s["classes"])
    return torch.randn(*shape).to(dtype), 0 if first else 1


def along(make):
    return lambda s, dtype: (lambda x, dim: lambda: make(x, dim))(*rows_of(s, dtype))


PEERS = {
    "conv2d": conv2d,
    "conv2d_backward_data": lambda s, dtype: conv2d(s, dtype, "data"),
    "conv2d_backward_weights": lambda s, dtype: conv2d(s, dtype, "weights"),
    "linear": linear,
    "relu": simple(lambda x, s: F.relu(x)),
    "relu_backward": gradient(feature_map, lambda x, s: F.relu(x)),
    "sigmoid": simple(lambda x, s: torch.sigmoid(x)),
    "sigmoid_backward": join(torch.ops.aten.sigmoid_backward),
    "add": join(torch.add),
    "subtract": join(torch.sub),
    "multiply": join(torch.mul),
    "affine": simple(lambda x, s: 2 * x + 0.5),
    "exp": simple(lambda x, s: torch.exp(x)),
    "silu": simple(lambda x, s: F.silu(x)),
    "silu_backward": gradient(feature_map, lambda x, s: F.silu(x)),
    "gelu": simple(lambda x, s: F.gelu(x)),
    "mish": simple(lambda x, s: F.mish(x)),
    "hswish": simple(lambda x, s: F.hardswish(x)),
    "maximum": join(torch.maximum),
    "multiply_channels": simple(lambda x, s: x * torch.ones(s["c"], 1, 1)),
    "multiply_backward": multiply_backward,
    "compare": join(torch.gt),
    "where": lambda s, dtype: (lambda a, b, m: lambda: torch.where(m, a, b))(
        feature_map(s, dtype), feature_map(s, dtype), torch.ones_like(feature_map(s, dtype), dtype=torch.bool)),
    "mean_pixels": simple(lambda x, s: x.mean((2, 3))),
    "sum_rows": along(lambda x, dim: x.sum(dim)),
    "argmax": along(lambda x, dim: x.max(dim)),
    "softmax": along(lambda x, dim: x.softmax(dim)),
    "softmax_backward": gradient(lambda s, dtype: rows_of(s, dtype)[0], lambda x, s: x.softmax(-1)),
    "log_softmax": along(lambda x, dim: x.log_softmax(dim)),
    "log_sum_exp": along(lambda x, dim: x.logsumexp(dim)),
    "cumulative_sum": along(lambda x, dim: x.cumsum(dim)),
    "gather": along(lambda x, dim: x.gather(dim, torch.zeros(x.shape[0], 1, dtype=torch.int64))),
    "permute": lambda s, dtype: (lambda x: lambda: x.permute(0, 2, 3, 1).contiguous())(
        torch.randn(s["n"], s["h"], s["w"], s["c"]).to(dtype)),
    "batched_matmul": lambda s, dtype: (lambda a, b: lambda: torch.bmm(a, b))(
        torch.randn(s["n"], s["m"], s["k"]).to(dtype), torch.randn(s["n"], s["k"], s["o"]).to(dtype)),
    "scale": simple(lambda x, s: x * 0.5),
    "sum": simple(lambda x, s: x.sum()),
    "broadcast": simple(lambda x, s: x.fill_(2)),
    "fill": simple(lambda x, s: x.fill_(1)),
    "random_uniform": simple(lambda x, s: x.uniform_()),
    "random_normal": simple(lambda x, s: x.normal_()),
    "gather_rows": gather_rows,
    "scatter_add_rows": scatter_add_rows,
    "add_channels": simple(lambda x, s: x + torch.zeros(s["c"], 1, 1)),
    "sum_channels": simple(lambda x, s: x.sum((0, 2, 3))),
    "image_normalize": image_normalize,
    "nhwc_to_nchw": simple(lambda x, s: x.contiguous(memory_format=torch.contiguous_format)),
    "cast_to_bfloat16": simple(lambda x, s: x.to(torch.bfloat16)),
    "nchw_to_nhwc": lambda s, dtype: (lambda x: lambda: x.contiguous(memory_format=torch.channels_last))(
        torch.randn(s["n"], s["c"], s["h"], s["w"])),
    "batch_norm": batch_norm,
    "batch_norm_backward": batch_norm_backward,
    "group_norm": group_norm,
    "group_norm_backward": gradient(feature_map, lambda x, s: F.group_norm(x, s["groups"])),
    "max_pool2d_backward": gradient(feature_map, lambda x, s: F.max_pool2d(x, s["k"], s["stride"], s["pad"])),
    "avg_pool2d": simple(lambda x, s: F.avg_pool2d(x, s["k"], s["stride"])),
    "avg_pool2d_backward": gradient(feature_map, lambda x, s: F.avg_pool2d(x, s["k"], s["stride"])),
    "upsample_nearest_backward": gradient(feature_map, lambda x, s: F.interpolate(x, scale_factor=2)),
    "upsample_bilinear_backward": gradient(feature_map, lambda x, s: F.interpolate(x, scale_factor=2, mode="bilinear")),
    "max_pool2d": simple(lambda x, s: F.max_pool2d(x, s["k"], s["stride"], s["pad"])),
    "upsample_nearest_add": upsample_nearest_add,
    "upsample_bilinear": simple(lambda x, s: F.interpolate(x, scale_factor=2, mode="bilinear")),
    "anchor_assign": anchor_assign,
    "anchor_ignore": anchor_ignore,
    "focal_loss": focal_loss,
    "softmax_cross_entropy": cross_entropy,
    "smooth_l1_loss": smooth_l1_loss,
    "giou_loss": giou_loss,
    "box_encode": box_encode,
    "top_rows": top_rows,
    "softmax_cross_entropy_backward": gradient(
        lambda s, dtype: torch.randn(s["n"], s["classes"]), lambda x, s: F.cross_entropy(x, torch.zeros(s["n"], dtype=torch.int64))),
    "box_decode": box_decode,
    "top_k": top_k,
    "nms": nms,
    "roi_align": roi_align,
    "roi_align_backward": roi_align_backward,
    "roi_pool": roi_pool,
    "deform_conv2d": deform_conv2d,
    "box_iou": box_iou,
    "ema": ema,
    "clip_grad_norm": clip_grad_norm,
    "sgd": lambda s, dtype: optimizer(s, lambda p: torch.optim.SGD(p, lr=1e-4, momentum=0.9, weight_decay=1e-4)),
    "adamw": lambda s, dtype: optimizer(s, lambda p: torch.optim.AdamW(p, lr=1e-4, weight_decay=1e-4)),
}


def flops_of(op, s):
    """Of a direct convolution or a matrix product, else None."""
    if op == "linear":
        return 2.0 * s["n"] * s["c"] * s["o"]
    if not op.startswith("conv2d"):
        return None
    k, stride = s["k"], s.get("stride", 1)
    pad = s.get("pad", k // 2)
    pixels = s["n"] * ((s["h"] + 2 * pad - k) // stride + 1) * ((s["w"] + 2 * pad - k) // stride + 1)
    return 2.0 * pixels * s["o"] * s["c"] // s.get("groups", 1) * k * k


WITH_GRADIENT = {"focal_loss", "smooth_l1_loss", "giou_loss", "roi_align_backward"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--filter", default="", help="only cases with this text")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--vectors", choices=("best", "avx2"), default="best", help="avx2: hold both sides to AVX2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peak", action="store_true", help="of float32 products: the shares of the CPU's multiply-adds that "
                        "both sides reach, measured in the same rounds, and the ratio at 100 %%")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    held = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
    if args.vectors == "avx2" and any(os.environ.get(name) != value for name, value in held.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | held)  # read when PyTorch is loaded
    torch.set_num_threads(args.threads)
    if args.device != "cpu":  # PyTorch 1.13, Debian's, does not know it
        torch.set_default_device(args.device)

    def wait():
        if args.device == "cuda":
            torch.cuda.synchronize()

    server = subprocess.Popen([args.binary, "--serve", "--device", args.device, "--threads", str(args.threads),
                               "--vectors", args.vectors], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)

    def ours(line):
        server.stdin.write(line + "\n")
        server.stdin.flush()
        return float(server.stdout.readline())

    record = []
    print(f"PyTorch {torch.__version__}, {args.device}, {args.threads} threads, {args.rounds} rounds")
    print(f"{'Kestrel ms':>11} {'PyTorch ms':>11} {'ratio':>7}{'  ours theirs  most' if args.peak else ''}  case")
    for line in args.cases.read_text().splitlines():
        if not line or line.startswith("#") or args.filter not in line:
            continue
        op, sizes, dtype = parse(line)
        peer = PEERS[op](sizes, dtype) if op in PEERS else None
        mine, theirs, peaks = [], [], []
        flops = flops_of(op, sizes) if args.peak and dtype == torch.float32 else None
        with torch.set_grad_enabled(op in WITH_GRADIENT):
            ours(line)
            if peer:
                peer()
            for _ in range(args.rounds):
                mine.append(ours(line))
                if flops:
                    peaks.append(ours("peak"))
                if peer:
                    wait()
                    begin = time.perf_counter()
                    peer()
                    wait()
                    theirs.append((time.perf_counter() - begin) * 1e3)
        row = {"case": line, "kestrel_ms": statistics.median(mine)}
        if peer:
            row["torch_ms"] = statistics.median(theirs)
            row["ratio"] = statistics.median(t / m for t, m in zip(theirs, mine))
            shares = " " * 20 if args.peak else ""
            if flops:
                row["peak_gflops"] = statistics.median(peaks)
                row["share"], row["torch_share"] = (
                    statistics.median(flops / t * 1e-6 / p for t, p in zip(times, peaks)) for times in (mine, theirs))
                shares = f" {row['share']:5.0%}  {row['torch_share']:5.0%} {1 / row['torch_share']:5.2f}"
            print(f"{row['kestrel_ms']:11.3f} {row['torch_ms']:11.3f} {row['ratio']:7.2f}{shares}  {line}", flush=True)
        else:
            print(f"{row['kestrel_ms']:11.3f} {'-':>11} {'-':>7}  {line}", flush=True)
        record.append(row)
    if args.json:
        args.json.write_text(json.dumps({"torch": torch.__version__, "device": args.device, "threads": args.threads, "cases": record}, indent=1) + "\n")


if __name__ == "__main__":
    main()
