#!/usr/bin/env python3
"""Writes small .pth files, as a version of PyTorch saves them, for tests/tensor/pth_test.cpp:

    /usr/bin/python3 tests/golden/pth.py tests/golden/data/pth        Debian 12's PyTorch 1.13
    python3 tests/golden/pth.py tests/golden/data/pth                 PyPI's 2.15, with torchvision 0.29

each writes <major>_<case>.pth, except those that need torchvision where there is none.

No tensor's values are recorded: byte j of the tensor `name`, in row-major order, is

    (j * 151 + (j >> 3) * 29 + seed) & 255, seed the sum of name's bytes;    for bool its lowest bit

so that every pattern of bits occurs, NaN too.

  values, values_legacy   tensors of each dtype, strided, tied, empty, scalar; and values that are no tensors;
                          in the zip form and in the one before PyTorch 1.6
  retinanet, fasterrcnn   names and dtypes of torchvision's retinanet_resnet50_fpn and of Faster R-CNN with ResNet-18,
                          every dimension cut to 2
  mmdetection             what MMDetection's CheckpointHook leaves: meta, state_dict, optimizer; names of RetinaNet-50
  adam                    a training loop's own dict: model, optimizer (Adam), lr_scheduler, args, epoch
  calls_system            an object whose pickle runs a command
  beside                  weights under "net" and "ema", and values beside them that no weights need: numpy's scalars and
                          arrays, paths, dates, an object of a class of one's own, tensors of dtypes that Kestrel lacks
"""
import argparse
import collections
import datetime
import os
import sys
import uuid
from pathlib import Path, PurePosixPath

import numpy
import torch

DTYPES = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16, "i64": torch.int64,
          "i32": torch.int32, "u8": torch.uint8, "bool": torch.bool}


def tensor(name, shape, dtype=torch.float32):
    count = int(numpy.prod(shape)) * torch.empty((), dtype=dtype).element_size()
    j = numpy.arange(count, dtype=numpy.int64)
    data = ((j * 151 + (j >> 3) * 29 + sum(name.encode())) & 255).astype(numpy.uint8)
    if dtype == torch.bool:
        data &= 1
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(data.tobytes()), dtype=dtype).reshape(shape).clone()


def values():
    result = {f"dtype.{name}": tensor(f"dtype.{name}", (3, 5), dtype) for name, dtype in DTYPES.items()}
    result["scalar"] = tensor("scalar", ())
    result["empty"] = tensor("empty", (0, 3))
    result["transposed"] = tensor("transposed", (4, 6)).t().contiguous().t()
    result["channels_last"] = tensor("channels_last", (2, 3, 4, 5)).to(memory_format=torch.channels_last)
    every_second = torch.zeros(3, 8)
    every_second[:, 1::2] = tensor("every_second", (3, 4))
    result["every_second"] = every_second[:, 1::2]
    result["expanded"] = torch.zeros(1, 4).expand(3, 4)
    # A part of a storage, and the storage itself; the same parameter under two names.
    result["whole"] = tensor("whole", (6, 4))
    result["part"] = result["whole"][2:4]
    result["tied"] = result["whole"]
    result["parameter"] = torch.nn.Parameter(tensor("parameter", (3,)))
    result["buffers"] = [tensor("buffers.0", (2,)), {"deep": (tensor("buffers.1", (2,)),)}]
    result["plain"] = {"none": None, "true": True, "false": False, "small": 5, "medium": 300, "negative": -7,
                       "large": 2**40, "huge": 2**70, "float": 0.1, "infinity": float("inf"), "text": "größer ∞",
                       "bytes": b"\x00\xff\x80", "list": [1, [2, []]], "tuple": (1, (2, 3), ()), "set": {4},
                       "size": torch.Size([2, 3]), "device": torch.device("cpu"), "dtype": torch.float16,
                       "numpy": numpy.float64(0.25), "numpy_int": numpy.int64(-3),
                       "ordered": collections.OrderedDict(a=1, b=2), "counter": collections.Counter("aab"),
                       "default": collections.defaultdict(list, x=[1]), 7: "a key that is a number",
                       "namespace": argparse.Namespace(lr=0.02, name="run")}
    result["plain"]["ordered"].attribute = "dropped"
    return result


def cut(state):
    """The same names and dtypes, every dimension at most 2, values of their names."""
    result = collections.OrderedDict(
        (name, tensor(name, [min(2, n) for n in value.shape], value.dtype)) for name, value in state.items())
    result._metadata = getattr(state, "_metadata", None) or collections.OrderedDict()
    return result


def retinanet():
    from torchvision.models.detection import retinanet_resnet50_fpn
    return cut(retinanet_resnet50_fpn(weights=None, weights_backbone=None).state_dict())


def fasterrcnn():
    from torchvision.models import resnet18
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
    backbone = _resnet_fpn_extractor(resnet18(weights=None), 5)
    return cut(FasterRCNN(backbone, 91).state_dict())


def resnet50_names():
    """name -> dimensions, in the order of the modules; the same in torchvision and MMDetection."""
    names = collections.OrderedDict()

    def norm(name):
        for part in ("weight", "bias", "running_mean", "running_var"):
            names[f"{name}.{part}"] = 1
        names[f"{name}.num_batches_tracked"] = 0

    names["conv1.weight"] = 4
    norm("bn1")
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        for block in range(blocks):
            prefix = f"layer{stage}.{block}"
            for i in (1, 2, 3):
                names[f"{prefix}.conv{i}.weight"] = 4
                norm(f"{prefix}.bn{i}")
            if block == 0:
                names[f"{prefix}.downsample.0.weight"] = 4
                norm(f"{prefix}.downsample.1")
    return names


