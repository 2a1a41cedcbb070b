#!/usr/bin/env python3
"""PyTorch's values for the general operators: inputs, outputs and gradients, computed in float64.

Writes --out/ops_<kind>.safetensors (committed in tests/golden/data) for the kinds elementwise, arithmetic, reductions and
moves, in the form that ops.py has: <case>/<tensor>, each number rounded to float32 before it went in, the parameters of
the cases in the metadata. Every case has op in its parameters; elementwise: x output grad_output grad_x; arithmetic: a b
and their gradients; where and gather have mask and indices beside them.
"""
import argparse
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

GENERATOR = torch.Generator()


def normal(*shape):
    return torch.randn(shape, generator=GENERATOR).double()


def with_gradients(inputs, f, **more):
    inputs = {name: tensor.clone().requires_grad_() for name, tensor in inputs.items()}
    output = f(*inputs.values())
    grad_output = normal(*output.shape)
    (output * grad_output).sum().backward()
    tensors = {**inputs, **more, "output": output, "grad_output": grad_output}
    tensors.update({f"grad_{name}": tensor.grad for name, tensor in inputs.items()})
    return tensors


def elementwise():
    functions = {
        "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "square": torch.square,
        "reciprocal": torch.reciprocal, "pow": lambda x: x.pow(2.5), "abs": torch.abs, "sin": torch.sin, "cos": torch.cos,
        "erf": torch.erf, "clamp": lambda x: x.clamp(-0.5, 0.75), "relu": F.relu, "relu6": F.relu6,
        "leaky_relu": lambda x: F.leaky_relu(x, 0.1), "elu": lambda x: F.elu(x, 1.5), "gelu": F.gelu,
        "sigmoid": torch.sigmoid, "log_sigmoid": F.logsigmoid, "softplus": F.softplus, "tanh": torch.tanh, "silu": F.silu,
        "mish": F.mish, "hswish": F.hardswish, "hsigmoid": F.hardsigmoid,
    }
    positive = ("log", "sqrt", "rsqrt", "pow")
    edges = torch.tensor([0.0, 3.0, -3.0, 6.0, -0.5, 0.75, 30.0, -30.0], dtype=torch.float64)
    cases, tensors = {}, {}
    for name, f in functions.items():
        x = normal(29) * 2
        # Where the derivative jumps, PyTorch's choice counts.
        x = x.abs() + 0.1 if name in positive else x if name == "reciprocal" else torch.cat([x, edges])
        if name == "exp":
            x = x[:29]
        tensors[name] = with_gradients({"x": x}, f)
        cases[name] = dict(op=name)
    return cases, tensors


def arithmetic():
    functions = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div,
                 "minimum": torch.minimum, "maximum": torch.maximum, "pow": torch.pow, "atan2": torch.atan2}
    shapes = {"equal": ((3, 5), (3, 5)), "row": ((4, 3, 5), (5,)), "column": ((3, 1), (3, 5)), "outer": ((4, 1), (1, 3)),
              "scalar": ((), (2, 3)), "inside": ((2, 3, 1, 4), (3, 5, 4)), "five": ((2, 1, 3, 1, 2), (1, 4, 1, 2, 1))}
    cases, tensors = {}, {}
    for name, f in functions.items():
        for case, (a, b) in shapes.items():
            a, b = normal(*a), normal(*b)
            if name == "pow":
                a = a.abs() + 0.1
            if case == "equal" and name in ("minimum", "maximum"):
                b[0] = a[0]  # ties share the gradient
            tensors[f"{name}_{case}"] = with_gradients({"a": a, "b": b}, f)
            cases[f"{name}_{case}"] = dict(op=name)
    mask = torch.rand((3, 1, 4), generator=GENERATOR) < 0.5
    tensors["where"] = with_gradients({"a": normal(2, 1), "b": normal(3, 2, 4)}, lambda a, b: torch.where(mask, a, b),
                                      mask=mask.long())
    cases["where"] = dict(op="where")
    return cases, tensors


