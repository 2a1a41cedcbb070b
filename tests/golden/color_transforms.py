#!/usr/bin/env python3
"""Reference values for changes of colour: MMDetection's own, with numpy's draws replaced by given ones.

Ran with MMDetection 2.28.2, mmcv 1.7.2, OpenCV and numpy as noted in the file. Writes color_transforms.json into --out
(committed as tests/golden/data/color_transforms.json):
  versions   of mmdet, mmcv, opencv, numpy
  source     {height, width, pixels (base64 of RGB bytes)}
  cases      [{name, draw, height, width, pixels}]
"""
import argparse
import base64
import json
import pathlib
from unittest import mock

import without_kernels  # noqa: F401  (before mmdet)
import cv2
import mmcv
import mmdet
import numpy as np
from mmdet.datasets.pipelines import auto_augment, transforms

from images import picture


def entry(rgb):
    pixels = base64.b64encode(np.ascontiguousarray(rgb).tobytes()).decode()
    return {"height": rgb.shape[0], "width": rgb.shape[1], "pixels": pixels}


def run(transform, source, uniform=(), randint=(), rand=()):
    """The transform with these draws, all of which it has to use."""
    queues = {"uniform": list(uniform), "randint": list(randint), "rand": list(rand)}

    def draw(name):
        return lambda *args, **kwargs: queues[name].pop(0)

    results = {"img": np.ascontiguousarray(source[..., ::-1]), "img_fields": ["img"]}
    with mock.patch.multiple(np.random, **{name: draw(name) for name in queues}):
        results = transform(results)
    assert not any(queues.values()), queues
    return entry(results["img"][..., ::-1])


def cases(source):
    def case(name, transform, draw, **draws):
        return {"name": name, "draw": draw, **run(transform, source, **draws)}

    for level in (0, 3, 9):
        for kind in ("Color", "Brightness", "Contrast"):
            transform = getattr(auto_augment, kind + "Transform")(level=level)
            yield case(kind, transform, [level], rand=[0.4])
    yield case("Equalize", auto_augment.EqualizeTransform(), [], rand=[0.4])
    for gains in ([4.6, -20.3, 10], [-5, 30, -30], [0, 0, 0], [3, 0, 30]):
        yield case("Hsv", transforms.YOLOXHSVRandomAug(), [int(g) for g in gains],
                   uniform=[np.array(gains) / [5, 30, 30]], randint=[np.array([1, 1, 1])])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "data")
    out = parser.parse_args().out
    source = picture(32, 40)
    result = {
        "versions": {"mmdet": mmdet.__version__, "mmcv": mmcv.__version__, "opencv": cv2.__version__,
                     "numpy": np.__version__},
        "source": entry(source),
        "cases": list(cases(source)),
    }
    (out / "color_transforms.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
