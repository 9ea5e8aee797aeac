"""Curves of a training for TensorBoard, which need not be installed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ptychoformer.cli.outputs import check_outputs
from ptychoformer.errors import InputError, first_line
from ptychoformer.progress import say

TAGS = {"train_loss": "loss/training", "validation_loss": "loss/validation", "learning_rate": "learning rate"}


@contextmanager
def curves(folder: str | None) -> Iterator[Callable[[int, Mapping[str, float]], None] | None]:
    """Yield what `training.fit` calls after every epoch: it adds a point to the curves in
    ``folder``.

    A curve goes on where an interrupted training does. If it cannot be written any longer, that is
    said, and the training goes on.

    Args:
        folder: that TensorBoard is shown; None for no curves.

    Raises:
        InputError: TensorBoard is not installed.
        OutputError: the folder cannot be made or written to.
    """
    if folder is None:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except Exception as error:  # of an installed one that is broken, too
        raise InputError(
            f"--tensorboard needs the package tensorboard, which cannot be imported ({first_line(error)}); `pip install"
            " tensorboard` installs it."
        ) from error
    check_outputs([Path(folder) / "events"], [])
    writers = []

    def add(row: Mapping[str, float]) -> None:
        if not writers:  # from here on the curves of an earlier training in this folder are not shown
            writers.append(SummaryWriter(folder, purge_step=int(row["epoch"])))
        for name, tag in TAGS.items():
            writers[0].add_scalar(tag, row[name], int(row["epoch"]))
        writers[0].flush()

    tried = _until_it_fails()
    try:
        yield lambda _seed, row: tried(lambda: add(row), f"before epoch {row['epoch']:.0f}")
    finally:
        for writer in writers:
            tried(writer.close, "before all was written")


def _until_it_fails() -> Callable[[Callable[[], None], str], None]:
    """Make a function that calls others until one fails: no curve is worth a training."""
    failed = []

    def tried(work: Callable[[], None], when: str) -> None:
        if failed:
            return
        try:
            work()
        except Exception as error:
            failed.append(error)
            say(f"The curves for TensorBoard end {when} ({first_line(error)}).")

    return tried
