#!/usr/bin/env python3
"""The COCO authors' own check: 100 images of val2014 with made-up boxes and masks.

    bench/check_coco_eval.py DIRECTORY [--kestrel build/release/bin/kestrel]

DIRECTORY holds instances_val2014_100.json and instances_val2014_fake{bbox,segm}100_results.json of
the COCO API's repository (annotations/ and results/). Compares with the numbers that pycocotools
2.0.11 computes from them, which agree with the three digits of val2014_fake_eval_res.txt there. (The
last number of bbox is 33011/58500: its decimals repeat as 059829.) Exits with 1 if one is off by more
than 1e-12.
"""

import argparse
import json
import pathlib
import subprocess
import sys

EXPECTED = {
    "bbox": [
        0.50458069872496281, 0.69697272472995775, 0.57298166699048236, 0.58562572094104426,
        0.51939969480367187, 0.5013978986347466, 0.38681277964578054, 0.59367957628420032,
        0.59535298287760696, 0.63981096261134418, 0.56642059789943089, 0.56429059829059824],
    "segm": [
        0.31954527585764331, 0.56228839725216362, 0.29892653412086784, 0.38737403159978367,
        0.31018272403369485, 0.32693390710051379, 0.26822972257115341, 0.41544868114906375,
        0.41683949921988178, 0.46944986227542362, 0.37675922666197265, 0.38147150997150991],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--kestrel", default="build/release/bin/kestrel")
    args = parser.parse_args()
    good = True
    for metric, expected in EXPECTED.items():
        output = subprocess.run(
            [args.kestrel, "evaluate", "--json", "--metric", metric,
             "--annotations", args.directory / "instances_val2014_100.json",
             "--results", args.directory / f"instances_val2014_fake{metric}100_results.json"],
            check=True, capture_output=True, text=True).stdout
        stats = json.loads(output)["stats"]
        worst = max(abs(a - b) for a, b in zip(stats, expected, strict=True))
        exact = sum(a == b for a, b in zip(stats, expected))
        print(f"{metric}: {exact} of 12 numbers equal to the last bit, largest difference {worst:g}")
        good = good and worst <= 1e-12
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
