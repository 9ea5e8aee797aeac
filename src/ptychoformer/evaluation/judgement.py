"""Whether a network has learnt anything: its test patterns beside the mean of its training
labels, in numbers and in words.
"""

import math
import os
from collections.abc import Iterator
from typing import TypedDict

import numpy as np

from ptychoformer.errors import TrainingError
from ptychoformer.evaluation import CHANNELS, RELATIVE_PHASE
from ptychoformer.evaluation.network import BATCH, TrainedNetwork
from ptychoformer.evaluation.scores import psnr, unless_rounding
from ptychoformer.measurement.cxi import read_numbers, read_patterns, read_scan
from ptychoformer.training.normalisation import label_windows
from ptychoformer.training.split import Split, split_of

LEAST_GAIN = 0.1  # dB above the mean of the training labels; networks on their first plateau stay within half of it
LONGER = "train longer (--epochs), with smaller batches (--batch-size), or with another seed (--seed)"
JUDGED = {"amplitude": "amplitude", RELATIVE_PHASE: "phase"}  # what decides, and its name in the sentence


class Scores(TypedDict):
    """Errors of one channel, the network's and those of the floor; None is infinite."""

    mse: float
    floor_mse: float
    psnr: float | None
    floor_psnr: float | None
    gain: float | None  # PSNR above the floor's, dB
    # The same with the mean errors of both taken off: of every constant it is 0, however close to
    # the test part's mean.
    gain_of_structure: float | None


class Judgement(TypedDict):
    """What `judge` found."""

    patterns: int  # that were tested
    better: list[str]  # the channels in which the network is better than the floor
    amplitude: Scores
    phase: Scores
    relative_phase: Scores


def judge(dataset: str | os.PathLike, network: TrainedNetwork, floor: np.ndarray) -> Judgement:
    """Compare a network's test patches, and the mean of its training labels in their place, with
    the object.

    Errors are pooled over all test patterns, on the 0 to 1 scale of the network's labels; a few
    patches are in memory at a time. Phase is scored as it is, and as ``relative_phase``, with the
    mean error of each patch taken off (`evaluation.metrics`), which alone decides.

    Args:
        dataset: CXI file that the network was trained on.
        floor: (2,) mean amplitude and phase of its training labels, on their 0 to 1 scale.

    Raises:
        InputError: the dataset is damaged.
        TrainingError: the network answers a pattern with NaN or infinity.
    """
    split = split_of(read_scan(dataset))
    sums: dict[str, np.ndarray] = {}
    for answers, truth in _tested(dataset, network, split):
        for place, channel in enumerate(CHANNELS):
            images = {channel: (answers[:, place] - truth[:, place], floor[place] - truth[:, place])}
            if channel == "phase":
                images[RELATIVE_PHASE] = tuple(part - part.mean(axis=(1, 2), keepdims=True) for part in images[channel])
            for name, errors in images.items():
                sums[name] = sums.get(name, 0) + _moments(*errors)
    found = {name: _scores(*total) for name, total in sums.items()}
    better = [name for name in JUDGED if _is_better(found[name])]
    return {"patterns": len(split.test), "better": better, **found}


def _tested(
    dataset: str | os.PathLike, network: TrainedNetwork, split: Split
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield answers and labels of the test patterns, each (m, 2, h, w) float64, some at a time."""
    parts = [split.test[start : start + BATCH] for start in range(0, len(split.test), BATCH)]
    answers = network.stream(read_patterns(dataset, part) for part in parts)
    for part, answer in zip(parts, answers, strict=True):
        windows = zip(CHANNELS, label_windows(split.scan, part), strict=True)
        bad = ~np.isfinite(answer).all(axis=(1, 2, 3))
        if bad.any():
            number = read_numbers(dataset)[part[bad][0]]
            raise TrainingError(
                f"The network answers pattern {number} with NaN or infinity; lower the learning rate or try another"
                " seed."
            )
        truth = np.stack([network.normalisation.normalised(channel, images) for channel, images in windows], axis=1)
        yield answer.astype(np.float64), truth.astype(np.float64)


def _moments(*errors: np.ndarray) -> np.ndarray:
    """Count the pixels, and sum the squares and the values of each of the ``errors``."""
    return np.array([errors[0].size, *(total for part in errors for total in ((part**2).sum(), part.sum()))])


def _scores(count: float, square: float, total: float, floor_square: float, floor_total: float) -> Scores:
    error, floor = _mean_square(square / count), _mean_square(floor_square / count)
    own, constant = (
        _mean_square(part / count - (whole / count) ** 2)
        for part, whole in ((square, total), (floor_square, floor_total))
    )
    decibels = {
        "psnr": float(psnr(error)),
        "floor_psnr": float(psnr(floor)),
        "gain": _gain(floor, error),
        "gain_of_structure": _gain(constant, own),
    }
    return {"mse": error, "floor_mse": floor} | {
        name: value if math.isfinite(value) else None for name, value in decibels.items()
    }


def _mean_square(value: float) -> float:
    return float(unless_rounding(np.asarray(value)))


def _gain(floor: float, error: float) -> float:
    if not floor:  # there is nothing to be learnt
        return 0.0
    return 10 * math.log10(floor / error) if error else math.inf


def _is_better(found: Scores) -> bool:
    return all(found[name] is None or found[name] >= LEAST_GAIN for name in ("gain", "gain_of_structure"))


def sentence(judged: Judgement, advice: str = LONGER) -> str:
    """Say what `judge` found, for people.

    Args:
        advice: to be given of a network that has learnt nothing.
    """
    better = {
        name: f"{_decibel_text(judged[name]['gain'], 1)} in {word}"
        for name, word in JUDGED.items()
        if name in judged["better"]
    }
    worse = [word for name, word in JUDGED.items() if name not in judged["better"]]
    if not better:
        return f"no better than the mean of the training labels: {advice}."
    rest = f", but no better in {worse[0]}" if worse else ""
    return f"better than the mean of the training labels by {' and '.join(better.values())}{rest}."


def table(judged: Judgement) -> str:
    """List the scores that the judgement rests on, a line each."""
    lines = []
    for name, word in (JUDGED | {RELATIVE_PHASE: "phase, constants of patches taken off"}).items():
        own, floor = (_decibel_text(judged[name][kind], 2) for kind in ("psnr", "floor_psnr"))
        lines.append(f"  {word}: PSNR {own}, mean of the training labels {floor}")
    return "\n".join(lines)


def _decibel_text(value: float | None, digits: int) -> str:
    return "infinitely many dB" if value is None else f"{value:.{digits}f} dB"
