#!/usr/bin/env python3
"""Reference values for the forms of pictures that images.py does not have: WebP, TIFF, PNM of every kind, and orientation in
PNG, WebP and TIFF. Made and read by Pillow, which applies orientation by ImageOps.exif_transpose; alpha is dropped.

Writes image_formats.json into --out (committed as tests/golden/data/image_formats.json):
  versions   of pillow and numpy
  decode     [{name, file (base64), height, width, pixels (base64 of RGB bytes), most (difference that is allowed)}]
"""
import argparse
import base64
import io
import json
import pathlib
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps

from images import picture


def text(data):
    return base64.b64encode(bytes(data)).decode()


def saved(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def exif(orientation):
    data = Image.Exif()
    data[0x112] = orientation
    return data.tobytes()


def exif_last(png, orientation):
    """The chunk behind the pixels, as exiftool writes it."""
    body = b"eXIf" + exif(orientation)[6:]
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:-12] + chunk + png[-12:]


def plain(image, kind, most=255):
    """PNM as text."""
    values = np.asarray(image)
    header = f"P{kind}\n# a comment\n{image.width} {image.height}\n" + ("" if kind == 1 else f"{most}\n")
    numbers = values.reshape(values.shape[0], -1).astype(int)
    if kind == 1:
        return (header + "\n".join("".join("0" if v else "1" for v in row) for row in numbers) + "\n").encode()
    return (header + "\n".join(" ".join(str(v * most // 255) for v in row) for row in numbers) + "\n").encode()


def files():
    """(name, file, picture that it is, difference that is allowed)"""
    rgb = Image.fromarray(picture(19, 23))
    grey, bits = rgb.convert("L"), rgb.convert("1")
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray((np.arange(19 * 23).reshape(19, 23) % 256).astype(np.uint8)))
    yield "lossless.webp", saved(rgb, "WEBP", lossless=True), rgb, 0
    yield "alpha.webp", saved(alpha, "WEBP", lossless=True, exact=True), rgb, 0
    lossy = saved(rgb, "WEBP", quality=90)
    yield "lossy.webp", lossy, Image.open(io.BytesIO(lossy)).convert("RGB"), 1
    for orientation in range(1, 9):
        for name, data in (("png", saved(rgb, "PNG", exif=exif(orientation))),
                           ("last.png", exif_last(saved(rgb, "PNG"), orientation)),
                           ("webp", saved(rgb, "WEBP", lossless=True, exif=exif(orientation)))):
            turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data))) if name != "last.png" else \
                ImageOps.exif_transpose(Image.open(io.BytesIO(saved(rgb, "PNG", exif=exif(orientation)))))
            yield f"orientation{orientation}.{name}", data, turned.convert("RGB"), 0
        yield (f"orientation{orientation}.tif", saved(rgb, "TIFF", tiffinfo={274: orientation}),
               ImageOps.exif_transpose(Image.open(io.BytesIO(saved(rgb, "PNG", exif=exif(orientation))))).convert("RGB"), 0)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield f"{compression}.tif", saved(rgb, "TIFF", compression=compression), rgb, 0
    yield "grey.tif", saved(grey, "TIFF"), grey.convert("RGB"), 0
    yield "bits.tif", saved(bits, "TIFF", compression="group4"), bits.convert("RGB"), 0
    yield "palette.tiff", saved(rgb.quantize(16), "TIFF"), rgb.quantize(16).convert("RGB"), 0
    yield "alpha.tif", saved(alpha, "TIFF"), rgb, 0
    wide = (np.asarray(grey).astype(np.uint16) * 257) ^ 0x5A
    # libtiff rounds 16 bits to 8 where other readers cut them.
    yield "grey16.tif", saved(Image.fromarray(wide), "TIFF"), Image.fromarray((wide >> 8).astype(np.uint8)).convert("RGB"), 1
    yield "bitmap.pbm", saved(bits, "PPM"), bits.convert("RGB"), 0
    for name, kind, image in (("text.pbm", 1, bits), ("text.pgm", 2, grey), ("text.ppm", 3, rgb)):
        yield name, plain(image, kind), image.convert("RGB"), 0
    few = plain(grey, 2, 15)
    yield "text15.pgm", few, Image.fromarray((np.asarray(grey).astype(int) * 15 // 255 * 17).astype(np.uint8)).convert("RGB"), 0
    yield ("grey16.pgm", b"P5 23 19 65535\n" + wide.astype(">u2").tobytes(),
           Image.fromarray((wide >> 8).astype(np.uint8)).convert("RGB"), 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "data")
    decode = []
    for name, data, image, most in files():
        decode.append({"name": name, "file": text(data), "height": image.height, "width": image.width,
                       "pixels": text(image.tobytes()), "most": most})
    (parser.parse_args().out / "image_formats.json").write_text(json.dumps(
        {"versions": {"pillow": PIL.__version__, "numpy": np.__version__}, "decode": decode}) + "\n")


if __name__ == "__main__":
    main()
