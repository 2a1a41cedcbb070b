"""pycocotools' twelve numbers for the 500 sets of tests/detection/evaluation/coco_sets.cpp.

    tests/golden/coco_eval.py build/release/bin/test_detection

The test program writes the sets; the numbers go to tests/golden/data/coco_eval.json.
"""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from importlib.metadata import version

import numpy
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def evaluate(truths, results, metric):
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO(truths)
        evaluation = COCOeval(gt, gt.loadRes(results), metric)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(v) for v in evaluation.stats]


def polygon_masks():
    """Areas and compressed runs of polygons, some of them partly outside the image."""
    state = numpy.random.RandomState(5)
    cases = []
    for i in range(60):
        height, width = (int(v) for v in state.randint(5, 60, 2))
        points = 3 + i % 9
        xy = numpy.round(state.uniform(-.3, 1.3, (points, 2)) * [width, height], i % 4)
        if i % 3 == 0:
            xy[1] = xy[0]
        polygon = [float(v) for v in xy.ravel()]
        runs = mask_utils.merge(mask_utils.frPyObjects([polygon], height, width))
        cases.append({
            "height": height, "width": width, "polygon": polygon,
            "counts": runs["counts"].decode(), "area": int(mask_utils.area(runs)),
            "box": [float(v) for v in mask_utils.toBbox(runs)]})
    return cases


def main():
    program = sys.argv[1]
    numbers = {"bbox": [], "segm": []}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "--gtest_filter=CocoGolden.*"], stdout=subprocess.DEVNULL,
                       env={**os.environ, "KESTREL_WRITE_COCO_SETS": folder}, check=False)
        for metric, rows in numbers.items():
            for index in range(500):
                rows.append(evaluate(f"{folder}/{index}_truths.json",
                                     f"{folder}/{index}_results.json", metric))
    golden = {
        "made_by": f"tests/golden/coco_eval.py, pycocotools {version('pycocotools')}, "
                   f"numpy {version('numpy')}",
        **numbers, "polygons": polygon_masks()}
    path = pathlib.Path(__file__).parent / "data" / "coco_eval.json"
    text = json.dumps(golden, separators=(",", ":"))
    path.write_text(text.replace("],[", "],\n[") + "\n")


if __name__ == "__main__":
    main()
