"""Whether what lies where a command writes may be replaced: what the same command made of the same
inputs may, and nothing else.

What HDF5 files and networks were made of, their provenance says; a picture says it itself, and a
table or JSON beside them is known by its columns or keys.
"""

import json
import os
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from glob import escape
from pathlib import Path
from typing import Any

from ptychoformer.cli.arguments import HDF5, about_scan, reading
from ptychoformer.errors import InputError, OutputError
from ptychoformer.files import content_digest
from ptychoformer.measurement.options import is_mask_file, is_probe_file
from ptychoformer.measurement.preparation import PreparedScan
from ptychoformer.provenance import read_provenance, sidecar

DELETE = "name another output, or delete that one"
FOREIGN = "exists, and was made by something else than this command"
OF_PATTERNS = "scan_counts", "scan_part_counts"  # digests
# Contents, of which only a digest is recorded.
CONTENTS = {
    "object": "object",
    "checkpoint": "network",
    "mask_digest": "mask",
    "network_digest": "version of the network's file",
    "loss_digest": "version of the loss's file",
}


def given_files(options: Namespace) -> dict[str, str]:
    """Return the files that are read with a scan: ``mask`` and ``probe``, as far as they are files.
    What lies in the scan's own file is a part of the scan.
    """
    read_as = reading(options)
    given = {"mask": (read_as.mask, is_mask_file), "probe": (read_as.probe, is_probe_file)}
    return {name: path for name, (path, is_file) in given.items() if path and is_file(path)}


def digests_of_given(options: Namespace) -> dict[str, str]:
    """Return the digests of these files, ``mask_digest`` and ``probe_digest``."""
    return {f"{name}_digest": content_digest(path) for name, path in given_files(options).items()}


def scanned(options: Namespace, prepared: PreparedScan, given: Mapping[str, str]) -> dict[str, Any]:
    """Return what tells one scan from another, even one of the same name, for the provenance.

    Args:
        given: what `digests_of_given` found before the scan was read.
    """
    from ptychoformer.tensors import fingerprint

    found = (fingerprint(array) for array in (prepared.counts, prepared.part_counts))
    return about_scan(options) | dict(zip(OF_PATTERNS, found, strict=True)) | given


def check_replaced(
    output: str | os.PathLike, scan: Mapping[str, Any], same: Mapping[str, Any], told_by: str, remedy: str = DELETE
) -> None:
    """Check that a file at ``output``, if there is one, was made of the same by the command that is
    to write there.

    Args:
        scan: what `scanned` returned, or `about_scan`.
        same: what else must be the same, by the names of the provenance's configuration.
        told_by: a name that the configuration of no other command has.
        remedy: what to do, for the sentence.

    Raises:
        OutputError: it was not, or nothing says so.
    """
    if not Path(output).exists():
        return
    if not sidecar(output).exists():
        raise OutputError(f"{output} exists, and nothing beside it says what it was made of; {remedy}.")
    recorded = read_provenance(output)
    configuration = recorded.get("configuration")
    if not isinstance(configuration, dict) or not {told_by, "scan"} <= configuration.keys():
        raise OutputError(f"{output} {FOREIGN}; {remedy}.")
    now, options = (json.loads(json.dumps(part, default=str)) for part in (scan, same))
    before = recorded | configuration
    if changed := [*_other_scan(before, now), *_other_options(before, options)]:
        raise OutputError(f"{output} was made with {' and '.join(changed)}; {remedy}.")


def check_namesake(output: str | os.PathLike, told_by: str) -> None:
    """Check that the same command wrote no file of the same name with the other ending of HDF5
    files: what lies beside both has one name.

    Args:
        told_by: a name that the configuration of no other command has.

    Raises:
        OutputError: it did.
    """
    output = Path(output)
    for other in output.parent.glob(f"{escape(output.stem)}.*"):
        if other.stem != output.stem or other.suffix.lower() not in HDF5 or other.name == output.name:
            continue
        if (output.exists() and other.samefile(output)) or not sidecar(other).exists():
            continue
        configuration = read_provenance(other).get("configuration")
        if isinstance(configuration, dict) and told_by in configuration:
            raise OutputError(
                f"{other} is there, and what lies beside it would be replaced by that of {output}; {DELETE}."
            )


