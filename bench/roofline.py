#!/usr/bin/env python3
"""The roofline of the tensor-core convolution on RetinaNet-R50's shapes, computed from simulated traffic.

Example:
  cmake --preset sim && ninja -C build/sim kernel_bench && bench/roofline.py build/sim/bin/kernel_bench > bench/roofline.md

Runs each bfloat16 convolution on the simulator, on its real map of which it carries out a few blocks, spread over the grid.
From the bytes that go through global memory (in sectors of 32) and through shared memory per FLOP follows the most that an
H100 could reach. Needs no GPU, and says nothing about latency.
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# NVIDIA H100 SXM5, per second: data sheet (tensor cores, HBM3); 128 bytes per clock and SM at 1.83 GHz (shared memory);
# L2 as micro-benchmarks read it.
TENSOR = 989e12
SHARED = 132 * 128 * 1.83e9
L2 = 5.6e12
HBM = 3.35e12

# Name, height and width of the input, channels in and out, kernel, stride.
SHAPES = [
    ("stem 7x7", 800, 1344, 3, 64, 7, 2), ("layer1 3x3", 200, 336, 64, 64, 3, 1), ("layer1 expand", 200, 336, 64, 256, 1, 1),
    ("layer1 reduce", 200, 336, 256, 64, 1, 1), ("layer2 3x3 first", 200, 336, 128, 128, 3, 2),
    ("layer2 3x3", 100, 168, 128, 128, 3, 1), ("layer2 expand", 100, 168, 128, 512, 1, 1),
    ("layer2 reduce", 100, 168, 512, 128, 1, 1), ("layer3 3x3", 50, 84, 256, 256, 3, 1),
    ("layer3 expand", 50, 84, 256, 1024, 1, 1), ("layer3 reduce", 50, 84, 1024, 256, 1, 1),
    ("layer4 3x3", 25, 42, 512, 512, 3, 1), ("layer4 reduce", 25, 42, 2048, 512, 1, 1),
    ("FPN and head 3x3, P3", 100, 168, 256, 256, 3, 1), ("head cls, P3", 100, 168, 256, 720, 3, 1),
    ("head reg, P3", 100, 168, 256, 36, 3, 1),
]
PASSES = ("conv2d", "conv2d_backward_data", "conv2d_backward_weights")
BLOCKS = 4  # of each launch


def profile(binary, case):
    """Bytes of all kernels of one run, and shared-memory requests and conflicts, scaled from the blocks that were carried out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profile"
        environment = dict(os.environ, CUDA_SIM_PROFILE=str(path), CUDA_SIM_SAMPLE_BLOCKS=str(BLOCKS), OMP_NUM_THREADS="1")
        subprocess.run([binary, "--device", "cuda", "--once", "--case", case], env=environment, check=True,
                       stdout=subprocess.DEVNULL)
        total = {"global": 0, "shared": 0, "conflicts": 0, "requests": 0}
        for line in path.read_text().splitlines():
            fields = [int(field) for field in line.split("\t")[1:]]
            scale = fields[21] / fields[1]
            total["global"] += scale * 32 * (fields[7] + fields[10])
            total["requests"] += scale * fields[14]
            total["conflicts"] += scale * fields[15]
            total["shared"] += scale * fields[16]
        return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--filter", default="", help="only shapes with this text")
    args = parser.parse_args()
    print("# Roofline of the tensor-core convolution, computed\n")
    print("From `bench/roofline.py build/sim/bin/kernel_bench`: bytes counted by the simulator, no GPU involved. bfloat16.")
    print(f"H100 SXM: {TENSOR / 1e12:.0f} TFLOP/s on tensor cores; it wants at least {TENSOR / L2:.0f} FLOP per byte of global")
    print(f"memory that hits L2 ({L2 / 1e12:.1f} TB/s) and {TENSOR / SHARED:.0f} per byte of shared memory ({SHARED / 1e12:.1f} TB/s).")
    print("The bound is the least of the three limits; latency, launch and mma.sync's own rate are not in it.\n")
    print("| shape | pass | FLOP per global byte | FLOP per shared byte | conflicts per 100 shared requests | bound TFLOP/s | by |")
    print("|---|---|---|---|---|---|---|")
    for name, height, width, c, o, k, stride in SHAPES:
        if args.filter not in name:
            continue
        out = -(-height // stride) * -(-width // stride)
        flops = 2.0 * out * o * c * k * k
        for which in PASSES:
            if which == "conv2d_backward_data" and c == 3:
                continue  # Nobody wants the picture's gradient.
            case = f"{which} n=1 h={height} w={width} c={c} o={o} k={k} stride={stride} dtype=bfloat16"
            p = profile(args.binary, case)
            limits = {"tensor cores": TENSOR, "global memory": L2 * flops / p["global"]}
            if p["shared"]:
                limits["shared memory"] = SHARED * flops / (p["shared"] * (1 + p["conflicts"] / max(1, p["requests"])))
            by = min(limits, key=limits.get)
            shared = f"{flops / p['shared']:.0f}" if p["shared"] else "-"
            conflicts = f"{100 * p['conflicts'] / max(1, p['requests']):.1f}"
            print(f"| {name} {c}-{o} | {which} | {flops / p['global']:.0f} | {shared} | {conflicts} | {limits[by] / 1e12:.0f} | {by} |",
                  flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
