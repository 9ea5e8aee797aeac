"""What HDF5 does not look at: where links lead, how much a dataset claims to hold, and whether
a file can be read at all.
"""

import errno
import faulthandler
import importlib
import math
import os
import re
import resource
import signal
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import h5py

from ptychoformer.errors import InputError
from ptychoformer.measurement.readers.scan import LARGEST_ARRAY
from ptychoformer.storage import check_descriptions

MOST_LINKS = 64  # followed to reach one dataset; links in a circle need more
DEEPEST_VIEW = 4  # virtual datasets of virtual datasets
MOST_SOURCES = 10_000  # of a view whose sources are numbered
MOST_SECONDS = 5  # of a processor, to read all of a scan but its patterns
SECONDS_A_FILE = 0.05  # more for each file of a scan of many, which take HDF5 longer the more they are
SPARE = 32  # open files beside those of a scan: results, and what libraries need
MORE_FILES = "raise that limit (ulimit -n), or write the patterns into fewer files"
# What to do about a file that is not beside the scan, as it may have been before that was copied.
ONE_FILE = (
    "or, for the workflow, which copies one file alone, write all into one ('The same under Snakemake' in"
    " docs/own-scan.md says how)"
)
FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}


class Files:
    """The files that a scan consists of, which HDF5 keeps open, all at once: in place of sources of
    a view that it cannot open it shows zeros.

    Args:
        scan: whose files they are.
    """

    rehearsed = False  # whether this process reads a scan on trial

    def __init__(self, scan: Path):
        self._scan = scan
        self._found: set[Path] = set()
        self._others = _open_files()

    def add(self, path: Path) -> None:
        """Make room for one more, and in a rehearsal for the time that it takes.

        Raises:
            InputError: this process may not have so many files open.
        """
        self._found.add(path.resolve())
        if not _may_open(self._others + len(self._found) + SPARE):
            raise InputError(
                f"{self._scan} consists of more files than this process may have open, it reached number"
                f" {len(self._found)}; {MORE_FILES}."
            )
        if Files.rehearsed:
            _limit_seconds(len(self._found))


