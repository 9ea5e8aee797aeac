"""How a scan is read, what is made of its patterns, and how an object is reconstructed from them,
with what each option allows.

Type, range, default and meaning of an option stand here alone. `plugins.fields_of` reads them from
this file for the config's schema and the command line, so that annotations and defaults must be
literals, and nothing here imports torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, Self, get_args, get_type_hints

MASK_FILES = ".npy", ".tif", ".tiff"
PROBE_FILES = ".npy", ".h5", ".hdf5"
FOUND = "found"  # what a probe is called that is made from the patterns


@dataclass(frozen=True)
class Geometry:
    """Lengths in metres that a scan's file lacks or has wrong; None is as the file says."""

    wavelength: Annotated[float | None, {"description": "of the beam", "exclusiveMinimum": 0}] = None
    distance: Annotated[float | None, {"description": "from object to detector", "exclusiveMinimum": 0}] = None
    detector_pixel: Annotated[float | None, {"description": "side of a detector pixel", "exclusiveMinimum": 0}] = None


@dataclass(frozen=True)
class Reading:
    """How the file of a measured scan is read."""

    format: Annotated[
        Literal["cxi", "ptychodus", "ptychi", "ptyd", "velociprobe", "nanoprobe", "hdf5"] | None,
        {"description": "null: recognised by what the file holds"},
    ] = None
    step: Annotated[
        float | None,
        {
            "description": "of the formats nanoprobe (null: 4) and hdf5 without positions, between neighbours of the"
            " raster, in pixels as the whole frame samples the object, of which a crop of c of N makes c / N as many;"
            " of hdf5 in positions_unit, if that is given",
            "exclusiveMinimum": 0,
        },
    ] = None
    data: Annotated[str | None, {"description": "of the format hdf5: path of the dataset with the patterns"}] = None
    positions: Annotated[
        str | None,
        {
            "description": "of the format hdf5: path of the dataset with the positions x, y[, z], or of two, X,Y",
        },
    ] = None
    positions_unit: Annotated[
        Literal["m", "mm", "um", "nm", "angstrom", "pixel"] | None,
        {"description": "of the format hdf5; null: as the dataset says, and of a step pixel"},
    ] = None
    positions_axes: Annotated[
        str | None,
        {
            "description": "what the numbers of a position are, such as -x,y, or, of the format hdf5, -,x,y where the"
            " first is skipped; of the other formats, which axes their x and y really are; null: x,y"
        },
    ] = None
    positions_turn: Annotated[
        float,
        {
            "description": "degrees by which positions are turned then, from x to y, clockwise in a picture",
            "minimum": -180,
            "maximum": 180,
        },
    ] = 0
    mask: Annotated[
        str | None,
        {
            "description": "path of a dataset in an HDF5 file, or a .npy or .tif (not in a config), of integers that"
            " are 0 where a detector pixel is good; besides what the file itself masks"
        },
    ] = None
    probe: Annotated[
        str | None,
        {
            "description": "that a reconstruction begins with, in place of the file's own: path of a dataset in an HDF5"
            " file, or a .npy or the .h5 of another reconstruction (not in a config); found: made from the patterns;"
            " null: the file's own, or found, if it records none"
        },
    ] = None
    geometry: Annotated[
        Geometry,
        {"description": "Lengths in metres that the file lacks or has wrong; null is as the file says."},
    ] = Geometry()
    centre: Annotated[
        tuple[int, int] | None,
        {
            "description": "y and x of the detector pixel with the zero frequency; null: found",
            "type": ["array", "null"],
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": "integer", "minimum": 0},
        },
    ] = None
    keep_frames: Annotated[
        bool,
        {
            "description": "whether patterns take part that hold no light, repeat another, or are far brighter or"
            " dimmer than the others"
        },
    ] = False

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Take the plain values of a config or of a file's provenance; None is as if left out.

        Raises:
            TypeError: there is no such option.
        """
        given = {name: value for name, value in plain.items() if value is not None}
        given |= {"geometry": Geometry(**given.get("geometry", {}))}
        return cls(**given | ({"centre": tuple(given["centre"])} if "centre" in given else {}))


@dataclass(frozen=True)
class Patterns:
    """Which part of the detector patterns are made of, a square around its centre."""

    crop: Annotated[
        int | None,
        {"description": "side of the square in detector pixels; null: the largest", "minimum": 8},
    ] = None
    bin: Annotated[
        int,
        {"description": "side of the blocks of pixels that are summed", "minimum": 1, "maximum": 64},
    ] = 1


@dataclass(frozen=True)
class EngineOptions:
    """How an object is reconstructed whose probe may be known."""

    engine: Annotated[
        Literal["epie", "rpie"],
        {"description": "epie, or rpie, whose updates are larger where the probe is dim"},
    ] = "rpie"
    iterations: Annotated[int, {"description": "passes over all patterns", "minimum": 1, "maximum": 100000}] = 60
    regularisation: Annotated[
        float,
        {"description": "the constant alpha of rPIE", "exclusiveMinimum": 0, "maximum": 1},
    ] = 0.8
    momentum: Annotated[
        float,
        {
            "description": "part of the last iterations' progress that the next one adds",
            "minimum": 0,
            "exclusiveMaximum": 1,
        },
    ] = 0
    averaged: Annotated[
        int,
        {"description": "number of last iterations whose mean is the result; all, if there are fewer", "minimum": 1},
    ] = 20
    positions_from: Annotated[
        int | None,
        {
            "description": "iteration from which on positions are refined where the stage is not exact; null: never",
            "minimum": 1,
        },
    ] = 5
    full_resolution_from: Annotated[
        int | None,
        {
            "description": "iteration from which on every detector pixel is used, at the latest the first of the mean;"
            " before it, those within a radius that grows from a sixth of the corner's; null: from the first",
            "minimum": 1,
        },
    ] = None

    @property
    def average_from(self) -> int:
        """The first iteration, counted from 1, that is part of the mean."""
        return max(1, self.iterations - self.averaged + 1)

    @property
    def coarse_iterations(self) -> int:
        """The number of first iterations that do not use every detector pixel."""
        return min(self.full_resolution_from or 1, self.average_from) - 1


@dataclass(frozen=True)
class ReconstructionOptions(Patterns, EngineOptions):
    """How an object is reconstructed from the patterns of a scan."""

    probe_from: Annotated[
        int | None,
        {"description": "iteration from which on the probe is refined; null: never", "minimum": 1},
    ] = 2
    probe_modes: Annotated[
        int,
        {
            "description": "waves that the light is made up of, whose intensities add up: more than one for a beam"
            " that is not fully coherent",
            "minimum": 1,
            "maximum": 20,
        },
    ] = 1
    unwrap: Annotated[bool, {"description": "take jumps by 2 pi out of the phase"}] = False

    @property
    def finds_modes(self) -> bool:
        """Whether the probe is refined, without which it cannot have several modes."""
        return self.probe_from is not None and self.probe_from <= self.iterations


def is_mask_file(mask: str) -> bool:
    """Say whether a mask is a file of its own, rather than a dataset of the scan's."""
    return mask.lower().endswith(MASK_FILES)


def is_probe_file(probe: str) -> bool:
    """Say whether a probe is a file of its own, rather than a dataset of the scan's."""
    return probe.lower().endswith(PROBE_FILES)


def names_of(options: type) -> tuple[str, ...]:
    """Return the names of all options of a class."""
    return tuple(field.name for field in fields(options))


def choices_of(options: type, name: str) -> tuple[str, ...]:
    """Return what an option may be, of a ``Literal`` that may also be None."""
    hint = get_type_hints(options)[name]
    literal = next((part for part in get_args(hint) if get_args(part)), hint)
    return get_args(literal)
