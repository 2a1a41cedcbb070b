"""Times torchvision.ops.nms on boxes like those of nms_bench.cpp (development only)."""

import time

import torch
import torchvision

torch.set_num_threads(2)
torch.manual_seed(7)
for n in (1000, 5000, 20000):
    corner = torch.rand(n, 2) * 1000
    boxes = torch.cat([corner, corner + 1 + torch.rand(n, 2) * 99], 1)
    scores = torch.rand(n)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        kept = torchvision.ops.nms(boxes, scores, 0.5)
        best = min(best, time.perf_counter() - start)
    print(f"torchvision {torchvision.__version__} nms n={n}: {best * 1e3:.2f} ms, kept {len(kept)}")
