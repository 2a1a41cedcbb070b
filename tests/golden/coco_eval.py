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


def evaluate(truths, results, metric, **params):
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO(truths)
        evaluation = COCOeval(gt, gt.loadRes(results), metric)
        for name, value in params.items():
            setattr(evaluation.params, name, value)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    classes = [p[p > -1] for p in numpy.moveaxis(precision, 2, 0)]
    return ([float(v) for v in evaluation.stats],
            [float(p.mean()) if p.size else -1. for p in classes])


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
    # The last three are of the first 200 sets whose results have boxes.
    numbers = {"bbox": [], "segm": [], "classes": [], "proposals": [], "custom": []}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "--gtest_filter=CocoGolden.*"], stdout=subprocess.DEVNULL,
                       env={**os.environ, "KESTREL_WRITE_COCO_SETS": folder}, check=False)
        for metric in ("bbox", "segm"):
            rows = numbers[metric]
            for index in range(500):
                files = f"{folder}/{index}_truths.json", f"{folder}/{index}_results.json"
                rows.append(evaluate(*files, metric)[0])
                if metric == "segm" or index >= 300 or index % 3 == 2:
                    continue
                numbers["classes"].append(evaluate(*files, metric)[1])
                numbers["proposals"].append(evaluate(
                    *files, metric, useCats=0, maxDets=[2, 10, 1000])[0][6:])
                numbers["custom"].append(evaluate(
                    *files, metric, maxDets=[3, 20, 100], iouThrs=numpy.array([.3, .5, .625, .9]),
                    areaRng=[[0, 1e10], [0, 400], [400, 2000], [2000, 1e10]])[0])
    golden = {
        "made_by": f"tests/golden/coco_eval.py, pycocotools {version('pycocotools')}, "
                   f"numpy {version('numpy')}",
        **numbers, "polygons": polygon_masks()}
    path = pathlib.Path(__file__).parent / "data" / "coco_eval.json"
    text = json.dumps(golden, separators=(",", ":"))
    path.write_text(text.replace("],[", "],\n[") + "\n")


if __name__ == "__main__":
    main()
