"""What is no fault of a file is known for what it is: memory that does not suffice, and a file that others keep."""

import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import pytest

from ptychoformer.errors import InputError, is_out_of_memory
from ptychoformer.provenance import read_provenance, sidecar
from ptychoformer.storage import open_hdf5
from ptychoformer.tensors import load

LIMITED = """
import resource, sys
from ptychoformer.errors import is_out_of_memory
def limit(megabytes):
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20,) * 2)
try:
    {work}
except Exception as error:
    print(type(error).__name__, is_out_of_memory(error))
"""
WORK = {
    "numpy": "import numpy; limit(900); numpy.ones(2**28)",
    "torch": "import torch; limit(1500); torch.ones(2**30)",
    "importing torch": "limit(300); import torch",
    "a list": "limit(300); [0] * 2**27",
    "reading a file": "limit(300); open('/dev/zero', 'rb').read(2**29)",
}


@pytest.mark.skipif(sys.platform != "linux", reason="others count memory otherwise")
@pytest.mark.parametrize("work", WORK)
def test_memory_that_is_limited_is_told_from_other_errors(work, tried):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED.format(work=WORK[work])],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    with tried("memory that does not suffice: one sentence"):
        assert done.stdout.split()[1:] == ["True"], done.stdout + done.stderr


@pytest.mark.parametrize(
    ("first", "told"),
    [(MemoryError(), True), (OSError(errno.ENOMEM, "Cannot allocate memory"), True), (KeyError(), False)],
)
def test_memory_is_found_behind_what_was_raised_because_of_it(first, told):
    """As torch does, whose writer then finds its file shorter than it thought."""
    second = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 13663296 vs 13663184")
    for how in ("__context__", "__cause__"):
        setattr(second, how, first)
        third = ValueError("the file was not closed")
        third.__context__ = second
        assert is_out_of_memory(second) is is_out_of_memory(third) is told
        setattr(second, how, None)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), False),
        (KeyError("memory"), False),
    ],
)
def test_other_errors_are_not_taken_for_it(error, told):
    assert is_out_of_memory(error) is told


# How each kind of file is read, and what of a library opens it.
READERS = {
    "HDF5": (lambda path: open_hdf5(path).__enter__(), h5py, "File"),
    "checkpoint": (load, zipfile, "ZipFile"),
    "provenance": (read_provenance, Path, "read_text"),
}


@pytest.fixture(params=READERS)
def read_that_fails(request, tmp_path, monkeypatch):
    """Read a file whose opening raises an error."""
    read, library, opener = READERS[request.param]
    (tmp_path / "file").touch()
    sidecar(tmp_path / "file").touch()

    def fails(error):
        def opened(*_, **__):
            raise error

        monkeypatch.setattr(library, opener, opened)
        return read(tmp_path / "file")

    return fails


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))])
def test_a_file_is_not_blamed_for_want_of_memory(read_that_fails, error):
    with pytest.raises(type(error)) as caught:
        read_that_fails(error)
    assert caught.value is error


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "permission denied"),
        (errno.EAGAIN, "another program has it open for writing"),
    ],
)
def test_a_file_that_cannot_be_read_now_is_not_to_be_deleted(read_that_fails, code, reason):
    with pytest.raises(InputError, match=rf"/file\S* cannot be read: {reason}\.$"):
        read_that_fails(OSError(code, os.strerror(code)))


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_file_that_breaks_off_may_be_damaged(read_that_fails, code):
    with pytest.raises(InputError, match=r"cannot be read as .*delete"):
        read_that_fails(OSError(code, os.strerror(code)))
