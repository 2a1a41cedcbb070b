#!/usr/bin/env python3
"""Models of torchvision, at their full size, through `kestrel convert` and back: convert_test.py <kestrel> <folder>

Every tensor has to come back bit by bit, and torch.load(weights_only=True) has to read what Kestrel writes. Exits with 77
where there is no PyTorch or torchvision.
"""
import collections
import pathlib
import shutil
import subprocess
import sys

try:
    import torch
    from torchvision.models import resnet50
    from torchvision.models.detection import fasterrcnn_resnet50_fpn, retinanet_resnet50_fpn
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def bits(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8) if tensor.numel() else tensor


def expect_equal(got, want, what):
    want = {name: value for name, value in want.items() if not name.endswith("num_batches_tracked")}
    assert set(got) == set(want), f"{what}: {sorted(set(got) ^ set(want))[:5]}"
    for name, value in want.items():
        assert got[name].dtype == value.dtype and got[name].shape == value.shape, f"{what}: {name}"
        assert torch.equal(bits(got[name]), bits(value)), f"{what}: {name}"


def main():
    kestrel, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def convert(source, target, *options):
        subprocess.run([kestrel, "convert", folder / source, folder / target, *options], check=True)

    def load(name):
        return torch.load(folder / name, weights_only=True)

    torch.manual_seed(0)
    models = {
        "retinanet": (retinanet_resnet50_fpn(weights=None, weights_backbone=None), torch.float32),
        "retinanet_half": (retinanet_resnet50_fpn(weights=None, weights_backbone=None).half(), torch.float16),
        "fasterrcnn": (fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None).bfloat16(), torch.bfloat16),
        "resnet50": (resnet50(weights=None).to(memory_format=torch.channels_last), torch.float32),
    }
    for name, (model, dtype) in models.items():
        state = model.state_dict()
        for zipped in (True, False):
            torch.save({"model": state}, folder / "in.pth", _use_new_zipfile_serialization=zipped)
            convert("in.pth", "kestrel.safetensors")
            convert("kestrel.safetensors", "back.pth", "--names", "torchvision")
            back = load("back.pth")
            assert isinstance(back, collections.OrderedDict)
            expect_equal(back, state, f"{name}, zipped {zipped}")
        model.load_state_dict(back)  # strict: names are torchvision's
        assert next(iter(model.parameters())).dtype == dtype
    convert("kestrel.safetensors", "mm.pth", "--classes", "person,traffic light")
    checkpoint = load("mm.pth")
    assert checkpoint["meta"]["CLASSES"] == ("person", "traffic light"), checkpoint["meta"]
    expect_equal(checkpoint["state_dict"], models["resnet50"][0].state_dict(), "mmdetection")
    shutil.rmtree(folder)
    print(f"PyTorch {torch.__version__}: {len(models)} models came back bit by bit")


if __name__ == "__main__":
    main()
