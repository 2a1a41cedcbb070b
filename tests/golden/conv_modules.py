#!/usr/bin/env python3
"""MMCV's layers by config: outputs and gradients of ConvModule, DepthwiseSeparableConvModule and ContextBlock, and of
MMDetection's ResNet with plugins, computed in float64 from random parameters.

Writes --out/conv_modules.safetensors (committed in tests/golden/data). Tensors: <case>/x, output, grad_output, grad_x,
param.<name> (parameters and running statistics before the forward pass) and grad.<name>; feature maps (N, H, W, C),
convolution weights (O, kh, kw, I). Every number was rounded to float32 before it went in. Metadata: "versions" and "cases",
JSON {case: {"kind", "config" (the layer's arguments), "train"}}.

Needs mmcv-full 1.x and mmdet 2.x beside PyTorch.
"""
import argparse
import json
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import mmcv  # noqa: E402
import mmdet  # noqa: E402
import torch  # noqa: E402
from mmcv.cnn import ConvModule, ContextBlock, DepthwiseSeparableConvModule  # noqa: E402
from mmdet.models import ResNet  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

GENERATOR = torch.Generator()


def normal(*shape):
    return torch.randn(shape, generator=GENERATOR).double()


def channels_last(tensor):
    return tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor


def conv_cases():
    base = dict(in_channels=4, out_channels=6, kernel_size=3, padding=1)
    gn = dict(type="GN", num_groups=2)
    cases = {
        "plain": (base, True),
        "no_act": (dict(base, act_cfg=None, stride=2), True),
        "bias_false": (dict(base, bias=False, groups=2, dilation=2, padding=2), True),
        "bn_train": (dict(base, norm_cfg=dict(type="BN", momentum=0.03, eps=0.001)), True),
        "bn_eval": (dict(base, norm_cfg=dict(type="BN", requires_grad=True)), False),
        "bn_bias_eval": (dict(base, bias=True, norm_cfg=dict(type="BN")), False),
        "gn_leaky": (dict(base, norm_cfg=gn, act_cfg=dict(type="LeakyReLU", negative_slope=0.1)), True),
        "in": (dict(base, norm_cfg=dict(type="IN")), True),
        "in_affine": (dict(base, norm_cfg=dict(type="IN", affine=True, eps=1e-3)), True),
        "ws": (dict(base, conv_cfg=dict(type="ConvWS"), norm_cfg=gn), True),
        "dcn": (dict(base, conv_cfg=dict(type="DCN", deform_groups=2), norm_cfg=gn), True),
        "dcnv2": (dict(base, conv_cfg=dict(type="DCNv2"), act_cfg=dict(type="HSwish")), True),
        "conv": (dict(base, conv_cfg=dict(type="Conv"), bias="auto"), True),
    }
    for act in ("ReLU6", "SiLU", "Swish", "HSwish", "HSigmoid", "Sigmoid", "GELU", "PReLU", "Tanh", "ELU"):
        cases["act_" + act] = (dict(base, kernel_size=1, padding=0, act_cfg=dict(type=act)), True)
    cases["act_PReLU_channels"] = (dict(base, kernel_size=1, padding=0,
                                        act_cfg=dict(type="PReLU", num_parameters=6, init=0.1)), True)
    for order in (("conv", "act", "norm"), ("norm", "conv", "act"), ("norm", "act", "conv"), ("act", "conv", "norm"),
                  ("act", "norm", "conv")):
        # A batch norm that does not follow its convolution must not be folded into it.
        for norm, train in (("BN", True), ("BN", False)) if order[0] == "norm" or order[1] == "act" else (("GN", True),):
            if norm == "GN":
                cfg = dict(gn)
            else:
                cfg = dict(type=norm)
            cases["_".join(order) + f"_{norm}_{'train' if train else 'eval'}"] = (dict(base, norm_cfg=cfg, order=order), train)
    return cases


