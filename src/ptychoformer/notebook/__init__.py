"""One scan in a notebook: the commands of the command line as functions.

    from ptychoformer import open_scan, predict, reconstruct, train

    scan = open_scan("scan.cxi", crop=64)
    obj = reconstruct(scan, iterations=60)
    run = train(scan, obj, epochs=25)
    scene = predict(scan, run)

Each function runs the command of its name (`open_scan` is ``inspect``). Keywords that it does not
name itself are that command's options, ``refine_positions=True`` for ``--refine-positions``, with
the same defaults and checks, and errors are the same sentences. Files lie in ``folder`` if one is
given; without, in a temporary folder that is deleted with the object that a function returns.
"""

import filecmp
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
from numpy.typing import ArrayLike

from ptychoformer.cli.arguments import cropping, reading
from ptychoformer.cli.keywords import call, parsed
from ptychoformer.cli.outputs import check_outputs
from ptychoformer.errors import InputError, OutputError
from ptychoformer.measurement.arrays import Unit, write_arrays
from ptychoformer.measurement.options import Geometry, names_of
from ptychoformer.measurement.summary import summarise
from ptychoformer.notebook.results import Folder, Reconstruction, Run, Scan, Scene

__all__ = ["open_scan", "predict", "reconstruct", "train"]

Source = str | os.PathLike | ArrayLike | h5py.Dataset


def open_scan(
    source: Source,
    positions: ArrayLike | str | None = None,
    *,
    unit: Unit | None = None,
    probe: ArrayLike | str | os.PathLike | None = None,
    mask: ArrayLike | str | None = None,
    folder: str | os.PathLike | None = None,
    crop: int | None = None,
    bin: int | None = None,
    centre: tuple[int, int] | None = None,
    wavelength: float | None = None,
    distance: float | None = None,
    detector_pixel: float | None = None,
    format: str | None = None,
    step: float | None = None,
    data: str | None = None,
    positions_unit: str | None = None,
    positions_axes: str | None = None,
    positions_turn: float | None = None,
    keep_frames: bool = False,
) -> Scan:
    """Look at a scan in a file of any format that can be read, or in arrays.

    Args:
        source: file; or patterns (n, h, w), photons, zero frequency at (h // 2, w // 2) unless
            ``centre`` says otherwise.
        positions: with patterns: (n, 2), y and x of the window on the object (the sample's motion,
            negated), from any origin; NaN of patterns without light that were never recorded.
            With a file: the path of the dataset that holds them.
        unit: of the positions: ``pixels`` of the object as the whole frame samples it, or
            ``metres``, which need ``wavelength``, ``distance`` and ``detector_pixel``. It must be
            said where one of these is given.
        probe: with patterns: (h, w) complex, square root of photons, if it is known. With patterns
            or a file: what a reconstruction begins with, see `reconstruct`.
        mask: with patterns: (h, w) bool, True where the detector is not to be trusted. With a file:
            the path of a dataset in it, or of a .npy or .tif, see `measurement.readers.mask`.
        folder: where arrays are kept as ``scan.cxi``.
        crop: side of the square around the centre, detector pixels; None for the largest. `predict`
            crops and bins as in training.
        bin: side of blocks of pixels that are summed.
        centre: (y, x) detector pixel with the zero frequency; None to find it.
        wavelength, distance, detector_pixel: metres, in place of the file's.
        format: of the file; None to recognise it.
        step: between neighbours of a raster without positions, see `measurement.readers.open_scan`.
        data: path of the dataset with the patterns, in an HDF5 file of no format.
        positions_unit: of positions in such a file, see `measurement.readers.by_path`.
        positions_axes, positions_turn: what the numbers of a position are, and degrees by which
            they are turned then, see `measurement.readers.axes`.
        keep_frames: use patterns too that seem to be at fault.

    Raises:
        InputError: the scan or an option cannot be used.
        OutputError: arrays cannot be written, or ``folder`` holds another scan.cxi.
    """
    options = {"crop": crop, "bin": bin, "centre": centre, "format": format, "keep_frames": keep_frames}
    options |= {"step": step, "wavelength": wavelength, "distance": distance, "detector_pixel": detector_pixel}
    options |= {"data": data, "positions_unit": positions_unit}
    options |= {"positions_axes": positions_axes, "positions_turn": positions_turn}
    if isinstance(positions, str):
        options, positions = options | {"positions": positions}, None
    if isinstance(mask, str | os.PathLike):
        options, mask = options | {"mask": os.fspath(mask)}, None
    if isinstance(probe, str | os.PathLike):
        options, probe = options | {"probe": probe}, None  # which lives as long as what it is kept in
    if isinstance(source, str | os.PathLike):
        _refuse_arrays(source, positions, unit, probe, mask, folder)
        path, place = Path(source), None
    elif positions is None:
        raise InputError("Patterns in an array need their positions, (n, 2).")
    else:
        place = Folder(folder)
        path = place.path / "scan.cxi"
    ready = parsed("inspect", path, **options)
    if place:
        check_outputs([path], [])
        lengths = {name: getattr(ready, name) for name in names_of(Geometry)}
        _keep(path, source, positions, unit=unit, lengths=lengths, probe=probe, mask=mask)
    return Scan(path, options, summarise(path, reading(ready), cropping(ready)), place)


