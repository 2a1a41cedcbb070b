"""What MMDetection's transforms that mix and warp images make of small ones, with given draws.

    tests/golden/transforms.py

writes tests/golden/data/transforms.json. Draws are given by replacing numpy's random functions as
the transforms see them. Ran with MMDetection 2.28.2 and the OpenCV that the file names.
"""

import base64
import json
import pathlib

import without_kernels  # noqa: F401
import cv2
import mmdet
import numpy as np
from mmdet.datasets.pipelines import transforms as module


class Draws:
    """numpy.random whose uniform numbers come from a list of shares, and integers likewise."""

    def __init__(self, shares):
        self.shares = list(shares)

    def uniform(self, low=0., high=1., size=None):
        if size is not None:
            return np.array([self.uniform(low, high) for _ in range(size)])
        return low + (high - low) * self.shares.pop(0)

    def randint(self, low, high, size=None):
        if size is not None:
            return np.array([self.randint(low, high) for _ in range(size)])
        return low + int((high - low) * self.shares.pop(0))


def picture(height, width, seed):
    """Smooth, so that a sixteenth of a pixel is less than a level; RGB."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [(3 * x + 2 * y + 40 * seed) % 200, (x + 4 * y + 7 * seed) % 220, (2 * x + 3 * y) % 190]
    return np.stack(channels, -1).astype(np.uint8)


def results(height, width, seed, boxes):
    return {"img": picture(height, width, seed), "img_shape": (height, width, 3),
            "gt_bboxes": np.array(boxes, np.float32).reshape(-1, 4),
            "gt_labels": np.arange(len(boxes)) + 10 * seed, "bbox_fields": ["gt_bboxes"]}


def entry(made, **draw):
    image = np.ascontiguousarray(made["img"])
    return {**draw, "height": image.shape[0], "width": image.shape[1],
            "pixels": base64.b64encode(image.tobytes()).decode(),
            "boxes": made["gt_bboxes"].astype(float).round(5).tolist(),
            "labels": made["gt_labels"].tolist()}


BOXES = [[4, 5, 20, 18], [10, 2, 38, 12], [25, 20, 39, 29]]


def affine():
    cases = []
    for number, (skip, border, shares) in enumerate((
            (True, (0, 0), (.5, .5, .5, .5, .5, .5)), (True, (0, 0), (.9, .2, .7, .1, .6, .3)),
            (False, (4, -6), (.2, .8, .3, .9, .2, .8)), (False, (-4, 3), (0., .05, .5, .5, .9, .9)))):
        module.random = Draws(shares)
        transform = module.RandomAffine(border=border, skip_filter=skip)
        cases.append(entry(transform(results(30, 40, number, BOXES)), shares=shares, skip=skip,
                           border=border, seed=number))
    return cases


def mosaic():
    cases = []
    for center, sizes in (((.5, .5), [(30, 40), (20, 48), (40, 20), (24, 32)]),
                          ((.05, .9), [(48, 32), (16, 16), (33, 41), (30, 40)])):
        module.random = Draws([0., *center])
        parts = [results(*size, seed, BOXES[:2 + seed % 2]) for seed, size in enumerate(sizes)]
        parts[0]["mix_results"] = parts[1:]
        transform = module.Mosaic(img_scale=(32, 48))
        cases.append(entry(transform(parts[0]), center=center, sizes=sizes))
    return cases


def mix_up():
    cases = []
    for skip, shares in ((True, (.9, .2, .5, .25)), (False, (.1, .9)), (False, (.8, .6, .9, .6))):
        first, other = results(30, 40, 0, BOXES), results(24, 44, 1, BOXES[:2])
        first["mix_results"] = [other]
        module.random = Draws(shares)
        transform = module.MixUp(img_scale=(32, 48), skip_filter=skip)
        cases.append(entry(transform(first), shares=list(shares), skip=skip))
    return cases


def cut_out():
    """Its numbers come from numpy itself."""
    shares = (.9, .25, .5, .6, .8, .7, .1)
    saved, np.random.randint = np.random.randint, Draws(shares).randint
    try:
        made = module.CutOut(n_holes=(1, 2), cutout_shape=[(6, 9), (12, 4)], fill_in=(9, 8, 7))(
            results(30, 40, 2, BOXES))
    finally:
        np.random.randint = saved
    return [entry(made, holes=[[10, 15, 12, 4], [32, 21, 6, 9]])]


if __name__ == "__main__":
    golden = {"made_by": f"tests/golden/transforms.py, mmdet {mmdet.__version__}, "
                         f"OpenCV {cv2.__version__}, numpy {np.__version__}",
              "affine": affine(), "mosaic": mosaic(), "mix_up": mix_up(), "cut_out": cut_out()}
    path = pathlib.Path(__file__).parent / "data" / "transforms.json"
    path.write_text(json.dumps(golden, separators=(",", ":")).replace("},{", "},\n{") + "\n")
