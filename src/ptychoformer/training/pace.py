"""How many patterns a step takes, and how often a network sees them, where nobody says so."""

import math

from ptychoformer.progress import say
from ptychoformer.training.options import TrainingOptions

EPOCHS, LARGEST_BATCH = TrainingOptions.epochs, TrainingOptions.batch_size
# Of the paper's epoch: batches of 32 of the 95 % of about 2900 patterns that are fitted.
BATCHES = 87
STEPS = EPOCHS * BATCHES
SMALLEST_BATCH = 4


def pace(fitted: int, batch_size: int | None = None, epochs: int | None = None) -> tuple[int, int]:
    """Choose batch size and epochs for a number of patterns, as far as they are left open.

    What a network needs to leave its first plateau is steps, not passes over the patterns. So it
    gets as many steps as the paper's did, of which as many make an epoch, since the learning rate
    falls by epochs: from batches of 32 at about 2900 patterns down to batches of 4, below which
    there are more epochs. More patterns than the paper's get its batches and epochs, hence more
    steps.

    Measured with 298 patterns of a Siemens star: in batches of 4 Ptychoformer left the plateau
    after about 600 steps, in the ninth of 29 epochs, and ended at a quarter of the plateau's
    validation loss; in batches of 32 it was still there after fourteen, 140 steps.

    Args:
        fitted: patterns that are fitted, the validation part left out.

    Returns:
        Patterns a batch, and epochs.
    """
    if batch_size is None:
        power = round(math.log2(max(1, fitted / BATCHES)))
        batch_size = min(LARGEST_BATCH, max(SMALLEST_BATCH, 2**power))
    if epochs is None:
        epochs = max(EPOCHS, math.ceil(STEPS / batches(fitted, batch_size)))
    return batch_size, epochs


def batches(fitted: int, batch_size: int) -> int:
    """How many batches, and hence steps, make an epoch; the last one may be smaller."""
    return math.ceil(fitted / batch_size)


def say_how_long(seconds: float, epochs: int) -> None:
    """Estimate from the ``seconds`` of one epoch how long those that are left will take."""
    if epochs:
        left = seconds * epochs
        say(f"epochs left: {epochs}, about {f'{left / 60:.0f} minutes' if left >= 90 else f'{left:.0f} seconds'}")
