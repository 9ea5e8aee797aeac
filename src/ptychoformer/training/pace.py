"""How many patterns a step takes, and how often a network sees them, where nobody says so; and how
long that will last.
"""

import math
import time

from ptychoformer.progress import say
from ptychoformer.training.options import TrainingOptions

EPOCHS, LARGEST_BATCH = TrainingOptions.epochs, TrainingOptions.batch_size
# Of the paper's epoch: batches of 32 of the 95 % of about 2900 patterns that are fitted.
BATCHES = 87
STEPS = EPOCHS * BATCHES
SMALLEST_BATCH = 4
SECONDS_TO_FORECAST = 3.0  # of steps that are timed
LONG = 600.0  # seconds from which on a training is worth making shorter
MINUTES_FROM, HOURS_FROM = 90.0, 2 * 3600.0  # seconds


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
    """Count the batches, and hence steps, of an epoch; the last one may be smaller."""
    return math.ceil(fitted / batch_size)


class Forecast:
    """Says, once a few steps are done, how long a training will take, which otherwise shows after
    its first epoch alone.

    It looks at the clock and at nothing else. The first step, which is longer than the others, does
    not count. Nothing is said once it is ``over``, after the first epoch.

    Args:
        steps: all that are to be done.
        advice: what would make it shorter, said of a long training.
    """

    def __init__(self, steps: int, advice: str = ""):
        self.steps, self.advice, self.over = steps, advice, False
        self._done, self._began, self._said = 0, math.inf, False

    def step_done(self) -> None:
        """Count a step, and say how long the rest will take if it can be told by now."""
        if self._said or self.over:
            return
        now = time.monotonic()
        self._done += 1
        if self._done == 1:
            self._began = now
        elif now - self._began >= SECONDS_TO_FORECAST:
            self._say((now - self._began) / (self._done - 1))

    def _say(self, seconds: float) -> None:
        self._said = True
        left = self.steps - self._done
        long = self.advice and left * seconds >= LONG
        say(
            f"{seconds:.2g} s a step, steps left: {left}, about {in_words(left * seconds)}"
            + (f"; {self.advice}." if long else "")
        )


def say_how_long(seconds: float, epochs: int) -> None:
    """Estimate from the ``seconds`` of one epoch how long those that are left will take."""
    if epochs:
        say(f"epochs left: {epochs}, about {in_words(seconds * epochs)}")


def in_words(seconds: float) -> str:
    """Put a time in words as somebody waits for it: in seconds, minutes or hours."""
    if seconds >= HOURS_FROM:
        return f"{seconds / 3600:.0f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= MINUTES_FROM else f"{seconds:.0f} seconds"
