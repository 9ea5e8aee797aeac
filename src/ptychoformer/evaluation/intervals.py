"""Confidence intervals of means, and of effect sizes from noncentral distributions."""

from math import nan, sqrt

from scipy.optimize import brentq
from scipy.special import chdtri, ncfdtr, nctdtr, stdtrit

TAIL = 0.025  # on either side of a 95 % interval
# SciPy's noncentral distributions give NaN for t above 3e4. Long before, noise in the mean is
# nothing beside the effect, and limits of the noncentrality grow in proportion to t (and to F, its
# square).
LARGEST_T = 1e4


def half_width(std: float, count: int) -> float:
    """Return half of the 95 % interval of a mean by Student's t; NaN of a single value, which has
    none.

    Args:
        std: sample standard deviation of the values.
        count: how many they are.
    """
    return -float(stdtrit(count - 1, TAIL)) * (std / sqrt(count)) if count > 1 else nan


def eta_squared_interval(f_value: float, df_effect: float, df_error: float) -> tuple[float, float]:
    """Find the 95 % interval of partial eta squared by inverting the noncentral F distribution.

    Steiger, Psychol. Methods 9, 164 (2004). A noncentrality L is an eta squared of
    L / (L + df_effect + df_error): with n seeds and k levels the sum is n (k - 1), to which the
    sample's eta squared converges, and which makes it d_z^2 / (1 + d_z^2) for two levels. With both
    df multiplied by epsilon it holds approximately without sphericity (Muller and Barton, J. Am.
    Stat. Assoc. 84, 549, 1989): simulated with ten seeds it covered the truth in 97 to 98 % under
    sphericity, and in 92.5 to 94 % where the level that differs also varies most.
    """

    scale = max(1.0, f_value / LARGEST_T**2)

    def limit(probability: float) -> float:
        def excess(noncentrality: float) -> float:
            return ncfdtr(df_effect, df_error, noncentrality, f_value / scale) - probability

        if excess(0.0) <= 0:
            return 0.0
        noncentrality = scale * brentq(
            excess, 0.0, (_scatter_bound(df_error) * sqrt(f_value / scale * df_effect) + 3) ** 2
        )
        return noncentrality / (noncentrality + df_effect + df_error)

    return limit(1 - TAIL), limit(TAIL)


def d_z_interval(t: float, n: int) -> tuple[float, float]:
    """Find the exact 95 % interval of d_z for normal differences of ``n`` seeds.

    It inverts the noncentral t distribution of t = d_z sqrt(n).
    """

    scale = max(1.0, abs(t) / LARGEST_T)
    size = abs(t) / scale
    upper = _scatter_bound(n - 1) * size + 3

    def limit(probability: float) -> float:
        # P(T <= size | -2) is at least the normal P(Z <= 2), 0.977, so that the lower limit is
        # never below -2.
        return scale * brentq(lambda delta: nctdtr(n - 1, delta, size) - probability, -2.0, upper) / sqrt(n)

    low, high = limit(1 - TAIL), limit(TAIL)
    return (low, high) if t >= 0 else (-high, -low)


def _scatter_bound(df: float) -> float:
    """Find what a standard deviation of ``df`` degrees of freedom exceeds once in 100 samples,
    relative to the true one.

    With 3 standard normal deviations besides, it bounds a noncentrality: what is left is at most
    0.01 + 0.0013, less than ``TAIL``.
    """
    return sqrt(chdtri(df, 0.01) / df)
