"""Files beside that of a scan without which a copy of it elsewhere would not be whole."""

import os
from contextlib import suppress
from pathlib import Path

import h5py

from ptychoformer.errors import InputError
from ptychoformer.measurement.readers import product, ptychi, ptychodus


def check_whole(path: str | os.PathLike) -> None:
    """Check that a file of a scan needs no other that lies beside it or below.

    Raises:
        InputError: it links to one, is a view of one, or has its positions in one.
    """
    path = Path(path)
    if not (path.is_file() and h5py.is_hdf5(path)):
        return
    names: set[str] = set()
    with suppress(OSError, RuntimeError), h5py.File(path) as file:  # a reader says what is wrong with it
        file.visititems_links(lambda _, link: names.update(_linked(link)))
        file.visititems(lambda _, part: names.update(_viewed(part)))
        names |= _products(path, file)
    if beside := sorted(name for name in names if _is_beside(path, name)):
        raise InputError(
            f"{path} is not whole without '{beside[0]}' beside it, and the workflow copies the one file that the config"
            " names; write all into one ('The same under Snakemake' in docs/own-scan.md says how), or use the command"
            " line, which reads both."
        )


def _linked(link: h5py.HardLink | h5py.SoftLink | h5py.ExternalLink) -> list[str]:
    return [link.filename] if isinstance(link, h5py.ExternalLink) else []


def _viewed(part: h5py.Group | h5py.Dataset) -> list[str]:
    """The files of a view's sources; of numbered ones, the first."""
    if not (isinstance(part, h5py.Dataset) and part.is_virtual):
        return []
    names = {source.file_name for source in part.virtual_sources()} - {"."}
    return [name.replace("%b", "0").replace("%%", "%") for name in names]


def _products(path: Path, file: h5py.File) -> set[str]:
    """The file in which a format has the positions of the patterns in this one."""
    if any(name in file for name in product.POSITIONS):
        return set()
    formats = [form for form in (ptychodus, ptychi) if form.PATTERNS in file]
    parts = [(*path.name.rpartition(form.NAMES[0]), form.NAMES[1]) for form in formats]
    return {f"{before}{other}{after}" for before, found, after, other in parts if found}


def _is_beside(path: Path, name: str) -> bool:
    """Whether ``name`` is another file in the folder of ``path``, or of what that is a symbolic
    link to, or below: what lies anywhere else, no reader follows to (`guard.Reach`).
    """
    for folder in (path.absolute().parent, path.resolve().parent):
        for place in (folder / name, folder / Path(name).name) if Path(name).is_absolute() else (folder / name,):
            inside = any(one.is_relative_to(folder) and ".." not in one.parts for one in (place, place.resolve()))
            if inside and place.is_file() and not place.samefile(path):
                return True
    return False
