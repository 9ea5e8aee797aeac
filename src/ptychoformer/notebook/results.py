"""What a notebook holds of a scan: objects over the files that the commands wrote, with arrays and
pictures.

Arrays are read when they are first asked for. A temporary folder goes with the object that holds
it.
"""

import os
import shutil
import tempfile
import weakref
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ptychoformer.cli.arguments import cropping, hdf5_name, reading
from ptychoformer.cli.keywords import parsed
from ptychoformer.cli.outputs import beside, check_outputs
from ptychoformer.cli.replacing import check_replaced
from ptychoformer.errors import InputError
from ptychoformer.files import atomic
from ptychoformer.measurement.modes import read_modes
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.measurement.summary import Summary, as_mapping
from ptychoformer.provenance import announce, read_provenance, write_provenance
from ptychoformer.publication.scan.description import described
from ptychoformer.storage import open_hdf5, read
from ptychoformer.tables import read_csv

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

BLOCK = 1024  # patterns read at a time


class Folder:
    """A folder to write into: the one given, which stays, or a temporary one, which goes with
    this object.
    """

    def __init__(self, given: str | os.PathLike | None):
        self.path = Path(given or tempfile.mkdtemp(prefix="ptychoformer-"))
        if not given:
            weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True)
class Scan:
    """A scan, and how it is read. Its representation is what ``ptychoformer inspect`` prints.

    Args:
        path: of the file.
        options: of all commands: how the file is read, ``crop`` and ``bin``.
        summary: counts and geometry, see `measurement.summary`.
    """

    path: Path
    options: Mapping[str, Any]
    summary: Summary
    _folder: Folder | None

    def __repr__(self) -> str:
        return described(as_mapping(self.summary))

    @property
    def positions(self) -> np.ndarray | None:
        """(n, 2) float64, y and x of the windows' upper left corners, pixels of the object;
        None if metres cannot become pixels.
        """
        return self.summary.pixels

    @property
    def pixel_size(self) -> float | None:
        """Side of a pixel of the object, metres; None if the geometry is not known."""
        return self.summary.scan.optics.pixel_size if self.summary.scan.optics else None

    @property
    def probe(self) -> np.ndarray | None:
        """(h, w) complex64, square root of photons, as recorded; None if nobody knows it."""
        return self.summary.scan.probe

    @property
    def mask(self) -> np.ndarray:
        """(h, w) bool, True where most of what a pixel is made of is bad."""
        return self.summary.scan.mask

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the scan, full sentences."""
        return self.summary.scan.warnings

    @cached_property
    def patterns(self) -> np.ndarray:
        """(n, h, w) float32, photons, centred, repaired, cropped and binned, zero frequency at
        (h // 2, w // 2); all in memory.
        """
        options = parsed("inspect", self.path, **self.options)
        with open_prepared(self.path, reading(options), cropping(options)) as prepared:
            return np.concatenate(list(prepared.frames(BLOCK)))

    def plot(self) -> "Figure":
        """Draw the mean pattern, the probe if it is known, and the positions."""
        from ptychoformer.publication.scan.pictures import draw_scan

        return draw_scan(self.summary)


@dataclass(frozen=True)
class _Made:
    """What a command wrote.

    Args:
        path: of the HDF5 file.
    """

    path: Path
    _folder: Folder = field(repr=False)

    def _array(self, name: str) -> np.ndarray:
        with open_hdf5(self.path) as file:
            return read(file, name, 2)[:]

    @cached_property
    def positions(self) -> np.ndarray:
        """(n, 2) float64, y and x of the windows' upper left corners on the object, pixels."""
        return self._array("positions")


class Reconstruction(_Made):
    """An object reconstructed from all patterns of a scan: what `reconstruct` returns. It goes
    wherever its file does.
    """

    def __fspath__(self) -> str:
        return str(self.path)

    @cached_property
    def amplitude(self) -> np.ndarray:
        """(H, W) float32, 1 where the object is clear."""
        return self._array("object/amplitude")

    @cached_property
    def phase(self) -> np.ndarray:
        """(H, W) float32, radians, from -pi to pi, or beyond if it was unwrapped."""
        return self._array("object/phase")

    @cached_property
    def probe(self) -> np.ndarray:
        """(h, w) complex64, square root of photons; of several modes the brightest."""
        return self._array("probe/wavefield")

    @cached_property
    def probe_modes(self) -> np.ndarray:
        """(modes, h, w) complex64, square root of photons, the brightest first."""
        with open_hdf5(self.path) as file:
            return read_modes(file, "probe/wavefield", "probe/modes")

    @cached_property
    def pixel_size(self) -> float | None:
        """Side of a pixel, metres; None if the geometry is not known."""
        with open_hdf5(self.path) as file:
            return _number(file.attrs.get("pixel_size"))

    @cached_property
    def r_factor(self) -> np.ndarray:
        """(iterations,) float64, error in amplitude before each iteration's update, as a part
        of all that was recorded.
        """
        return read_csv(self._convergence, {"iteration": int})["r_factor"].to_numpy()

    @cached_property
    def frc(self) -> "pd.DataFrame | None":
        """Fourier ring correlation of two halves, a row a ring: ``frequency`` in cycles/pixel,
        ``frc`` and its threshold ``half_bit``; None without ``frc=True``.
        """
        return read_csv(self._rings, {}) if self._rings else None

    @property
    def _rings(self) -> Path | None:
        path = beside(self.path, ".frc.csv")
        return path if path.exists() else None

    @property
    def _convergence(self) -> Path:
        return beside(self.path, ".convergence.csv")

    def plot(self) -> "Figure":
        """Draw amplitude, phase, probe, the R factor of every iteration, and `frc` if there is."""
        from ptychoformer.publication.scan.pictures import draw_reconstruction

        return draw_reconstruction(self.path, self._convergence, frc=self._rings)


@dataclass(frozen=True)
class Run:
    """A trained network: what `train` returns.

    Args:
        checkpoint: file with its weights; beside it lies how patterns were prepared.
    """

    checkpoint: Path
    _folder: Folder = field(repr=False)

    @cached_property
    def history(self) -> "pd.DataFrame":
        """A row an epoch: ``epoch``, ``learning_rate``, ``train_loss``, ``validation_loss``,
        ``seconds``.
        """
        return read_csv(self.checkpoint.with_name("history.csv"), {"epoch": int})

    def plot(self) -> "Figure":
        """Draw the losses of every epoch."""
        from ptychoformer.publication.scan.pictures import draw_history

        return draw_history(self.history)


class Scene(_Made):
    """A predicted and stitched scan: what `predict` returns."""

    @cached_property
    def amplitude(self) -> np.ndarray:
        """(H, W) float32, arbitrary units, those of the object that the network was trained on;
        NaN where no pattern lies.
        """
        return self._array("scene/amplitude")

    @cached_property
    def phase(self) -> np.ndarray:
        """(H, W) float32, radians; NaN where no pattern lies."""
        return self._array("scene/phase")

    @cached_property
    def origin(self) -> tuple[int, int]:
        """Where on the object the scene's pixel [0, 0] lies, (y, x), pixels."""
        with open_hdf5(self.path) as file:
            return tuple(int(at) for at in file["scene"].attrs["origin"])

    @cached_property
    def pixel_size(self) -> float | None:
        """Side of a pixel, metres; None if the geometry is not known."""
        with open_hdf5(self.path) as file:
            return _number(file["scene"].attrs.get("pixel_size"))

    def save(self, path: str | os.PathLike) -> None:
        """Copy the scene (HDF5, see `evaluation.stream`) and the provenance beside it.

        Raises:
            InputError: the name is not that of an HDF5 file, or that of the scene itself.
            OutputError: the file cannot be written, or another one lies there that is no scene of
                the same scan and network.
        """
        try:
            hdf5_name(os.fspath(path))
        except ArgumentTypeError as error:
            raise InputError(f"{error}.") from error
        check_outputs([path], [self.path])
        provenance = read_provenance(self.path)
        made = provenance["configuration"]
        check_replaced(path, made, {"checkpoint": made["checkpoint"]}, told_by="checkpoint")
        with atomic(path) as temporary:
            shutil.copyfile(self.path, temporary)
            announce(path, made)
        write_provenance(provenance | {"artefact": Path(path).name}, path)

    def plot(self) -> "Figure":
        """Draw amplitude and phase."""
        from ptychoformer.publication.scan.pictures import draw_scene

        return draw_scene(self.path)


def _number(found: Any) -> float | None:
    return None if found is None else float(found)
