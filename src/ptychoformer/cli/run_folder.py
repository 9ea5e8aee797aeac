"""The folder of a run: what `train` writes there, whether it may, and what `predict` and `export`
read there.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from ptychoformer.cli.replacing import (
    check_own,
    check_replaced,
    check_state,
    is_json,
    is_labelled_scan,
    is_table,
)
from ptychoformer.errors import InputError, OutputError
from ptychoformer.files import check_file
from ptychoformer.measurement.resemblance import Seen, is_summary
from ptychoformer.provenance import sidecar

CHECKPOINT, HISTORY, PREPARATION, JUDGEMENT = "model.pt", "history.csv", "preparation.json", "judgement.json"
DATASET, LABELS = "dataset.cxi", "object.h5"  # the labelled scan
OTHER_FOLDER = "name another folder with -o, or delete what lies in this one"
GIVE_THEM = "delete it, and give --crop and --bin"


class PreparedAs(TypedDict, total=False):
    """How the patterns that a network was trained on were prepared, and what is known of them, for
    JSON; empty where nobody wrote it.
    """

    crop: int  # side of the square around the centre, detector pixels
    bin: int  # side of the blocks of pixels that are summed
    window: list[int]  # height and width of a pattern, pixels
    pixel_size: float | None  # of the object, metres; None if nobody knows it
    positions_axes: str  # what the numbers of a position were taken to be
    positions_turn: float  # degrees by which positions were turned then
    mask: str | None  # that was given for the scan
    label_deviation: dict[str, float]  # standard deviation by channel, on the labels' 0 to 1 scale
    seen: Seen


def files_of(run: str | os.PathLike) -> dict[str, Path]:
    """Return where everything lies that a run leaves, by the names of the files."""
    return {name: Path(run, name) for name in (DATASET, LABELS, CHECKPOINT, HISTORY, PREPARATION, JUDGEMENT)}


def check_run(files: Mapping[str, Path], scan: Mapping[str, Any], same: Mapping[str, Any]) -> None:
    """Check that a network in the folder, or what lies there without one, is of the run that is
    asked for, which then begins anew or goes on.

    Raises:
        OutputError: it is not.
    """
    from ptychoformer.training.fit import state_beside

    same = dict(same) | {name: scan[name] for name in ("object", "reading", "mask_digest") if name in scan}
    network = files[CHECKPOINT]
    # Between the two a job may have been killed; what it left goes on.
    if not (state_beside(network).exists() and not sidecar(network).exists()):
        check_replaced(network, scan, same, told_by="n_train", remedy=OTHER_FOLDER)
    labelled = files[DATASET], files[LABELS]
    if not is_labelled_scan(*labelled):
        there = " and ".join(str(path) for path in labelled if path.exists())
        raise OutputError(f"{there} would be replaced, and is not of a training; {OTHER_FOLDER}.")


def check_beside(files: Mapping[str, Path]) -> None:
    """Check that what lies beside the network and the labelled scan is such as a training writes.

    Raises:
        OutputError: something is not.
    """
    from ptychoformer.training import HISTORY as COLUMNS
    from ptychoformer.training.fit import state_beside

    check_own(files[HISTORY], is_table(COLUMNS), OTHER_FOLDER)
    check_own(files[PREPARATION], is_json(("crop", "bin")), OTHER_FOLDER)
    check_own(files[JUDGEMENT], is_json(("patterns", "better")), OTHER_FOLDER)
    check_state(state_beside(files[CHECKPOINT]), OTHER_FOLDER)


def checkpoint_in(path: str) -> Path:
    """Find the checkpoint at a path, or in a run's folder there."""
    return Path(path, CHECKPOINT) if Path(path).is_dir() else Path(path)


def prepared_as(checkpoint: Path) -> PreparedAs:
    """Read how the patterns that a network was trained on were prepared; empty if that was not
    written beside the checkpoint.

    Raises:
        InputError: what was written there is no longer that.
    """
    path = checkpoint.with_name(PREPARATION)
    if not path.exists():
        return {}
    check_file(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON; {GIVE_THEM}.") from error
    if fault := _fault_of(found):
        raise InputError(f"{path}{fault}.")
    return found


def _fault_of(found: Any) -> str:
    """Say what is wrong with a `PreparedAs` that a user may have edited; empty if nothing is."""
    if not isinstance(found, dict) or not all(_is_number(found.get(name), int, least=1) for name in ("crop", "bin")):
        return f" must hold 'crop' and 'bin', integers of at least 1; {GIVE_THEM}"
    deviations, size = found.get("label_deviation", {}), found.get("pixel_size")
    if not isinstance(deviations, dict) or not all(_is_number(value, int, float) for value in deviations.values()):
        return f": 'label_deviation' must hold numbers of at least 0; {GIVE_THEM}"
    if size is not None and not (_is_number(size, int, float) and size > 0):
        return f": 'pixel_size' must be a number of metres greater than 0, or null, found {size!r}"
    if not (
        isinstance(found.get("positions_axes", ""), str)
        and _is_number(found.get("positions_turn", 0), int, float, least=-180)
    ):
        return ": 'positions_axes' must be a text and 'positions_turn' degrees, as train wrote them; take them out"
    if not isinstance(found.get("mask"), str | None):
        return ": 'mask' must be a text or null, as train wrote it; take it out"
    if "seen" in found and not is_summary(found["seen"]):
        return ": 'seen' must hold 'photons' and 'mean_pattern', as train wrote them; take it out, or train again"
    return ""


def _is_number(value: Any, *types: type, least: float = 0) -> bool:
    return type(value) in types and least <= value < math.inf
