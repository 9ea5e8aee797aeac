"""What references, figures and parts of the test patterns are called, everywhere alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ptychoformer.evaluation import SYNCHRONISED
from ptychoformer.simulation.scan import LOWER_LEFT, LOWER_RIGHT, STRIP, WHOLE_SCAN


@dataclass(frozen=True)
class Reference:
    """One of `evaluation.references` in tables and figures.

    Args:
        label: in full.
        short: where room is short.
        dashes: of its line, as Matplotlib takes them.
    """

    label: str
    short: str
    dashes: str | tuple[float, tuple[float, ...]]


REFERENCES = {
    "floor": Reference("Floor", "Floor", (0, (1, 1.2))),
    "ceiling": Reference("Ceiling", "Ceiling", (0, (5, 2))),
    "one_pattern": Reference("Ceiling of one pattern", "One pattern", "-"),
    "epie": Reference("ePIE (many patterns)", "ePIE", (0, (5, 1, 1, 1))),
}
REFERENCE_LABELS = {name: reference.label for name, reference in REFERENCES.items()}
TRUTH = "Truth"  # in figures
# What tables and figures call what is no network.
NO_NETWORKS = {TRUTH, *(words for reference in REFERENCES.values() for words in (reference.label, reference.short))}
BLOCKS = {
    LOWER_RIGHT: "lower right block",
    LOWER_LEFT: "lower left block",
    STRIP: "test strip",
    WHOLE_SCAN: "whole scan",
}


def object_name(entry: Mapping[str, Any]) -> str:
    """Name an object by its entry in the config: its file, or how it is made."""
    if entry["kind"] == "tiff":
        return f"the object in {PurePosixPath(entry['amplitude']['file']).name}"
    return f"a generated object ({entry['kind']})"


def scene_name(block: str, level: str) -> str:
    """Name a stitched scene of a block of the test patterns by how its phase was stitched."""
    return f"{'phase-synchronised' if level == SYNCHRONISED else 'stitched'} scene of the {BLOCKS[block]}"


def counted(number: int, one: str, several: str = "") -> str:
    """Say how many there are of something, such as ``1 seed`` or ``2 seeds``.

    Args:
        several: what stands where there is not one; without it, ``one`` with an s.
    """
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def device_name(device: str) -> str:
    """Name a device as sentences do."""
    return "a CPU" if device == "cpu" else device


def several_devices(devices: Iterable[str]) -> str:
    """Name devices at the end of a sentence, where these are several."""
    names = sorted({device_name(device) for device in devices})
    return f", on {in_a_row(names)}" if len(names) > 1 else ""


def in_a_row(names: Iterable[str]) -> str:
    """Put one name or several in a row: ``a``, ``a and b``, ``a, b and c``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def listed_figures(names: Sequence[str]) -> str:
    """Put figures in words: ``Figures 1 and 2`` for ``fig1`` and ``fig2``; empty for none."""
    numbers = [name.removeprefix("fig") for name in names]
    return f"Figure{'s' if len(numbers) > 1 else ''} {in_a_row(numbers)}" if numbers else ""
