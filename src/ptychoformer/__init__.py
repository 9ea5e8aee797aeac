"""Ptychoformer, reproduced: simulation, training, evaluation and publication of deep-learning
ptychography.

``open_scan``, ``reconstruct``, ``train`` and ``predict`` are those of `notebook`, which is imported
when one of them is asked for.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"
__all__ = ["__version__", "open_scan", "predict", "reconstruct", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("ptychoformer.notebook"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
