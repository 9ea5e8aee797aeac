"""The one door to randomness: a generator for every (seed, purpose).

The same seed gives the same noise, jitter, split, order and initial weights to every model, so that
models are compared on equal terms; different purposes never share a stream, so that drawing more of
one does not change another.
"""

import zlib

import numpy as np


def seed_sequence(seed: int, *purpose: str | int) -> np.random.SeedSequence:
    """Make independent entropy for one purpose, for example ``seed_sequence(3, "epoch", 7)``."""
    key = tuple(zlib.crc32(part.encode()) if isinstance(part, str) else part for part in purpose)
    return np.random.SeedSequence(seed, spawn_key=key)


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Make a NumPy generator for one purpose, for example ``generator(3, "jitter")``."""
    return np.random.default_rng(seed_sequence(seed, *purpose))


def integer_seed(seed: int, *purpose: str | int) -> int:
    """Draw a 63-bit integer for libraries that take one, for example ``torch.manual_seed``."""
    return int(seed_sequence(seed, *purpose).generate_state(1, np.uint64)[0] >> 1)
