"""Runs dump_model.py with the model, its input and all it computes in float64.

    python dump_float64.py DUMP_MODEL.py CONFIG --out FILE.safetensors [options]

The weights and the images are those that dump_model.py alone draws, in float32; what comes of them
is rounded to float32 once, when it is written. Next to it any program in float32 shows its own
rounding: parity_mmdetection --exact FILE.
"""
import pathlib
import sys

import torch


def converted(value, to):
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.to(to)
    if isinstance(value, list):
        return [converted(item, to) for item in value]
    return value


def main():
    script = pathlib.Path(sys.argv[1])
    sys.path.insert(0, str(script.parent))
    module = __import__(script.stem)
    given = {}
    make_input, shift_outputs, save_file = module.make_input, module.shift_outputs, module.save_file

    def keep_input(*args):
        given["data"] = make_input(*args)
        return given["data"]

    def then_double(model):
        shift_outputs(model)
        model.double()
        data = given["data"]
        for key in data:
            data[key] = converted(data[key], torch.float64)

    def save_single(tensors, *args, **kwargs):
        save_file({key: converted(value, torch.float32) for key, value in tensors.items()}, *args, **kwargs)

    module.make_input, module.shift_outputs, module.save_file = keep_input, then_double, save_single
    module.main(sys.argv[2:])


if __name__ == "__main__":
    main()