def mmdetection():
    names = collections.OrderedDict((f"backbone.{name}", dims) for name, dims in resnet50_names().items())
    convs = [f"neck.lateral_convs.{i}.conv" for i in range(3)] + [f"neck.fpn_convs.{i}.conv" for i in range(5)]
    for i in range(4):
        convs += [f"bbox_head.cls_convs.{i}.conv", f"bbox_head.reg_convs.{i}.conv"]
    for name in convs + ["bbox_head.retina_cls", "bbox_head.retina_reg"]:
        names[f"{name}.weight"] = 4
        names[f"{name}.bias"] = 1
    state = collections.OrderedDict(
        (name, tensor(name, [2] * dims, torch.int64 if dims == 0 else torch.float32)) for name, dims in names.items())
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    parameters = [torch.nn.Parameter(tensor(f"trained.{i}", (2, 2))) for i in range(3)]
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=0.0001)
    for i, parameter in enumerate(parameters[:2]):
        parameter.grad = tensor(f"momentum.{i}", (2, 2))
        optimizer.state[parameter]["momentum_buffer"] = tensor(f"momentum.{i}", (2, 2))
    meta = {"env_info": "sys.platform: linux\nPython: 3.8.16", "config": "model = dict(\n    type='RetinaNet')\n",
            "seed": None, "exp_name": "retinanet_r50_fpn_1x_coco.py", "epoch": 12, "iter": 87960,
            "mmdet_version": "2.28.2", "mmcv_version": "1.7.1", "time": "Tue Nov 22 10:00:00 2022",
            "CLASSES": ("person", "bicycle"), "hook_msgs": {"best_score": 0.365, "best_ckpt": "epoch_12.pth"}}
    return {"meta": meta, "state_dict": state, "optimizer": optimizer.state_dict()}


def adam():
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    for name, value in model.state_dict().items():
        value.copy_(tensor(name, tuple(value.shape), torch.uint8).to(value.dtype))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.99))
    model(torch.ones(1, 2, 8, 8)).sum().backward()
    optimizer.step()
    for index, state in optimizer.state_dict()["state"].items():
        for key in ("exp_avg", "exp_avg_sq"):
            state[key].copy_(tensor(f"{key}.{index}", tuple(state[key].shape)))
    # The step has changed what the names say of the weights.
    for name, value in model.state_dict().items():
        value.copy_(tensor(name, tuple(value.shape), torch.uint8).to(value.dtype))
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [8, 11, 11])
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "lr_scheduler": scheduler.state_dict(),
            "args": argparse.Namespace(lr=1e-4, dataset="coco"), "epoch": 3}


class CallsSystem:
    def __reduce__(self):
        return os.system, ("touch kestrel_was_here",)


class History:
    """As mmengine's HistoryBuffer: arrays, and functions by name."""

    def __init__(self):
        self.log = numpy.arange(5.0)
        self.counts = numpy.arange(5)
        self.methods = {"mean": History.mean}

    def mean(self):
        return self.log.mean()


class Named(dict):
    """A dict of a class of one's own, as configs are."""


def beside():
    weights = collections.OrderedDict(
        (name, tensor(name, shape)) for name, shape in {"conv.weight": (2, 2, 1, 1), "conv.bias": (2,)}.items())
    averages = collections.OrderedDict((name, tensor("ema." + name, tuple(value.shape))) for name, value in weights.items())
    return {"epoch": numpy.int16(3), "best": numpy.float64(0.25), "mean": numpy.float16(0.5), "array": numpy.zeros((2, 3)),
            "text": numpy.str_("x"), "path": Path("work_dirs/x"), "pure": PurePosixPath("a/b"),
            "time": datetime.datetime(2024, 2, 29, 12, 30), "delta": datetime.timedelta(days=1), "complex": 1 + 2j,
            "frozen": frozenset({1}), "bytes": bytearray(b"ab"), "slice": slice(1, 2), "range": range(3),
            "history": collections.OrderedDict(loss=History()), "config": Named(lr=0.1, path=Path("y")),
            "int8": torch.arange(3, dtype=torch.int8), "short": torch.arange(3, dtype=torch.int16),
            "complex_tensor": torch.zeros(2, dtype=torch.complex64), "many": torch.zeros([1] * 9),
            "sparse": torch.eye(2).to_sparse(), "generator": torch.get_rng_state(), "function": os.path.join,
            "enum": uuid.UUID(int=1), "net": weights, "ema": {"module": averages, "decay": numpy.float32(0.5)}}


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    major = torch.__version__.split(".")[0]

    def save(name, value, **how):
        path = folder / f"{major}_{name}.pth"
        torch.save(value, path, **how)
        print(f"{path}: {path.stat().st_size:,} bytes, PyTorch {torch.__version__}")

    save("values", values())
    save("values_legacy", values(), _use_new_zipfile_serialization=False)
    save("mmdetection", mmdetection())
    save("adam", adam(), _use_new_zipfile_serialization=major != "1")
    save("calls_system", {"state_dict": CallsSystem()})
    save("beside", beside())
    save("beside_legacy", beside(), _use_new_zipfile_serialization=False)
    save("beside_protocol4", beside(), pickle_protocol=4)
    try:
        import torchvision  # noqa: F401
    except ImportError:
        print("no torchvision: its models are left out")
        return
    save("retinanet", retinanet())
    save("fasterrcnn", fasterrcnn(), _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
