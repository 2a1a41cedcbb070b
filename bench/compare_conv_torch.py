"""Convolutions of RetinaNet-R50-FPN: Kestrel beside PyTorch, called in turn in one run.

    python bench/compare_conv_torch.py build/release/bin/conv_bench [--threads 1] [--repeat 5]
        [--height 800 --width 1344] [--batch 1] [--bfloat16] [--only NAME] [--channels-last]

Prints, per shape and pass, the median time of each and the median of the ratios PyTorch / Kestrel.
With one thread the figures are CPU seconds, which do not count what other processes take.
"""
import argparse
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--repeat", type=int, default=5)
parser.add_argument("--height", type=int, default=800)
parser.add_argument("--width", type=int, default=1344)
parser.add_argument("--batch", type=int, default=1)
parser.add_argument("--bfloat16", action="store_true")
parser.add_argument("--channels-last", action="store_true")
parser.add_argument("--only", default="")
parser.add_argument("--passes", default="forward,data,weights")
args = parser.parse_args()

torch.set_num_threads(args.threads)
flags = ["--threads", str(args.threads), "--height", str(args.height), "--width", str(args.width),
         "--batch", str(args.batch)] + (["--bfloat16"] if args.bfloat16 else [])
listed = subprocess.run([args.binary, "--list", *flags], capture_output=True, text=True,
                        check=True).stdout
server = subprocess.Popen([args.binary, "--serve", *flags], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True)
clock = time.process_time if args.threads == 1 else time.perf_counter
dtype = torch.bfloat16 if args.bfloat16 else torch.float32
passes = args.passes.split(",")


def ours(which, shape):
    server.stdin.write(f"{which} {' '.join(map(str, shape))}\n")
    server.stdin.flush()
    wall, cpu = map(float, server.stdout.readline().split())
    return cpu if args.threads == 1 else wall


totals = {p: [0.0, 0.0] for p in passes}
for line in listed.splitlines():
    name, count, *numbers = line.split()
    if args.only not in name:
        continue
    shape = n, h, w, c, o, k, stride, pad = [int(x) for x in numbers]
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    x = torch.randn(n, c, h, w, dtype=dtype).to(memory_format=layout)
    weight = torch.randn(o, c, k, k, dtype=dtype).to(memory_format=layout)
    bias = torch.randn(o, dtype=dtype)
    with torch.no_grad():
        y = F.conv2d(x, weight, bias, stride, pad)

    def theirs(which):
        start = clock()
        with torch.no_grad():
            if which in ("forward", "train"):
                F.conv2d(x, weight, bias, stride, pad)
            else:
                torch.ops.aten.convolution_backward(
                    y, x, weight, [o], [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1,
                    [which == "data", which == "weights", False])
        return clock() - start

    text = f"{name:22s} x{count}"
    for which in passes:
        ours(which, shape)
        theirs(which)
        pairs = [(ours(which, shape), theirs(which)) for _ in range(args.repeat)]
        mine = statistics.median(p[0] for p in pairs)
        their = statistics.median(p[1] for p in pairs)
        ratio = statistics.median(p[1] / p[0] for p in pairs)
        totals[which][0] += mine * int(count)
        totals[which][1] += their * int(count)
        flops = 2 * y.numel() * c * k * k
        text += f" | {which} {mine * 1e3:8.2f} ms ({flops / mine * 1e-9:5.0f}) {ratio:5.2f}x"
    print(text, flush=True)
for which, (mine, their) in totals.items():
    print(f"all {which}: {mine * 1e3:.0f} ms, PyTorch {torch.__version__} {their * 1e3:.0f} ms, "
          f"{their / mine:.2f}x")
