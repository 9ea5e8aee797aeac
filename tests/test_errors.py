"""What a library says of memory that does not suffice is known for what it is."""

import errno
import os
import subprocess
import sys

import pytest

from ptychoformer.errors import is_out_of_memory

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
