"""Import before mmcv and mmdet: lets them load without what is not used here, compiled operators and matplotlib."""

import sys
import types

import numpy as np


class Kernels(types.ModuleType):
    __spec__ = None

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def absent(*args, **kwargs):
            raise NotImplementedError(f"mmcv._ext.{name}")

        return absent


sys.modules.setdefault("mmcv._ext", Kernels("mmcv._ext"))
for old in ("int", "float", "bool"):
    if old not in np.__dict__:
        setattr(np, old, getattr(__import__("builtins"), old))


class Absent(types.ModuleType):
    """A library that is imported and not used."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


try:
    import matplotlib  # noqa: F401
except ImportError:
    for part in ("matplotlib", "matplotlib.pyplot", "matplotlib.collections", "matplotlib.patches",
                 "matplotlib.backend_bases", "matplotlib.blocking_input"):
        sys.modules[part] = Absent(part)