def _other_scan(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Name the scan that was another one; what it counts, on pixels that are good, is compared
    if it was read in one way.
    """
    if before["scan"] != now["scan"]:
        yield f"the scan {before['scan']} (now {now['scan']})"
        return
    alike = all(before.get(name) == now.get(name) for name in ("reading", "mask_digest"))
    names = ["scan_bytes", *(OF_PATTERNS if alike else ())]
    if any(before.get(name) != now[name] for name in names if name in now):
        yield f"another scan of the name {now['scan']}"


def _other_options(before: Mapping[str, Any], now: Mapping[str, Any], within: str = "") -> Iterator[str]:
    """Name the options that were others, as the command line does, and contents."""
    for name in [name for name in now if name in before]:
        old, new = before[name], now[name]
        if isinstance(old, dict) and isinstance(new, dict):
            absent = dict.fromkeys([*old, *new])
            yield from _other_options(absent | old, absent | new, name)
        elif old != new:
            option = f"{_option(name, within)} {_shown(old)} (now {_shown(new)})"
            yield f"another {CONTENTS[name]}" if name in CONTENTS else option


def _option(name: str, within: str) -> str:
    if within in ("options", "loss"):
        return f"--option {name}" if within == "options" else "--loss"
    return {"kind": "--model", "n_train": "--patterns"}.get(name, f"--{name.replace('_', '-')}")


def _shown(value: Any) -> str:
    return "left out" if value is None else str(value)


def about_picture(command: str, scan: str | os.PathLike) -> str:
    """Return what a picture says of itself: which command made it, of which scan. In ASCII, which
    is all that every format of pictures can hold.
    """
    return f"ptychoformer {command} of {Path(scan).name.encode('ascii', 'backslashreplace').decode()}"


def check_pictures(pictures: Iterable[str | os.PathLike | None], about: str) -> None:
    """Check that PNG and TIFF files, as far as they are named and there, are ``about`` the same.

    Raises:
        OutputError: one is not.
    """
    for path in filter(None, pictures):
        if Path(path).exists() and (found := _told_by_picture(path)) != about:
            raise OutputError(f"{path} {f'was made by {found} (now {about})' if found else FOREIGN}; {DELETE}.")


def _told_by_picture(path: str | os.PathLike) -> str:
    """Read what a picture says of itself; empty if nothing, or if it is none."""
    import tifffile
    from PIL import Image

    try:
        if Path(path).suffix.lower() == ".tif":
            with tifffile.TiffFile(path) as file:
                told = (file.imagej_metadata or {}).get("Info", "")
        else:
            with Image.open(path) as picture:
                told = picture.info.get("Description", "")
    except Exception:  # whatever a library stumbles over in a file of another kind
        return ""
    return told if told.startswith("ptychoformer ") else ""


def check_own(path: str | os.PathLike, is_own: Callable[[str], bool], remedy: str = DELETE) -> None:
    """Check that a file of text at ``path``, if there is one, is such as this command writes.

    Args:
        is_own: says so of its text.

    Raises:
        OutputError: it is not.
    """
    if not Path(path).exists():
        return
    try:
        own = is_own(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        own = False
    if not own:
        raise OutputError(f"{path} {FOREIGN}; {remedy}.")


def is_table(columns: Iterable[str]) -> Callable[[str], bool]:
    """Make a function that says whether a text is a CSV with these columns."""
    return lambda text: text.partition("\n")[0].rstrip("\r") == ",".join(columns)


def is_json(keys: Iterable[str]) -> Callable[[str], bool]:
    """Make a function that says whether a text is JSON, a mapping with these keys among others."""
    return lambda text: isinstance(found := json.loads(text), dict) and set(keys) <= found.keys()


def check_state(path: str | os.PathLike, remedy: str = DELETE) -> None:
    """Check that a file at ``path``, if there is one, is a state that an interrupted job left.

    Raises:
        OutputError: it is something else.
    """
    if Path(path).exists():
        from ptychoformer.tensors import is_no_state

        if is_no_state(path):
            raise OutputError(f"{path} {FOREIGN}; {remedy}.")


def is_labelled_scan(dataset: Path, labels: Path) -> bool:
    """Say whether files are the labelled scan that `train` begins with, as far as they exist."""
    from ptychoformer.storage import open_hdf5

    try:
        for path, group, attribute in ((dataset, "ptychography", "source"), (labels, "object", "kind")):
            if path.exists():
                with open_hdf5(path) as file:
                    if attribute not in file[group].attrs:
                        return False
    except (InputError, KeyError):
        return False
    return True
