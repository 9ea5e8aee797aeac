"""What the columns and rows of a table of results are called, which way is better, and how
their numbers are printed.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ptychoformer.evaluation import RELATIVE_PHASE, SCORED


@dataclass(frozen=True)
class Quantity:
    """A metric as the paper prints it.

    Args:
        name: short name for headings.
        scale: printed number = value * scale.
        decimals: digits after the point.
        unit: of the printed number, in a heading.
        difference_unit: of a printed difference in a sentence, with the space before it.
        effect_unit: of a difference in ``claims.csv``, not scaled.
        higher_is_better: False for errors.
        released: whether the authors' release scores it.
    """

    name: str
    scale: float
    decimals: int
    unit: str
    difference_unit: str
    effect_unit: str
    higher_is_better: bool
    released: bool = False

    @property
    def with_unit(self) -> str:
        """Name and unit."""
        return f"{self.name} ({self.unit})"

    @property
    def heading(self) -> str:
        """Name, unit and the arrow that points the better way."""
        return f"{self.with_unit} {'↑' if self.higher_is_better else '↓'}"

    def printed(self, value: float) -> float:
        """Round to the number that a reader sees."""
        return round(value * self.scale, self.decimals)

    def text(self, value: float, *, sign: bool = False) -> str:
        """Print the number as text."""
        return number(value * self.scale, self.decimals, sign=sign)

    def with_deviation(self, mean: float, std: float) -> str:
        """Print a mean and, unless it is NaN, its standard deviation."""
        return self.text(mean) + ("" if math.isnan(std) else f" ± {self.text(std)}")

    def interval(self, low: float, high: float, *, sign: bool = False) -> str:
        """Print an interval as text, whose ends tell on which side of zero they are."""
        ends = (number_beside_zero(end * self.scale, self.decimals, sign=sign) for end in (low, high))
        return " to ".join(ends)

    def difference(self, value: float) -> str:
        """Print a difference with its unit."""
        return f"{self.text(value)}{self.difference_unit}"


# Scores of images (`evaluation.scores`), as columns of tables, and shares of the energy, which
# claims alone are about.
QUANTITIES = {
    "mse": Quantity("MSE", 100, 2, "×10⁻²", "×10⁻²", "mse", higher_is_better=False, released=True),
    "psnr": Quantity("PSNR", 1, 2, "dB", " dB", "dB", higher_is_better=True, released=True),
    "ssim": Quantity("SSIM", 100, 2, "%", " percentage points", "ssim", higher_is_better=True, released=True),
}
SHARES = {
    "band_share": Quantity("Share", 100, 3, "%", " % of the energy", "share", higher_is_better=True),
    "share_error": Quantity("Error of the share", 100, 3, "%", " % of the energy", "share", higher_is_better=False),
    "share_deficit": Quantity("Lack of the share", 100, 3, "%", " % of the energy", "share", higher_is_better=True),
}
CHANNEL_NAMES = {"amplitude": "Amplitude", "phase": "Phase", RELATIVE_PHASE: "Relative phase"}
MISSING = "–"
SIGNIFICANCE = 0.05
MOST_DECIMALS = 8  # of a probability, and of what is next to zero


@dataclass(frozen=True)
class Factor:
    """What a table compares: networks, or the losses that a network is trained with.

    Args:
        singular, plural: what is compared, in sentences.
        headings: of a table's first two columns, the condition and what is compared under it.
        condition: column of a table of metrics that names the condition: the dataset of networks,
            the network of losses.
        condition_of_tests: the same for the tables of `evaluation.statistics`.
    """

    singular: str
    plural: str
    headings: tuple[str, str]
    condition: str
    condition_of_tests: str


FACTORS = {
    "model": Factor("network", "networks", ("Condition", "Method"), "dataset", "dataset"),
    "loss": Factor("loss", "losses", ("Network", "Loss"), "model", "held"),
}


def columns(
    metrics: Iterable[str] = tuple(QUANTITIES), channels: Iterable[str] = SCORED
) -> tuple[tuple[str, str], ...]:
    """List channel and metric of each column of a table, without the MSE of the relative phase,
    which says what its PSNR says.
    """
    metrics = tuple(metrics)
    return tuple(
        (channel, metric) for channel in channels for metric in metrics if (channel, metric) != (RELATIVE_PHASE, "mse")
    )


def channel_in_words(channel: str) -> str:
    """Name a channel as within a sentence."""
    return CHANNEL_NAMES[channel].lower()


def number(value: float, decimals: int, *, sign: bool = False) -> str:
    """Print a number with fixed decimals and a true minus sign, infinity (the PSNR of a perfect
    image) and missing values as symbols.
    """
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    rounded = round(value, decimals) + 0.0  # adding zero turns -0.0 into 0.0
    return f"{rounded:{'+' if sign and rounded else ''}.{decimals}f}".replace("-", "−")


def number_beside_zero(value: float, decimals: int, *, sign: bool = False) -> str:
    """Print the same with more decimals where rounding would make a zero of what is none, so that
    an interval without zero does not seem to begin there.
    """
    enough = (digits for digits in range(decimals, MOST_DECIMALS + 1) if round(value, digits))
    return number(value, next(enough, decimals), sign=sign)


def p_value(p: float, level: float = SIGNIFICANCE) -> str:
    """Print a probability for a sentence: ``p = 0.0123``, or a bound where digits would mean
    nothing.

    Where rounding would put it on the other side of a level of significance, or on it, it has more
    digits.
    """
    if p < 0.0001:
        return "p < 0.0001"
    decimals = 4 if p < 0.01 else 3 if p < 0.1 else 2
    while (round(p, decimals) < level) != (p < level) and decimals < MOST_DECIMALS:
        decimals += 1
    return f"p = {p:.{decimals}f}" if p < 0.995 else "p > 0.99"


def p_and_level(p: float, level: float) -> tuple[str, str]:
    """Print a probability as `p_value` has it, and a level of significance, both with the digits
    that tell which is greater.
    """
    digits = 2
    while (p < float(f"{level:.{digits}g}")) != (p < level):
        digits += 1
    shown = f"{level:.{digits}g}"
    return p_value(p, float(shown)), shown
