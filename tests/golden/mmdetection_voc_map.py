"""What MMDetection's eval_map makes of detections in VOC's way.

    python tests/golden/mmdetection_voc_map.py tests/golden/data/voc_map.json

Ran with MMDetection 2.28.2 on a CPU.
"""

import json
import sys

import mmdet
import numpy as np
from mmdet.core import eval_map

CLASSES = ("cat", "dog", "owl", "eel", "bee")
rng = np.random.default_rng(7)


def boxes(count):
    corner = rng.integers(0, 150, (count, 2))
    return np.hstack([corner, corner + rng.integers(3, 20, (count, 2))]).astype(np.float32)


images, annotations, detections = [], [], []
for image in range(12):
    objects = boxes(int(rng.integers(0, 9)))
    labels = rng.integers(0, 4, len(objects))       # of eels there are none but difficult ones,
    difficult = (rng.random(len(objects)) < 0.2) | (labels == 3)    # of bees none at all
    found, found_labels = [], []
    for box, label in zip(objects, labels):
        for _ in range(int(rng.integers(0, 3))):
            found.append(box + rng.uniform(-2.5, 2.5, 4))
            found_labels.append(label if rng.random() < 0.95 else rng.integers(0, 5))
    for box in boxes(int(rng.integers(0, 4))):
        found.append(box)
        found_labels.append(rng.integers(0, 5))
    found = np.asarray(found, np.float32).reshape(-1, 4)
    found_labels = np.asarray(found_labels, np.int64)
    scores = rng.random(len(found)).astype(np.float32)      # no two alike
    images.append({"boxes": objects.flatten().tolist(), "labels": labels.tolist(),
                   "difficult": difficult.tolist(), "found": found.flatten().tolist(),
                   "found_labels": found_labels.tolist(), "scores": scores.tolist()})
    annotations.append({"bboxes": objects[~difficult], "labels": labels[~difficult],
                        "bboxes_ignore": objects[difficult], "labels_ignore": labels[difficult]})
    detections.append([np.hstack([found, scores[:, None]])[found_labels == k]
                       for k in range(len(CLASSES))])

cases = []
for mode, dataset in (("area", CLASSES), ("11points", "voc07")):
    for legacy in (True, False):
        for thr in (0.5, 0.7):
            mean, classes = eval_map(detections, annotations, iou_thr=thr, dataset=dataset,
                                     logger="silent", nproc=1, use_legacy_coordinate=legacy)
            cases.append({"mode": mode, "legacy": legacy, "iou_thr": thr, "map": float(mean),
                          "ap": [float(c["ap"]) for c in classes],
                          "objects": [int(c["num_gts"]) for c in classes]})

with open(sys.argv[1], "w") as file:
    json.dump({"versions": {"mmdet": mmdet.__version__, "numpy": np.__version__},
               "classes": CLASSES, "images": images, "cases": cases}, file)