def fill(module):
    """Random parameters and statistics, of a size that a trained layer has."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.dtype == torch.int64:
                continue
            value = normal(*tensor.shape)
            if tensor.dim() == 4:
                value *= (2 / tensor[0].numel()) ** 0.5
            elif name.endswith("running_var"):
                value = value.abs() + 0.5
            elif tensor.dim() == 1 and name.endswith("weight") and "activate" not in name:
                value = 1 + 0.3 * value
            else:
                value = 0.3 * value
            tensor.copy_(value.float().double())


def record(module, x, train):
    module = module.double()
    fill(module)
    module.train(train)
    tensors = {f"param.{name}": channels_last(value).clone() for name, value in module.state_dict().items()
               if value.dtype != torch.int64}
    x = x.requires_grad_()
    output = module(x * 1)  # layers change their input in place
    output = output[-1] if isinstance(output, tuple) else output
    grad = normal(*output.shape)
    (output * grad).sum().backward()
    tensors.update(x=channels_last(x), output=channels_last(output), grad_output=channels_last(grad), grad_x=channels_last(x.grad))
    tensors.update({f"grad.{name}": channels_last(p.grad) for name, p in module.named_parameters() if p.grad is not None})
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="(default %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    GENERATOR.manual_seed(20261202)
    cases, tensors = {}, {}

    def add(name, kind, config, module, x, train):
        cases[name] = dict(kind=kind, config=config, train=train)
        tensors[name] = record(module, x, train)

    for name, (config, train) in conv_cases().items():
        add(name, "ConvModule", config, ConvModule(**config), normal(2, 4, 4, 3), train)
    for name, config in {
        "separable": dict(in_channels=4, out_channels=6, kernel_size=3, padding=1, norm_cfg=dict(type="BN")),
        "separable_dw": dict(in_channels=4, out_channels=6, kernel_size=5, padding=2, stride=2, norm_cfg=dict(type="BN"),
                             act_cfg=dict(type="LeakyReLU"), dw_act_cfg=None, pw_norm_cfg=dict(type="GN", num_groups=3)),
    }.items():
        add(name, "DepthwiseSeparableConvModule", config, DepthwiseSeparableConvModule(**config), normal(2, 4, 7, 6), True)
    for name, config in {
        "context": dict(in_channels=8, ratio=0.5),
        "context_avg": dict(in_channels=8, ratio=0.25, pooling_type="avg", fusion_types=["channel_mul"]),
        "context_both": dict(in_channels=8, ratio=0.5, pooling_type="att", fusion_types=["channel_add", "channel_mul"]),
    }.items():
        add(name, "ContextBlock", config, ContextBlock(**config), normal(2, 8, 5, 6), True)
    for position in ("after_conv1", "after_conv2", "after_conv3"):
        # Four channels behind the norm: of two, a layer norm makes +-1, and nearly no gradient comes through.
        block = dict(type="ContextBlock", ratio=1.0)
        plugins = [dict(cfg=block, position=position)]
        if position == "after_conv2":
            plugins += [dict(cfg=dict(block, pooling_type="avg", postfix="_two"), position=position)]
        config = dict(depth=50, base_channels=4, num_stages=1, strides=[1], dilations=[1], out_indices=[0],
                      norm_cfg=dict(type="BN", requires_grad=True), norm_eval=False, plugins=plugins)
        add("resnet_" + position, "ResNet", config, ResNet(**json.loads(json.dumps(config))), normal(1, 3, 16, 24), False)

    versions = {"python": sys.version.split()[0], "torch": torch.__version__, "mmcv": mmcv.__version__, "mmdet": mmdet.__version__}
    flat = {}
    for case, group in tensors.items():
        for name, tensor in group.items():
            if case.startswith("resnet") and name.startswith("grad.") and "context_block" not in name and "conv1" not in name:
                continue  # a few gradients do
            flat[f"{case}/{name}"] = tensor.detach().contiguous().clone().float()
    path = args.out / "conv_modules.safetensors"
    save_file(flat, path, {"versions": json.dumps(versions), "cases": json.dumps(cases)})
    print(f"{path}: {len(cases)} cases, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
