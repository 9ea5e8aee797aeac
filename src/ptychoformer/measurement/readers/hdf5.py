"""Numbers in HDF5 files of others. HDF5 follows links to any file, and believes any size;
`guard` looks at both first.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.readers.guard import Reach, rehearse
from ptychoformer.measurement.readers.scan import LARGEST_ARRAY, RawScan, decoding
from ptychoformer.memory import MOST_EXPANSION

PART = re.compile(r"data_(\d{6})")  # as an Eiger names the datasets of its patterns, in a group
MOST_PARTS = 10_000
MOST_NAMED = 4  # in a sentence about what is in the file
MOST_VISITED = 1000  # groups and datasets that are looked at for those that somebody may mean


class Stack:
    """Patterns in several datasets (m, h, w) one after another, as one (n, h, w) that is not read
    before `blocks` does.
    """

    def __init__(self, parts: list[h5py.Dataset]):
        # Not the datasets: each that is open keeps what was read of it last, a megabyte and more.
        self._parts = [(part.file, part.name) for part in parts]
        self.dtype = parts[0].dtype
        self.shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])

    def parts(self) -> Iterator[h5py.Dataset]:
        """Yield the datasets in their order, each open only while it is read."""
        return (file[name] for file, name in self._parts)


def stacked(where: str, parts: Mapping[str, h5py.Dataset]) -> Stack:
    """Return datasets (m, h, w) as one, in their order.

    Args:
        where: what holds them, for errors.
        parts: by name.

    Raises:
        InputError: they have other axes, or are unlike each other.
    """
    kinds = {(part.shape[1:], part.dtype): shown for shown, part in parts.items()}
    if len(kinds) > 1 or any(len(size) != 2 for size, _ in kinds):
        raise InputError(
            f"{where} must hold datasets (n, h, w) of one size and type of frame, found "
            + " and ".join(f"{shown} of shape {parts[shown].shape}, {parts[shown].dtype}" for shown in kinds.values())
            + "."
        )
    return Stack(list(parts.values()))


class Source:
    """An HDF5 file, and those beside it and below that it links to."""

    def __init__(self, path: Path, opened: ExitStack):
        self.path = path
        self._reach = Reach(path, opened)
        self._root = self._reach.open(path)

    def array(self, name: str, kinds: str = "biuf") -> h5py.Dataset | None:
        """Find the dataset ``name``, if there is one, whose values can be read without surprises.

        Args:
            kinds: the kinds of number, as in `numpy.dtype.kind`, that will do.

        Raises:
            InputError: it is something else, in another file that cannot be used, or claims to be
                larger than what is stored.
        """
        where = f"{self.path}: '{name}'"
        with decoding(where):
            found = self._reach.find(where, self._root, name)
            if found is None:
                return None
            if not isinstance(found, h5py.Dataset):
                raise InputError(f"{where} must be a dataset, found a group{_holding(found)}.")
            if found.dtype.kind not in kinds:
                raise InputError(f"{where} must hold numbers, found {found.dtype}.")
            stored = self._reach.stored(where, found)
            # Only now: of some virtual datasets HDF5 learns the shape from their sources.
            if found.shape is None:
                raise InputError(f"{where} is empty.")
            if math.prod(found.shape) * found.dtype.itemsize > MOST_EXPANSION * stored:
                raise InputError(
                    f"{where} claims the shape {found.shape} of {found.dtype}, of which {stored} bytes are stored."
                )
            return found

    def stack(self, name: str, kinds: str = "biuf") -> h5py.Dataset | Stack | None:
        """Find the dataset ``name``, or all datasets data_000001, data_000002, ... of the group
        ``name`` as one, if there is either.

        Raises:
            InputError: as `array`, or a dataset of the group is missing or unlike the others.
        """
        where, names = f"{self.path}: '{name}'", sorted(filter(PART.fullmatch, self.names(name)))
        if not names:
            return self.array(name, kinds)
        if len(names) > MOST_PARTS:
            raise InputError(f"{where} holds {len(names)} datasets of patterns, at most {MOST_PARTS} can be.")
        first = int(PART.fullmatch(names[0])[1])
        parts = {f"data_{number:06d}": None for number in range(first, first + len(names))}
        parts |= {part: self.array(f"{name}/{part}", kinds) for part in names}
        if missing := [part for part, found in parts.items() if found is None]:
            raise InputError(f"{where} holds {names[0]} to {names[-1]}, but no {missing[0]}.")
        return stacked(where, parts)

    def names(self, name: str) -> list[str]:
        """List what the group ``name`` holds, in no order; nothing if there is no such group."""
        where = f"{self.path}: '{name}'"
        with decoding(where):
            found = self._reach.find(where, self._root, name)
            return list(found) if isinstance(found, h5py.Group) else []

    def likely(self, fits: Callable[[tuple[int, ...]], bool], kinds: str = "biuf") -> list[str]:
        """List what numbers of these ``kinds`` and a shape that ``fits`` are in the file, the
        largest first: paths that `stack` takes.
        """
        names: list[str] = []

        def visit(name: str) -> bool | None:
            names.append(name)
            return len(names) == MOST_VISITED or None

        with decoding(self.path):
            self._root.visit_links(visit)  # of other files too
        found = {}
        for name in names:
            with suppress(InputError):  # it is something else
                stack = self.stack(name, kinds)  # None of a link that leads nowhere
                found |= {name: math.prod(stack.shape)} if stack is not None and fits(stack.shape) else {}
        whole = [name for name in found if not (PART.fullmatch(Path(name).name) and str(Path(name).parent) in found)]
        return sorted(whole, key=found.get, reverse=True)

    def suggestion(self, what: str, fits: Callable[[tuple[int, ...]], bool], kinds: str = "biuf") -> str:
        """Suggest where ``what``, which was not found or not named, may be, as `likely` has it:
        words to be added to a sentence; empty if nowhere.
        """
        likely = " or ".join(f"'{path}'" for path in self.likely(fits, kinds)[:MOST_NAMED])
        return f"; the {what} may be {likely}" if likely else ""

    def small(self, name: str, kinds: str = "biuf") -> np.ndarray | None:
        """Read all of the dataset ``name``, if there is one.

        Raises:
            InputError: as `array`, or it is not small.
        """
        found = self.array(name, kinds)
        if found is None:
            return None
        with decoding(f"{self.path}: '{name}'"):
            if math.prod(found.shape) * found.dtype.itemsize > LARGEST_ARRAY:
                raise InputError(
                    f"{self.path}: '{name}' must not be larger than {LARGEST_ARRAY} bytes, found shape {found.shape}."
                )
            return np.asarray(found[()])

    def text(self, name: str) -> str | None:
        """Read what the dataset ``name`` says, without white space around it; None if there is
        none, or it holds no single text.
        """
        where = f"{self.path}: '{name}'"
        with decoding(where):
            found = self._reach.find(where, self._root, name)
            if not isinstance(found, h5py.Dataset) or h5py.check_string_dtype(found.dtype) is None or found.size != 1:
                return None
            self._reach.stored(where, found)
            value = np.asarray(found[()]).item()
            return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()

    def holds(self, name: str) -> bool:
        """Say whether the file's root has an entry ``name``, wherever it may lead."""
        with decoding(self.path):
            return self._root.get(name, getlink=True) is not None

    def leads_to(self, name: str, dataset: h5py.Dataset) -> bool:
        """Say whether ``name`` is this very ``dataset``; a link that leads nowhere is not."""
        with suppress(InputError), decoding(self.path):
            return self._reach.find(f"{self.path}: '{name}'", self._root, name) == dataset
        return False

    def attribute(self, name: str, attribute: str) -> object:
        """Read an attribute of the group or dataset ``name``; None if either is missing."""
        with decoding(f"{self.path}: '{name}'"):
            found = self._reach.find(f"{self.path}: '{name}'", self._root, name)
            return None if found is None else found.attrs.get(attribute)

    def axes(self, name: str) -> list[str]:
        """Read the names of axes, in lower case, that the attribute ``axes`` of a group or dataset
        holds: an array of texts, or one text with colons or commas, as NeXus allows; empty if it
        holds none.
        """
        found = np.ravel(self.attribute(name, "axes")).tolist()
        texts = [text.decode(errors="replace") if isinstance(text, bytes) else text for text in found]
        names = [re.split("[:,]", text.strip(" []")) for text in texts if isinstance(text, str)]
        return [name.strip().lower() for parts in names for name in parts]

    def by_columns(self, name: str) -> bool:
        """Say whether MATLAB saved the dataset ``name`` (v7.3): HDF5 has its axes in reverse,
        (n, w, h) for MATLAB's (h, w, n).
        """
        return self.attribute(name, "MATLAB_class") is not None

    def check_rows(self, name: str) -> None:
        """Check that the patterns ``name`` have the axes that their format says.

        Raises:
            InputError: MATLAB saved them, in reverse.
        """
        if self.by_columns(name):
            raise InputError(
                f"{self.path}: '{name}' was saved by MATLAB, which HDF5 holds with all axes in reverse; name it and the"
                " positions (format hdf5), where that is undone."
            )


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open an HDF5 file to read from.

    Raises:
        InputError: it is missing, truncated or not HDF5.
    """
    with ExitStack() as opened:
        with decoding(path):
            source = Source(path, opened)
        yield source


@contextmanager
def open_scan_of(path: Path, read: Callable[[Source], RawScan]) -> Iterator[RawScan]:
    """Open the scan that ``read`` finds in an HDF5 file, after a rehearsal of all that is read up
    to its first pattern.

    Raises:
        InputError: see `open_source` and `guard.rehearse`, or ``read`` finds none.
    """

    def glance() -> None:
        with open_source(path) as source:
            next(read(source).frames(1))

    rehearse(path, glance)
    with open_source(path) as source:
        yield read(source)


def read_named(
    path: Path, name: str, what: str, frame: tuple[int, int], kinds: str, endings: Iterable[str]
) -> np.ndarray:
    """Read the dataset ``name`` that somebody says is ``what`` (..., h, w) of a scan with patterns
    of ``frame`` (h, w) pixels.

    Args:
        kinds: of number that it should hold; those that are found are for the caller to judge.
        endings: of files of their own that it could be as well.

    Raises:
        InputError: the scan's file is no HDF5, has no such dataset, or none of numbers.
    """
    own = f"a file of its own ends in {', '.join(endings)}"
    if not h5py.is_hdf5(path):
        raise InputError(f"{path} is no HDF5 file in which '{name}' could be the {what}; {own}.")

    def values() -> np.ndarray:
        with open_source(path) as source:
            found = source.small(name, "biufc")
            if found is None:
                likely = source.suggestion(what, lambda shape: shape in (frame, frame[::-1]), kinds)
                raise InputError(f"{path}: '{name}' is not in the file{likely}; {own}.")
            return np.swapaxes(found, -1, -2) if found.ndim > 1 and source.by_columns(name) else found

    rehearse(path, values)
    return values()


def _holding(group: h5py.Group) -> str:
    """Put in words what a group holds; of much the first."""
    names = list(itertools.islice(group, MOST_NAMED + 1))
    more = ", ..." if len(names) > MOST_NAMED else ""
    return f" that holds {', '.join(names[:MOST_NAMED])}{more}" if names else ""


def blocks(data: h5py.Dataset | Stack, size: int) -> Iterator[np.ndarray]:
    """Yield at most ``size`` patterns (m, h, w) as they are stored, of a raster never beyond the
    end of a row, of a stack never beyond the end of a dataset.
    """
    if isinstance(data, Stack):
        for part in data.parts():
            yield from blocks(part, size)
        return
    *rows, columns = data.shape[:-2]
    for row in np.ndindex(*rows):
        for start in range(0, columns, size):
            yield data[(*row, slice(start, start + size))]