def reductions():
    cases, tensors = {}, {}

    def add(name, shape, f, **parameters):
        tensors[name] = with_gradients({"x": normal(*shape)}, f)
        cases[name] = parameters

    shape = (2, 3, 4, 5)
    for dims in ([0], [3], [1, 2], [0, 3], [0, 2], [0, 1, 2, 3]):
        for keep in (False, True):
            label = "".join(map(str, dims)) + ("_kept" if keep else "")
            add(f"sum_{label}", shape, lambda x: x.sum(dims, keepdim=keep), op="sum", dims=dims, keep=keep)
            add(f"mean_{label}", shape, lambda x: x.mean(dims, keepdim=keep), op="mean", dims=dims, keep=keep)
    for dim in (0, 1, -1):
        add(f"max_{dim}", shape[1:], lambda x: x.max(dim).values, op="max", dim=dim)
        add(f"min_{dim}", shape[1:], lambda x: x.min(dim).values, op="min", dim=dim)
        add(f"log_sum_exp_{dim}", shape[1:], lambda x: x.logsumexp(dim), op="log_sum_exp", dim=dim)
        add(f"softmax_{dim}", shape[1:], lambda x: x.softmax(dim), op="softmax", dim=dim)
        add(f"log_softmax_{dim}", shape[1:], lambda x: x.log_softmax(dim), op="log_softmax", dim=dim)
        add(f"cumulative_sum_{dim}", shape[1:], lambda x: x.cumsum(dim), op="cumulative_sum", dim=dim)
    return cases, tensors


def moves():
    cases, tensors = {}, {}

    def add(name, shape, f, more=None, **parameters):
        tensors[name] = with_gradients({"x": normal(*shape)}, f, **(more or {}))
        cases[name] = parameters

    for order in ([1, 0, 2, 3], [0, 2, 1, 3], [0, 2, 3, 1], [0, 3, 1, 2], [3, 2, 1, 0], [2, 0, 3, 1]):
        add("permute_" + "".join(map(str, order)), (2, 3, 4, 5), lambda x: x.permute(order), op="permute", order=order)
    add("permute_five", (2, 3, 1, 4, 2), lambda x: x.permute(0, 4, 3, 1, 2), op="permute", order=[0, 4, 3, 1, 2])
    add("expand", (2, 1, 3), lambda x: x.expand(4, 2, 5, 3), op="expand", target=[4, 2, 5, 3])
    add("pad", (2, 3, 4), lambda x: F.pad(x, (1, 2, 0, 3), value=1.5), op="pad", paddings=[[2, 1, 2], [1, 0, 3]], value=1.5)
    for dim in (0, 1, 2):
        index = torch.randint(0, (3, 4, 5)[dim], (6,), generator=GENERATOR)
        add(f"index_select_{dim}", (3, 4, 5), lambda x: x.index_select(dim, index), {"indices": index}, op="index_select", dim=dim)
        shape = [3, 4, 5]
        shape[dim] = 7
        index2 = torch.randint(0, (3, 4, 5)[dim], shape, generator=GENERATOR)
        add(f"gather_{dim}", (3, 4, 5), lambda x: x.gather(dim, index2), {"indices": index2}, op="gather", dim=dim)
    for trans_a in (False, True):
        for trans_b in (False, True):
            a, b = normal(3, *((5, 4) if trans_a else (4, 5))), normal(3, *((6, 5) if trans_b else (5, 6)))
            name = f"batched_matmul_{int(trans_a)}{int(trans_b)}"
            tensors[name] = with_gradients({"a": a, "b": b}, lambda a, b: torch.bmm(
                a.transpose(1, 2) if trans_a else a, b.transpose(1, 2) if trans_b else b))
            cases[name] = dict(op="batched_matmul", trans_a=trans_a, trans_b=trans_b)
    return cases, tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="(default %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    versions = {"python": sys.version.split()[0], "torch": torch.__version__}
    for kind in (elementwise, arithmetic, reductions, moves):
        GENERATOR.manual_seed(20261201)
        cases, tensors = kind()
        flat = {f"{case}/{name}": tensor.detach().contiguous().clone() for case, group in tensors.items()
                for name, tensor in group.items()}
        path = args.out / f"ops_{kind.__name__}.safetensors"
        save_file(flat, path, {"versions": json.dumps(versions), "cases": json.dumps(cases)})
        print(f"{path}: {len(cases)} cases, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
