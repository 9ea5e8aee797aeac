"""Does a claim hold? From paired differences over seeds to ``holds``, ``does not hold`` or
``undecided``.

A claim is made of one or several *contrasts*: one number per seed that is positive where the seed
supports the claim (this network less that one, turned so that better is positive). A seed fixes
noise, jitter, split, order and initial weights for all networks alike, so differences are taken
within seeds and the seeds are the sample. Limits of a contrast come from the paired t distribution;
those of a relative contrast, a ratio of two means over the same seeds, from Fieller's theorem (J.
R. Stat. Soc. B 16, 175, 1954), which is the same t-test turned round and just as exact.

A claim on several contrasts ("better than every rival in every metric") is true only if all of them
are. So

- it **holds** if the lower limit of every contrast lies above the bound, each at the plain 2.5 %
  (or at half the significance that the claim itself names): for an intersection of hypotheses this
  needs no correction, since a false one among them must pass its own test (Berger, Technometrics
  24, 295, 1982);
- it **does not hold** if the upper limit of any contrast lies below the bound, at 2.5 % over the
  number of contrasts (Bonferroni), since each of them is a chance to reject a true claim;
- else it is **undecided**: nothing is shown by a test that finds nothing.

The bound is zero for a ranking, a sign or a trend, and the claimed size for ``at_least``. Both
false verdicts have a probability of at most 2.5 %. What is reported is the smallest effect, between
the smallest lower and the smallest upper limit, both at the levels above: one interval from which
the verdict can be read. With contrasts in different units it is the contrast on which the verdict
hangs.

- ``about`` x, for the smallest effect: it does not hold if the interval excludes x (probability 5 %
  if x is the truth); it holds if the interval includes x and lies between 0 and 2 x, so that the
  size is known to better than itself; else undecided. A wide interval that includes x proves
  nothing. Holding although the truth is no gain, or more than twice the size, has a probability of
  at most 2.5 %.
- ``no_difference``: it does not hold if any of the m contrasts differs from zero at 5 % / m; it
  holds only if the 95 % interval of every one lies within a margin that the claim names
  (equivalence; Schuirmann, J. Pharmacokinet. Biopharm. 15, 657, 1987); else undecided. A test that
  is not significant shows no equality.

Fewer than two seeds, values that are not finite, and effects that do not vary over the seeds are
undecided.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, nan, sqrt

import numpy as np
from scipy.special import stdtrit

from ptychoformer.evaluation.quantities import SIGNIFICANCE
from ptychoformer.tables import PRECISION

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
_NAMED_IN_A_REASON = 3


@dataclass(frozen=True)
class Contrast:
    """One comparison that a claim makes.

    Args:
        name: what is compared with, in words, for example ``dpi, phase ssim``.
        unit: of the effect.
        gain: (seeds,) positive where a seed supports the claim.
        reference: (seeds,) what the gain is relative to; ones for a plain difference.
        magnitude: largest absolute value that went into them.
        margin: largest effect that still counts as none, for ``no_difference``.
    """

    name: str
    unit: str
    gain: np.ndarray
    reference: np.ndarray
    magnitude: float
    margin: float = nan

    @property
    def effect(self) -> float:
        """Mean gain over mean reference."""
        return float(self.gain.mean() / self.reference.mean()) if self._finite else nan

    @property
    def _finite(self) -> bool:
        return bool(np.isfinite(self.gain).all() and np.isfinite(self.reference).all() and self.reference.mean() > 0)

    @property
    def obstacle(self) -> str:
        """Why it cannot be tested, in words; empty if it can."""
        if not self._finite:
            return "a value is not finite, or the reference not positive"
        if len(self.gain) > 1 and (self.gain - self.effect * self.reference).std() <= PRECISION * self.magnitude:
            return "the effect does not vary over the seeds"
        return ""

    def t(self, bound: float) -> float:
        """Compute Student's t of the effect being ``bound``."""
        excess = self.gain - bound * self.reference
        return float(excess.mean() / excess.std(ddof=1) * sqrt(len(excess)))

    def limits(self, tail_below: float, tail_above: float) -> tuple[float, float]:
        """Compute lower and upper confidence limit of the effect, with these probabilities of the
        truth lying outside.

        Fieller: ratios that t-tests of gain - ratio * reference do not reject are those between the
        roots of a parabola. With a reference of ones they are those of the plain t interval.
        """
        seeds = len(self.gain)
        gain, reference = float(self.gain.mean()), float(self.reference.mean())
        dg, dr = self.gain - gain, self.reference - reference
        variances = [float(a @ b) / (seeds * (seeds - 1)) for a, b in ((dg, dg), (dg, dr), (dr, dr))]

        def root(tail: float, side: int) -> float:
            square = float(stdtrit(seeds - 1, 1 - tail)) ** 2
            last, middle, first = (
                product - square * variance
                for product, variance in zip((gain**2, gain * reference, reference**2), variances, strict=True)
            )
            if first <= 0:  # the reference itself may be zero: any ratio is possible
                return side * inf
            return (middle + side * sqrt(max(0.0, middle**2 - first * last))) / first

        return root(tail_below, -1), root(tail_above, 1)


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Args:
        effect, low, high: the effect that decides, in ``unit``, and its limits as the module
            describes; NaN where there is none.
        n_seeds: seeds in which everything that the claim names was run.
        rival: which contrast the effect is of.
        reason: one sentence without its full stop.
    """

    verdict: str
    reason: str
    effect: float = nan
    low: float = nan
    high: float = nan
    unit: str = ""
    n_seeds: int = 0
    rival: str = ""


def decide(
    contrasts: Sequence[Contrast], comparison: str, value: float = 0.0, significance: float = SIGNIFICANCE
) -> Verdict:
    """Judge a claim by all its ``contrasts`` together.

    Args:
        contrasts: at least one, all over the same seeds.
        comparison: ``greater``, ``at_least``, ``about`` or ``no_difference``.
        value: the size for ``at_least`` and ``about``.
        significance: two-sided level that every contrast must reach for the claim to hold.
    """
    seeds = len(contrasts[0].gain)
    if seeds < 2:
        return _untested(contrasts, value, "one seed, so the spread over seeds is unknown")
    if blocked := [contrast for contrast in contrasts if contrast.obstacle]:
        return _untested(contrasts, value, f"{blocked[0].obstacle} ({blocked[0].name})")
    if comparison == "no_difference":
        return _decide_equality(contrasts)
    tail_above = SIGNIFICANCE / 2 / len(contrasts)
    limits = [contrast.limits(significance / 2, tail_above) for contrast in contrasts]
    reported = _reported(contrasts, limits, value)
    if comparison == "about":
        return _decide_size(reported, value)
    return _decide_bound(reported, contrasts, limits, value)


def _untested(contrasts: Sequence[Contrast], bound: float, reason: str) -> Verdict:
    """Report the effect without limits, of the contrast that supports the claim least; in different
    units, relative to what it compares.
    """
    alike = len({contrast.unit for contrast in contrasts}) == 1

    def support(contrast: Contrast) -> float:
        scale = 1.0 if alike else contrast.magnitude
        relative = (contrast.effect - bound) / scale if scale else nan
        return relative if isfinite(relative) else inf

    least = min(contrasts, key=support)
    return Verdict(UNDECIDED, reason, least.effect, unit=least.unit, n_seeds=len(least.gain), rival=least.name)


def _reported(contrasts: Sequence[Contrast], limits: list[tuple[float, float]], bound: float) -> Verdict:
    """Report the smallest effect and its limits; in different units, those of the contrast with the
    smallest t.
    """
    seeds = len(contrasts[0].gain)
    if len({contrast.unit for contrast in contrasts}) == 1:
        closest = min(contrasts, key=lambda contrast: contrast.effect)
        low, high = (min(side) for side in zip(*limits, strict=True))
    else:
        place = min(range(len(contrasts)), key=lambda place: contrasts[place].t(bound))
        closest, (low, high) = contrasts[place], limits[place]
    return Verdict(UNDECIDED, "", closest.effect, low, high, closest.unit, seeds, closest.name)


def _decide_bound(
    reported: Verdict, contrasts: Sequence[Contrast], limits: list[tuple[float, float]], bound: float
) -> Verdict:
    names = [contrast.name for contrast in contrasts]
    behind = [name for name, (_, high) in zip(names, limits, strict=True) if high < bound]
    open_ = [name for name, (low, high) in zip(names, limits, strict=True) if low <= bound]
    what = f"{bound:g}" if bound else "zero"
    if behind:
        return _with(reported, FAILS, f"the interval lies below {what} for {_listed(behind, len(names))}")
    if open_:
        return _with(reported, UNDECIDED, f"the interval includes {what} for {_listed(open_, len(names))}")
    return _with(
        reported, HOLDS, f"every interval lies above {what}" if len(names) > 1 else f"the interval lies above {what}"
    )


def _decide_size(reported: Verdict, value: float) -> Verdict:
    if reported.low > value:
        return _with(reported, FAILS, f"the interval lies above {value:g}: the effect is larger than claimed")
    if reported.high < value:
        return _with(reported, FAILS, f"the interval lies below {value:g}")
    if reported.low > 0 and reported.high < 2 * value:
        return _with(reported, HOLDS, f"the interval includes {value:g} and lies between 0 and {2 * value:g}")
    return _with(reported, UNDECIDED, f"the interval includes {value:g} but is too wide to confirm it")


def _decide_equality(contrasts: Sequence[Contrast]) -> Verdict:
    plain, corrected = SIGNIFICANCE / 2, SIGNIFICANCE / 2 / len(contrasts)
    limits = [contrast.limits(plain, plain) for contrast in contrasts]
    wide = [contrast.limits(corrected, corrected) for contrast in contrasts]
    different = [contrast.name for contrast, (low, high) in zip(contrasts, wide, strict=True) if low > 0 or high < 0]
    unsure = [
        contrast.name
        for contrast, (low, high) in zip(contrasts, limits, strict=True)
        if low < -contrast.margin or high > contrast.margin
    ]
    # The pair that is farthest from equal decides: by its test if one is significant, else by its
    # margin.
    if different:
        distances = [abs(contrast.t(0)) for contrast in contrasts]
    else:
        distances = [max(map(abs, pair)) / contrast.margin for contrast, pair in zip(contrasts, limits, strict=True)]
    place = distances.index(max(distances))
    decisive = contrasts[place]
    low, high = (wide if different else limits)[place]
    reported = Verdict(UNDECIDED, "", decisive.effect, low, high, decisive.unit, len(decisive.gain), decisive.name)
    if different:
        return _with(reported, FAILS, f"a corrected test is significant for {_listed(different, len(contrasts))}")
    if unsure:
        return _with(
            reported,
            UNDECIDED,
            "no corrected test is significant, but the interval exceeds the margin for"
            f" {_listed(unsure, len(contrasts))}",
        )
    return _with(reported, HOLDS, "every interval lies within the margin")


def _with(reported: Verdict, verdict: str, reason: str) -> Verdict:
    return replace(reported, verdict=verdict, reason=reason)


def _listed(names: list[str], total: int) -> str:
    if total == 1:
        return names[0]
    shown = "; ".join(names[:_NAMED_IN_A_REASON])
    more = f" and {len(names) - _NAMED_IN_A_REASON} more" if len(names) > _NAMED_IN_A_REASON else ""
    return f"{shown}{more} ({len(names)} of {total} comparisons)"
