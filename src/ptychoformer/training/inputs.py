"""How a pattern is prepared for a network: by its logarithm here, by square roots in the baselines'
own papers.

Nothing else knows what is done to a pattern. It needs no constants but the pattern itself, so that
the name of the preparation, which a checkpoint holds, is enough to repeat it. No torch is imported
here: the command line and figures ask too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEAST_ROOT = 1e-6  # that the roots of a pattern are divided by


@dataclass(frozen=True)
class Preparation:
    """What is made of patterns (n, h, w) of photons, none below zero, and its name for people."""

    words: str
    of: Callable[[np.ndarray], np.ndarray]


def _roots_over_their_greatest(patterns: np.ndarray) -> np.ndarray:
    """Divide square roots by the greatest of their own pattern; a pattern without photons stays
    zero.
    """
    roots = np.sqrt(patterns)
    return roots / np.maximum(roots.max(axis=(1, 2), keepdims=True), np.float32(LEAST_ROOT))


INPUTS = {
    "log": Preparation("log(1 + photons)", np.log1p),
    "sqrt": Preparation("√photons", np.sqrt),  # DPI's own
    "sqrt_max": Preparation("√(photons / max)", _roots_over_their_greatest),  # PtyNet's own, of each pattern
}


def network_input(patterns: np.ndarray, inputs: str) -> np.ndarray:
    """Prepare patterns (n, h, w) in photons for a network of ``inputs``, one of ``INPUTS``: (n, 1,
    h, w).

    Read-out noise can leave fewer than no photons; they count as none.
    """
    return INPUTS[inputs].of(np.maximum(patterns, 0))[:, None]
