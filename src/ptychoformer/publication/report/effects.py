"""Effects of ``claims.csv`` as a reader expects them, with their units."""

import re
from dataclasses import dataclass

from ptychoformer.evaluation.quantities import QUANTITIES, number, number_beside_zero
from ptychoformer.publication.claims.check import JUDGED


@dataclass(frozen=True)
class Unit:
    """How an effect is printed: number * scale, rounded, with its unit, and signed or not."""

    scale: float
    decimals: int
    suffix: str
    sign: bool = True

    def text(self, value: float) -> str:
        """Print a number without its unit; one that is not zero is not printed as zero."""
        return number_beside_zero(value * self.scale, self.decimals, sign=self.sign)

    def unsigned(self, value: float) -> str:
        """Print a number without its unit and without a plus."""
        return number(value * self.scale, self.decimals)


_UNITS = {"fraction": Unit(100, 2, " %")} | {
    quantity.effect_unit: Unit(quantity.scale, quantity.decimals, quantity.difference_unit, sign=metric in QUANTITIES)
    for metric, quantity in JUDGED.items()
}


def effect_text(value: float, unit: str) -> str:
    """Print an effect with its unit: fractions in per cent, SSIM in percentage points."""
    known = unit_of(unit)
    return f"{known.text(value)}{known.suffix}"


def unit_of(name: str) -> Unit:
    """Return how effects in a unit of ``claims.csv`` are printed."""
    return _UNITS.get(name, Unit(1, 4, f" {name}"))


def in_unit(reason: str, unit: str) -> str:
    """Print a reason's bounds as its effect is: ``0.042`` of a fraction as ``4.20 %``."""
    known = _UNITS.get(unit)
    return (
        re.sub(r"\b\d+\.\d+\b", lambda bound: f"{known.unsigned(float(bound.group()))}{known.suffix}", reason)
        if known
        else reason
    )
