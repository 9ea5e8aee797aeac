"""Where commands write."""

import os
import tempfile
from pathlib import Path
from typing import Any

from ptychoformer.errors import InputError, OutputError


def beside(output: str | os.PathLike, ending: str) -> Path:
    """``object.h5`` to ``object`` + ``ending`` in the same folder."""
    return Path(output).with_name(f"{Path(output).stem}{ending}")


def check_outputs(outputs: Any, inputs: list[str | os.PathLike]) -> None:
    """Make the folders of ``outputs`` that are not None; none may be one of the ``inputs``.

    Raises:
        InputError: an output is an input.
        OutputError: an output is a folder, or its folder cannot be made or written to.
    """
    for output in (Path(output) for output in outputs if output):
        for path in map(Path, inputs):
            if output.resolve() == path.resolve() or (output.exists() and path.exists() and output.samefile(path)):
                raise InputError(f"{path} would be replaced by what is made of it; name another output.")
        if output.is_dir():
            raise OutputError(f"{output} is a folder; the output must be the name of a file.")
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
