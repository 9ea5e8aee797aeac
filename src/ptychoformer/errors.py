"""The errors a user is meant to read: one sentence that names the key or file, what was found
and what is allowed.
"""

import os


class PtychoformerError(Exception):
    """Base of all errors that are reported as their one sentence, without a traceback."""


class InputError(PtychoformerError):
    """A file or value given by the user cannot be used."""


class OutputError(PtychoformerError):
    """A result cannot be written; nothing half-written is left behind."""


class TrainingError(PtychoformerError):
    """Training cannot go on, for example because the loss is no longer finite."""


_NO_MEMORY = ("allocate memory", "out of memory", "memory allocation failed", "bad_alloc", "failed to map segment")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Say whether an error of Python, torch, HDF5 or the system means that there is no more memory,
    or came from one that does: torch's writer of files hides it behind a complaint of its own.
    """
    if error is None:
        return False
    told = isinstance(error, MemoryError) or any(words in str(error).lower() for words in _NO_MEMORY)
    return told or is_out_of_memory(error.__cause__ or error.__context__)


def why_not_now(error: Exception) -> str:
    """Say why a file that may well be whole cannot be read now; empty if for another reason."""
    if isinstance(error, PermissionError):
        return "permission denied"
    return "another program has it open for writing" if isinstance(error, BlockingIOError) else ""


def raise_unless_damaged(error: Exception, path: str | os.PathLike) -> None:
    """Raise what says nothing of a file that could not be read: memory that does not suffice, and
    what keeps ``path`` from being read now.
    """
    if is_out_of_memory(error):
        raise error
    if reason := why_not_now(error):
        raise InputError(f"{path} cannot be read: {reason}.") from error


def first_line(error: Exception) -> str:
    """Take the first line of what an error of a library says, or its type where it says nothing."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