class Reach:
    """The HDF5 files that a scan may consist of: its own, and those beside it and below.

    Where the scan is a symbolic link, so is what lies beside the file that it leads to, as HDF5
    looks in both folders. Symbolic links in these folders were put there by their owner, and may
    lead anywhere.

    Args:
        path: of the scan.
        opened: closes what is opened here.
        files: of the scan; None if this is the first.
    """

    def __init__(self, path: Path, opened: ExitStack, files: Files | None = None):
        self._scan = path
        self._opened = opened
        self._files = files or Files(path)
        self._folders = (path.parent.resolve(), path.resolve().parent)

    def open(self, path: Path, where: str = "") -> h5py.File:
        """Open an HDF5 file until the scan is closed; ``where`` names what is looked for in it, if
        it is not the scan's own.

        Raises:
            InputError: it is still being written, or was left so; or too many are open.
            OSError: it cannot be read as HDF5.
        """
        self._files.add(path)
        try:
            file = self._opened.enter_context(h5py.File(path, "r"))
            if "ptychography" in file:  # written here, with checksums
                check_descriptions(file)
            return file
        except OSError as error:
            if state := _not_now(error):
                raise InputError(
                    f"{where} is in the file '{path}', which {state}" if where else f"{path} {state}"
                ) from error
            raise

    def find(self, where: str, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
        """Find what ``name`` leads to from ``group``, one link after another."""
        parts = list(reversed(name.split("/")))
        followed = 0
        while parts:
            part = parts.pop()
            if part in ("", "."):
                continue
            link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
            if link is None:
                return None
            if isinstance(link, h5py.HardLink):
                group = group[part]
                continue
            followed += 1
            if followed > MOST_LINKS:
                raise InputError(f"{where} is behind links that lead in a circle.")
            if isinstance(link, h5py.ExternalLink):
                group = self.open(self._beside(where, Path(group.file.filename), link.filename), where)
            elif link.path.startswith("/"):
                group = group.file
            parts += reversed(link.path.split("/"))
        return group

    def _beside(self, where: str, origin: Path, name: str) -> Path:
        """Find the file ``name`` that ``origin`` refers to, as HDF5 does: a regular one in reach,
        so never a device that blocks.
        """
        target = _found(origin, name)
        if target is None or not target.is_file():
            raise InputError(
                f"{where} is in the file '{name}', which is missing or no regular file; put it there, {ONE_FILE}."
            )
        beside = any(target.is_relative_to(folder) for folder in (origin.absolute().parent, origin.resolve().parent))
        if not (beside and ".." not in Path(name).parts) and not any(
            target.resolve().is_relative_to(folder) for folder in self._folders
        ):
            place = "" if target == Path(name) or ".." in Path(name).parts else f" ({target})"
            raise InputError(
                f"{where} is in the file '{name}'{place}, which is not in the folder of this one; copy it there,"
                f" {ONE_FILE}."
            )
        return target

    def stored(self, where: str, dataset: h5py.Dataset, depth: int = DEEPEST_VIEW) -> int:
        """Count the bytes on disk from which the values are made, none of them out of reach."""
        if dataset.external:
            raise InputError(
                f"{where} keeps its values in files that are not HDF5 ({dataset.external[0][0]}); write them into this"
                " one."
            )
        if dataset.is_virtual:
            return self._stored_elsewhere(where, dataset, depth)
        _check_filters(where, dataset)
        if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > LARGEST_ARRAY:
            raise InputError(
                f"{where} is stored in chunks of shape {dataset.chunks}, which are larger than {LARGEST_ARRAY} bytes."
            )
        return min(dataset.id.get_storage_size(), Path(dataset.file.filename).stat().st_size)

    def _stored_elsewhere(self, where: str, dataset: h5py.Dataset, depth: int) -> int:
        if not depth:
            raise InputError(f"{where} is a view of views of views; write its values into one file.")
        origin, stored = Path(dataset.file.filename), 0
        views = {
            (view.file_name, view.dset_name, _axes(view.src_space), _numbered(view))
            for view in dataset.virtual_sources()
        }
        for name, path, axes, numbered in views:
            for block in range(MOST_SOURCES if numbered else 1):
                source = (_of_block(name, block), _of_block(path, block)) if numbered else (_plain(name), _plain(path))
                # HDF5 ends a numbered view at the first source that is not there, and shows zeros
                # in place of any other.
                if block and not self._holds(where, origin, *source):
                    break
                stored += self._stored_in(where, origin, *source, axes, depth)
            else:
                if numbered:
                    raise InputError(
                        f"{where} is a view of more than {MOST_SOURCES} numbered sources; write its values into one"
                        " file."
                    )
        return stored

    def _holds(self, where: str, origin: Path, name: str, path: str) -> bool:
        """Say whether a source of a view is there, of whatever kind it may be."""
        if name != "." and _found(origin, name) is None:
            return False
        with ExitStack() as opened:
            source = Reach(self._scan, opened, self._files)
            file = source.open(origin if name == "." else self._beside(where, origin, name), where)
            return source.find(where, file, path) is not None

    def _stored_in(self, where: str, origin: Path, name: str, path: str, axes: int | None, depth: int) -> int:
        """Count the bytes of the dataset ``path`` in the file ``name``, of which ``where`` is a
        view.
        """
        with ExitStack() as opened:
            source = Reach(self._scan, opened, self._files)
            file = source.open(origin if name == "." else self._beside(where, origin, name), where)
            found = source.find(where, file, path)
            if not isinstance(found, h5py.Dataset):
                raise InputError(
                    f"{where} is a view of the dataset '{path}' in the file '{name}', which does not hold it."
                )
            stored = source.stored(where, found, depth - 1)
            # Only now: of some virtual datasets HDF5 learns the shape from their sources. HDF5
            # would read for ever.
            if axes not in (None, found.ndim):
                raise InputError(f"{where} is a view of '{path}' with {axes} axes, found shape {found.shape}.")
        return stored


def _found(origin: Path, name: str) -> Path | None:
    """Find what HDF5 opens as ``name`` from ``origin``: beside it, here, or beside what it is a
    symbolic link to; None if nothing is there.
    """
    folders = (origin.absolute().parent, Path.cwd(), origin.resolve().parent)
    absolute = Path(name).is_absolute()
    places = [Path(name)] * absolute + [folder / (Path(name).name if absolute else name) for folder in folders]
    return next((place for place in places if place.exists()), None)


def _not_now(error: OSError) -> str:
    """Put HDF5's own words about a file that somebody writes, or wrote until it crashed, or beside
    which too many are open, in ours; empty if they say nothing of the kind.
    """
    words = str(error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"cannot be opened, as too many files are; {MORE_FILES}."
    if isinstance(error, BlockingIOError):
        return "is open in a program that writes it; wait until that has closed it."
    if "already open for write" in words:
        return (
            "is still open for writing, or was when its writer crashed; wait until it is closed, or repair it with"
            " h5clear -s."
        )
    if sizes := re.search(r"truncated file: eof = (\d+), .*stored_eof = (\d+)", words):
        return (
            "has {} of the {} bytes that it should have: it is still being written or copied, or was truncated.".format(
                *sizes.groups()
            )
        )
    return ""


def _open_files() -> int:
    """Count the files that this process has open; 0 if the system does not say."""
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:
        return 0


def _may_open(count: int) -> bool:
    """Say whether this process may have so many files open, once its limit is raised as far as it
    can be.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or count <= soft:
        return True
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    except (ValueError, OSError):
        return False
    return True


def _numbered(view: object) -> bool:
    """Say whether the names of a view's sources hold ``%b``, the number of a block of the whole."""
    space = view.vspace
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return False
    return h5py.h5s.UNLIMITED in space.get_regular_hyperslab()[2] and any(
        re.search("(?<!%)(%%)*%b", name) for name in (view.file_name, view.dset_name)
    )


def _of_block(name: str, block: int) -> str:
    return re.sub("%[%b]", lambda found: "%" if found[0] == "%%" else str(block), name)


def _plain(name: str) -> str:
    return name.replace("%%", "%")


def _axes(selection: h5py.h5s.SpaceID) -> int | None:
    """Count the axes of the dataset from which a part is selected; None if all of it is, whatever
    its shape.
    """
    return None if selection.get_select_type() == h5py.h5s.SEL_ALL else len(selection.shape)


def rehearse(path: Path, reading: Callable[[], object]) -> None:
    """Do ``reading`` in a process that may come to grief, before this one does: damaged views crash
    HDF5, or keep it for ever.

    Where a process cannot be started or waited for, nothing is learnt.

    Raises:
        InputError: HDF5 crashed on the file, or did not come back.
    """
    # A Ctrl-C is for the parent alone: the child must not leave by the caller's handlers.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        child = _forked()
        if child == 0:
            _read_and_end(reading)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if child is None:
        return
    try:
        _, status = os.waitpid(child, 0)
    except ChildProcessError:  # SIGCHLD is ignored here
        return
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        raise InputError(
            f"{path} cannot be read: HDF5 took longer than {MOST_SECONDS} s for what is no pattern, and was stopped;"
            " its links or views may be damaged."
        )
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in FAULTS:
        reason = signal.strsignal(os.WTERMSIG(status))
        raise InputError(f"{path} cannot be read, it may be damaged or truncated (HDF5 tried and ended: {reason}).")


def _forked() -> int | None:
    """Fork as `os.fork` does; None if the system has no room for another process."""
    with warnings.catch_warnings():
        # Python 3.12 warns of threads; the child needs no lock of theirs, and h5py sees to its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return os.fork()
        except OSError:
            return None


def _read_and_end(reading: Callable[[], object]) -> NoReturn:
    """Call ``reading`` and end this process, without a report of a crash, a core dump, or more of a
    processor's time than a scan takes.
    """
    try:
        faulthandler.disable()
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        Files.rehearsed = True
        _limit_seconds(0)
        reading()
    finally:
        os._exit(0)  # what Python can raise is raised, and told, when the parent reads


def _limit_seconds(files: int) -> None:
    """Let this process end once it has used the seconds of a processor that a scan of ``files`` may
    take.
    """
    seconds, hard = MOST_SECONDS + int(files * SECONDS_A_FILE), resource.getrlimit(resource.RLIMIT_CPU)[1]
    allowed = seconds if hard == resource.RLIM_INFINITY else min(seconds, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, hard))


def _check_filters(where: str, dataset: h5py.Dataset) -> None:
    """Check that every compression is at hand; if one is not, hdf5plugin is asked."""
    properties = dataset.id.get_create_plist()
    for code, _, _, name in (properties.get_filter(index) for index in range(properties.get_nfilters())):
        if h5py.h5z.filter_avail(code) or (_plugins() and h5py.h5z.filter_avail(code)):
            continue
        label = name.decode(errors="replace") or "of no name"
        raise InputError(
            f"{where} is compressed by HDF5 filter {code} ({label}), which neither h5py nor hdf5plugin can undo."
        )


def _plugins() -> bool:
    try:
        importlib.import_module("hdf5plugin")
    except ImportError:
        return False
    return True
