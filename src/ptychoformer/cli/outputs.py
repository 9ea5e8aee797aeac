"""Where commands write."""

import os
import tempfile
from pathlib import Path
from typing import Any

from ptychoformer.errors import InputError, OutputError
from ptychoformer.files import check_folder
from ptychoformer.places import LONGEST


def beside(output: str | os.PathLike, ending: str) -> Path:
    """Name a file with this ending beside another: ``object`` + ``ending`` for ``object.h5``."""
    return Path(output).with_name(f"{Path(output).stem}{ending}")


def check_outputs(outputs: Any, inputs: list[str | os.PathLike]) -> None:
    """Make the folders of ``outputs`` that are not None; none may be one of the ``inputs``.

    Raises:
        InputError: an output is an input.
        OutputError: an output has too long a name, is a folder or no regular file, or its folder
            cannot be made or written to.
    """
    for output in (Path(output) for output in outputs if output):
        if (length := len(os.fsencode(output.name))) > LONGEST:
            raise OutputError(f"The output's name {output.name} has {length} bytes; it must have {LONGEST} at most.")
        for path in inputs:
            if _are_same(output, path):
                raise InputError(f"{path} would be replaced by what is made of it; name another output.")
        if os.path.exists(output) and not os.path.isfile(output):
            found = "a folder" if output.is_dir() else "no regular file"
            raise OutputError(f"{output} is {found}; the output must be the name of a file.")
        check_folder(output.parent)
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"The folder {output.parent} cannot be made: {error.strerror}.") from error
        try:  # now rather than after an hour of work
            tempfile.TemporaryFile(dir=output.parent).close()
        except OSError as error:
            raise OutputError(
                f"{output} cannot be written into the folder {output.parent}: {error.strerror}."
            ) from error


def _are_same(one: str | os.PathLike, other: str | os.PathLike) -> bool:
    """Say whether two names are of one file, which need not exist."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)