def _keep(path: Path, *arrays: Any, **how: Any) -> None:
    """Write a scan in arrays to a file; one that lies there stays, and must be the same.

    Raises:
        OutputError: it is another.
    """
    if not path.exists():
        write_arrays(path, *arrays, **how)
        return
    with TemporaryDirectory(dir=path.parent) as beside:
        write_arrays(Path(beside, path.name), *arrays, **how)
        if not filecmp.cmp(path, Path(beside, path.name), shallow=False):
            raise OutputError(f"{path} exists, and is not the scan in these arrays; name another folder, or delete it.")


def _refuse_arrays(file: str | os.PathLike, *parts: Any) -> None:
    """Refuse what goes with arrays beside a file, which holds its own.

    Raises:
        InputError: a part is given.
    """
    if any(part is not None for part in parts):
        raise InputError(
            f"positions, unit, probe, mask and folder go with arrays; {file} is a file, which holds its own."
        )


def reconstruct(
    scan: Scan | str | os.PathLike, *, folder: str | os.PathLike | None = None, **options: Any
) -> Reconstruction:
    """Reconstruct the object from all patterns of a scan together, and with it the probe.

    Args:
        scan: opened, or its file.
        folder: gets ``object.h5`` and ``object.convergence.csv``; interrupted, the same call with
            it goes on where it was.
        options: ``iterations``, ``engine`` (rpie, epie), ``regularisation``, ``momentum``,
            ``probe_known``, ``probe_modes``, ``refine_positions``, ``frc``, ``watch``, ``seed``,
            ``threads`` and others of ``ptychoformer reconstruct``; and those of `open_scan`, in
            place of the scan's. ``probe`` is what it begins with, in place of the file's own:
            another reconstruction, or its file, a .npy, a dataset of the scan's file, or "found",
            from the patterns.

    Raises:
        InputError: the scan or an option cannot be used.
        TrainingError: the reconstruction diverged.
    """
    scan, place = _opened(scan), Folder(folder)
    output = place.path / "object.h5"
    call("reconstruct", scan.path, output=output, **scan.options | options)
    return Reconstruction(output, place)


def train(
    scan: Scan | str | os.PathLike,
    obj: Reconstruction | str | os.PathLike,
    *,
    folder: str | os.PathLike | None = None,
    **options: Any,
) -> Run:
    """Train a network on a reconstructed scan; the lowest fifth of the scan is never trained on.

    Args:
        scan: opened, or its file.
        obj: what `reconstruct` made of it, or its file.
        folder: of the run, gets ``model.pt`` and ``history.csv``; interrupted, the same call with
            it goes on after the last whole epoch.
        options: ``model``, ``option`` (of the network, a mapping), ``epochs``, ``batch_size``,
            ``learning_rate``, ``loss``, ``inputs``, ``initialisation``, ``batch_norm``,
            ``patterns``, ``seed``, ``threads`` and others of ``ptychoformer train``; and those of
            `open_scan`, in place of the scan's.

    Raises:
        InputError: the scan, the object or an option cannot be used.
        TrainingError: the loss is no longer finite.
    """
    scan, place = _opened(scan), Folder(folder)
    call("train", scan.path, object=obj, output=place.path, **scan.options | options)
    return Run(place.path / "model.pt", place)


def predict(
    scan: Scan | str | os.PathLike,
    run: Run | str | os.PathLike,
    *,
    folder: str | os.PathLike | None = None,
    **options: Any,
) -> Scene:
    """Predict every pattern of a scan with a trained network, and stitch the answers.

    Args:
        scan: opened, or its file; its patterns are cropped and binned as in training, whatever it
            was opened with.
        run: what `train` returned, the folder of a run, or a ``model.pt``.
        folder: gets ``scene.h5``.
        options: ``phase`` (plain, synchronised), ``tie``, ``weighting``, ``threads`` and others of
            ``ptychoformer predict``; ``crop`` and ``bin`` where nothing is known of the training.

    Raises:
        InputError: the scan, the run or an option cannot be used.
        OutputError: the scene cannot be written.
    """
    scan, place = _opened(scan), Folder(folder)
    output, checkpoint = place.path / "scene.h5", run.checkpoint if isinstance(run, Run) else run
    read_as = {name: value for name, value in scan.options.items() if name not in ("crop", "bin")}
    call("predict", scan.path, checkpoint=checkpoint, output=output, **read_as | options)
    return Scene(output, place)


def _opened(scan: Scan | str | os.PathLike) -> Scan:
    return scan if isinstance(scan, Scan) else open_scan(scan)
