"""What MMDetection's MaxIoUAssigner makes of anchors beside ignored boxes (crowds).

    python tests/golden/mmdetection_assign.py tests/golden/data/ignored_boxes.json

Ran with MMDetection 2.28.2 on a CPU.
"""

import json
import sys

import mmdet
import numpy as np
import torch
from mmdet.core.bbox.assigners import MaxIoUAssigner

rng = np.random.default_rng(3)


def boxes(count, low, high):
    corner = rng.uniform(0, 80, (count, 2))
    return torch.as_tensor(np.hstack([corner, corner + rng.uniform(low, high, (count, 2))]),
                           dtype=torch.float32)


anchors = torch.cat([boxes(60, 5, 40), torch.tensor([[10.0, 10, 10, 30], [0, 0, 100, 100]])])
truths = torch.cat([anchors[[3, 20]] + 1.5, boxes(2, 10, 40)])
ignored = boxes(3, 20, 50)
cases = []
for thr in (0.3, 0.5, 0.9):
    for wrt_candidates in (True, False):
        for with_truths in (True, False):
            assigner = MaxIoUAssigner(pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0,
                                      ignore_iof_thr=thr, ignore_wrt_candidates=wrt_candidates)
            result = assigner.assign(anchors, truths if with_truths else truths[:0], ignored)
            cases.append({"ignore_iof_thr": thr, "ignore_wrt_candidates": wrt_candidates,
                          "truths": with_truths, "assigned": result.gt_inds.tolist()})


def listed(t):
    return [float(v) for v in t.flatten()]


with open(sys.argv[1], "w") as file:
    json.dump({"versions": {"mmdet": mmdet.__version__, "torch": torch.__version__},
               "anchors": listed(anchors), "truths": listed(truths), "ignored": listed(ignored),
               "cases": cases}, file)
