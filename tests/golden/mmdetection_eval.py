"""What MMDetection's eval_map and eval_recalls make of 300 of the sets of coco_sets.cpp.

    tests/golden/mmdetection_eval.py build/release/bin/test_detection

The test program writes the sets; the numbers go to tests/golden/data/mmdetection_eval.json. Sets
without boxes are left out, and scores are replaced by others of which no two are alike: between
equal ones numpy chooses as it likes. Ran with MMDetection 2.28.2 and NumPy 2.4.6.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import without_kernels  # noqa: F401
import mmdet
import numpy as np
from mmdet.core import eval_map, eval_recalls
from mmdet.core.evaluation import recall as recall_module


class OldNumPy:
    """NumPy as it was when eval_recalls was written: rows of unlike lengths are an array."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def array(values, dtype=None):
        try:
            return np.array(values, dtype)
        except ValueError:
            rows = np.empty(len(values), object)
            rows[:] = values
            return rows


recall_module.np = OldNumPy()
SETS = 300
SCALES = [(0, 20), (20, 45), (45, 1e5)]


def boxes_of(items):
    return np.array([[x, y, x + w, y + h] for x, y, w, h in (item["bbox"] for item in items)],
                    np.float64).reshape(-1, 4).astype(np.float32)


def read(truths, results):
    classes = [c["id"] for c in truths["categories"]]
    annotations, found, all_found = [], [], []
    for number, result in enumerate(results):
        result["score"] = number * 7919 % 10007 / 10007
    for image in truths["images"]:
        def known(items):
            return [i for i in items
                    if i["image_id"] == image["id"] and i["category_id"] in classes]
        objects = known(truths["annotations"])
        ignored = [bool(o["iscrowd"]) for o in objects]    # pycocotools drops "ignore"
        kept = [o for o, skip in zip(objects, ignored) if not skip]
        others = [o for o, skip in zip(objects, ignored) if skip]
        label = {id: n for n, id in enumerate(classes)}
        annotations.append({
            "bboxes": boxes_of(kept), "bboxes_ignore": boxes_of(others),
            "labels": np.array([label[o["category_id"]] for o in kept], int),
            "labels_ignore": np.array([label[o["category_id"]] for o in others], int)})
        results_here = known(results)
        scores = np.array([r["score"] for r in results_here], np.float32)[:, None]
        dets = np.hstack([boxes_of(results_here), scores.reshape(-1, 1)])
        labels = np.array([label[r["category_id"]] for r in results_here], int)
        found.append([dets[labels == k] for k in range(len(classes))])
        all_found.append(dets)
    return annotations, found, all_found


def numbers_of(annotations, found, all_found):
    row = []
    for thr, dataset, legacy in ((.5, None, True), (.4, "voc07", False)):
        row.append(eval_map(found, annotations, iou_thr=thr, dataset=dataset, logger="silent",
                            nproc=1, use_legacy_coordinate=legacy)[0])
    row += eval_map(found, annotations, iou_thr=.6, scale_ranges=SCALES, logger="silent", nproc=1,
                    use_legacy_coordinate=False)[0]
    for legacy in (False, True):
        row += list(eval_recalls([a["bboxes"] for a in annotations], all_found, (1, 4, 100),
                                 (.5, .75), logger="silent",
                                 use_legacy_coordinate=legacy).ravel())
    return [float(f"{v:.12g}") for v in row]


def all_numbers(program):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "--gtest_filter=CocoGolden.SetsAreWritten"], check=True,
                       stdout=subprocess.DEVNULL,
                       env={**os.environ, "KESTREL_WRITE_COCO_SETS": folder})
        for index in (i for i in range(500) if i % 3 != 2):
            if len(rows) == SETS:
                break
            texts = [pathlib.Path(folder, f"{index}_{kind}.json").read_text()
                     for kind in ("truths", "results")]
            annotations, found, all_found = read(*map(json.loads, texts))
            if any(len(a["bboxes"]) for a in annotations):
                rows.append([index, *numbers_of(annotations, found, all_found)])
    return rows


if __name__ == "__main__":
    rows = all_numbers(sys.argv[1])
    golden = {"made_by": f"tests/golden/mmdetection_eval.py, mmdet {mmdet.__version__}, "
                         f"numpy {np.__version__}",
              "columns": "set; mAP at .5, area, +1; at .4, 11 points; at .6 by size; recalls of "
                         "1, 4 and 100 boxes at .5 and .75, then the same with +1",
              "sets": rows}
    path = pathlib.Path(__file__).parent / "data" / "mmdetection_eval.json"
    path.write_text(json.dumps(golden, separators=(",", ":")).replace("],[", "],\n[") + "\n")
