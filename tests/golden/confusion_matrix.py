"""Ultralytics' confusion matrices of random sets, for tests/detection/evaluation/confusion_matrix_test.cpp.

    pip install --no-deps ultralytics    (and what it imports)
    tests/golden/confusion_matrix.py     writes tests/golden/data/confusion_matrix.json

Boxes are x, y, width, height; a detection is x, y, width, height, score, class.
"""

import json
import pathlib
from importlib.metadata import version

import numpy
import torch
from ultralytics.utils.metrics import ConfusionMatrix

CLASSES = 4


def random_image(random):
    truths = random.randint(0, 9)
    boxes = numpy.round(numpy.concatenate(
        [random.uniform(0, 80, (truths, 2)), random.uniform(4, 60, (truths, 2))], 1), 2)
    labels = random.randint(0, CLASSES, truths)
    detections = []
    for box, label in zip(boxes, labels):
        for _ in range(random.randint(0, 4)):
            moved = box + random.normal(0, 4, 4)
            moved[2:] = numpy.maximum(moved[2:], 1)
            other = random.randint(0, CLASSES) if random.uniform() < 0.3 else label
            detections.append([*numpy.round(moved, 2), round(random.uniform(0.05, 1), 3), int(other)])
    for _ in range(random.randint(0, 4)):
        detections.append([*numpy.round(random.uniform(1, 60, 4), 2), round(random.uniform(0.05, 1), 3),
                           int(random.randint(0, CLASSES))])
    return boxes.tolist(), labels.tolist(), [[float(v) for v in d] for d in detections]


def corners(boxes):
    boxes = torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)
    return torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)


def main():
    random = numpy.random.RandomState(3)
    sets = []
    for images in (1, 1, 1, 20):
        matrix = ConfusionMatrix(names={i: str(i) for i in range(CLASSES)})
        listed = []
        for _ in range(images):
            boxes, labels, detections = random_image(random)
            listed.append({"boxes": boxes, "labels": labels, "detections": detections})
            found = torch.tensor(detections, dtype=torch.float64).reshape(-1, 6)
            batch = {"cls": torch.tensor(labels), "bboxes": corners(boxes)}
            predictions = {"cls": found[:, 5], "conf": found[:, 4], "bboxes": corners(found[:, :4].tolist())}
            matrix.process_batch(predictions, batch, conf=0.25, iou_thres=0.45)
        sets.append({"images": listed, "matrix": matrix.matrix.astype(int).tolist()})
    path = pathlib.Path(__file__).parent / "data/confusion_matrix.json"
    golden = {"made_by": f"ultralytics {version('ultralytics')}", "classes": CLASSES, "sets": sets}
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
