#!/usr/bin/env python3
"""Reference values for reading and transforming images: OpenCV's imdecode, resize and mmcv's normalisation, and
torch.nn.functional.interpolate as torchvision's GeneralizedRCNNTransform calls it.

Writes images.json into --out (committed as tests/golden/data/images.json):
  versions   of opencv, pillow, numpy and torch
  decode     [{name, file (base64), height, width, pixels (base64 of RGB bytes as cv2.imdecode(IMREAD_COLOR) gives them)}]
  source     {height, width, pixels}: the picture that is resized
  resize     [{height, width, pixels}]: cv2.resize(INTER_LINEAR)
  interpolate [{height, width, values}]: float32 bilinear of the normalised source, every 13th value
  normalize  {mean, std, values}: cv2.subtract, cv2.multiply in float32, every 13th value
"""
import argparse
import base64
import io
import json
import pathlib
import struct

import cv2
import numpy as np
import PIL
import torch
from PIL import Image

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def text(data):
    return base64.b64encode(bytes(data)).decode()


def numbers(values):
    """With the digits that float32 has."""
    return [float(f"{float(v):.9g}") for v in values]


def picture(height, width):
    """Smooth, so that JPEG keeps it, with an edge and some noise."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([128 + 100 * np.sin(x / 5), 128 + 100 * np.cos(y / 4 + x / 9), 255.0 * (x > y)], axis=2)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def with_orientation(jpeg, orientation):
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def files():
    rgb = Image.fromarray(picture(19, 23))

    def save(image, form, **options):
        out = io.BytesIO()
        image.save(out, form, **options)
        return out.getvalue()

    jpeg = save(rgb, "JPEG", quality=90, subsampling=2)
    yield "420.jpg", jpeg
    yield "444.jpg", save(rgb, "JPEG", quality=95, subsampling=0)
    yield "progressive.jpg", save(rgb, "JPEG", quality=80, progressive=True)
    yield "grey.jpg", save(rgb.convert("L"), "JPEG", quality=90)
    for orientation in range(2, 9):
        yield f"orientation{orientation}.jpg", with_orientation(jpeg, orientation)
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray((np.arange(19 * 23).reshape(19, 23) % 256).astype(np.uint8)))
    palette = rgb.quantize(16)
    yield "rgb.png", save(rgb, "PNG")
    yield "rgba.png", save(alpha, "PNG")
    yield "grey.png", save(rgb.convert("L"), "PNG")
    yield "grey_alpha.png", save(alpha.convert("LA"), "PNG")
    yield "bits1.png", save(rgb.convert("1"), "PNG")
    yield "palette.png", save(palette, "PNG")
    yield "palette_transparent.png", save(palette, "PNG", transparency=3)
    wide = (picture(19, 23).astype(np.uint16) * 257) ^ 0x5A
    yield "rgb16.png", cv2.imencode(".png", wide[:, :, ::-1])[1].tobytes()
    yield "grey16.png", cv2.imencode(".png", wide[:, :, 0])[1].tobytes()
    yield "rgb.bmp", save(rgb, "BMP")
    yield "rgb.ppm", save(rgb, "PPM")
    yield "grey.pgm", save(rgb.convert("L"), "PPM")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "data")
    out = parser.parse_args().out
    decode = []
    for name, data in files():
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
        decode.append({"name": name, "file": text(data), "height": pixels.shape[0], "width": pixels.shape[1],
                       "pixels": text(pixels.tobytes())})
    source = picture(29, 37)
    source[5:9, 8:20] = np.random.default_rng(2).integers(0, 256, (4, 12, 3))
    sizes = [(29, 37), (58, 74), (14, 18), (64, 41), (11, 80), (1, 1), (3, 50), (41, 1)]
    resize = [{"height": h, "width": w,
               "pixels": text(cv2.resize(source, (w, h), interpolation=cv2.INTER_LINEAR).tobytes())} for h, w in sizes]
    normalized = cv2.multiply(cv2.subtract(source.astype(np.float32), np.float64(MEAN).reshape(1, -1)),
                              1 / np.float64(STD).reshape(1, -1))
    chw = torch.from_numpy(normalized).permute(2, 0, 1)[None]
    interpolate = []
    for h, w in sizes:
        result = torch.nn.functional.interpolate(chw, size=(h, w), mode="bilinear", align_corners=False)
        interpolate.append({"height": h, "width": w,
                            "values": numbers(result[0].permute(1, 2, 0).reshape(-1)[::13])})
    (out / "images.json").write_text(json.dumps({
        "versions": {"opencv": cv2.__version__, "pillow": PIL.__version__, "numpy": np.__version__,
                     "torch": torch.__version__},
        "decode": decode,
        "source": {"height": 29, "width": 37, "pixels": text(source.tobytes())},
        "resize": resize,
        "interpolate": interpolate,
        "normalize": {"mean": MEAN, "std": STD, "values": numbers(normalized.reshape(-1)[::13])},
    }) + "\n")


if __name__ == "__main__":
    main()
