"""Are networks, or losses, different? Repeated-measures ANOVA and paired t-tests over seeds.

A seed fixes noise, jitter, split, order and initial weights for all runs alike, so seeds are the
subjects and what is compared is the factor within them: the network while the loss is held, or the
loss while the network is. The networks or losses compared are its levels. Where a test cannot be
made, its numbers stay empty and a note says why.
"""

import os
from dataclasses import asdict, dataclass
from itertools import combinations
from math import inf, nan, sqrt

import numpy as np
import pandas as pd
from scipy.special import fdtrc, stdtr

from ptychoformer.errors import InputError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.evaluation.columns import ANOVA, GROUP, PAIRWISE
from ptychoformer.evaluation.intervals import d_z_interval, eta_squared_interval, half_width
from ptychoformer.evaluation.metrics import read_metrics
from ptychoformer.evaluation.quantities import FACTORS, SIGNIFICANCE
from ptychoformer.tables import PRECISION, write_csv

HELD = {"model": "loss", "loss": "model"}  # by factor
FEW_SEEDS = 5


@dataclass(frozen=True)
class Anova:
    """Repeated-measures ANOVA with one factor.

    Args:
        F, df_effect, df_error, p: the test under sphericity.
        epsilon, p_gg: Greenhouse-Geisser's measure of sphericity, in [1 / (k - 1), 1] for k levels,
            and p with both df multiplied by it.
        eta_squared, eta_low, eta_high: partial eta squared and its 95 % interval.
    """

    F: float = nan
    df_effect: float = nan
    df_error: float = nan
    p: float = nan
    epsilon: float = nan
    p_gg: float = nan
    eta_squared: float = nan
    eta_low: float = nan
    eta_high: float = nan


@dataclass(frozen=True)
class Paired:
    """Paired t-test of two levels.

    Args:
        difference, low, high: mean over seeds, in units of the metric, and its 95 % interval.
        t, df, p: the two-sided test.
        d_z, d_low, d_high: the mean difference over its standard deviation, and its 95 % interval.
    """

    difference: float = nan
    low: float = nan
    high: float = nan
    t: float = nan
    df: float = nan
    p: float = nan
    d_z: float = nan
    d_low: float = nan
    d_high: float = nan


def obstacle(table: pd.DataFrame) -> str:
    """Say why the levels of a table (seeds x levels) cannot be tested against each other; empty if
    they can.
    """
    values = table.to_numpy(float)
    seeds, levels = values.shape
    if levels < 2:
        return f"needs at least 2 {_levels(table)}, has {levels}"
    if seeds < 2:
        return f"needs at least 2 seeds, has {seeds}"
    if not np.isfinite(values).all():
        seed, level = np.argwhere(~np.isfinite(values))[0]
        found = "has no value" if np.isnan(values[seed, level]) else "is infinite, an exact match,"
        return f"{table.columns[level]} {found} for seed {table.index[seed]}"
    if np.sqrt((_double_centred(values) ** 2).mean()) <= PRECISION * np.abs(values).max():
        return f"the differences between the {_levels(table)} do not vary over the seeds"
    return ""


def _levels(table: pd.DataFrame) -> str:
    factor = FACTORS.get(table.columns.name)
    return factor.plural if factor else "levels"


def _require_testable(table: pd.DataFrame) -> None:
    if reason := obstacle(table):
        raise InputError(f"The {_levels(table)} {', '.join(map(str, table.columns))} cannot be tested: {reason}.")


def _double_centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()


def greenhouse_geisser(values: np.ndarray) -> float:
    """Compute epsilon of ``values`` (seeds, levels) from their double-centred covariance matrix.

    Greenhouse and Geisser, Psychometrika 24, 95 (1959). It is 1 under sphericity and 1 / (k - 1) at
    worst; n seeds fewer than the k levels cannot show more than (n - 1) / (k - 1).
    """
    covariance = _double_centred(np.cov(values, rowvar=False))
    contrasts = values.shape[1] - 1
    epsilon = np.trace(covariance) ** 2 / (contrasts * (covariance**2).sum())
    return float(np.clip(epsilon, 1 / contrasts, 1))  # rounding alone leaves these bounds


def repeated_measures_anova(table: pd.DataFrame) -> Anova:
    """Test whether the levels of a table (seeds x levels) differ.

    Raises:
        InputError: the table cannot be tested, see ``obstacle``.
    """
    _require_testable(table)
    # Here, since tables, figures and the report need less of this module, and start sooner.
    from statsmodels.stats.anova import AnovaRM

    long = table.melt(var_name="level", value_name="value", ignore_index=False).reset_index(names="seed")
    tested = AnovaRM(long, "value", "seed", within=["level"]).fit().anova_table.loc["level"]
    f_value, df_effect, df_error, p = map(float, tested)
    epsilon = greenhouse_geisser(table.to_numpy(float))
    low, high = eta_squared_interval(f_value, epsilon * df_effect, epsilon * df_error)
    return Anova(
        F=f_value,
        df_effect=df_effect,
        df_error=df_error,
        p=p,
        epsilon=epsilon,
        p_gg=float(fdtrc(epsilon * df_effect, epsilon * df_error, f_value)),
        eta_squared=f_value * df_effect / (f_value * df_effect + df_error),
        eta_low=low,
        eta_high=high,
    )


def paired(table: pd.DataFrame, a: str, b: str) -> Paired:
    """Test how much higher level ``a`` is than ``b``, seed by seed.

    Raises:
        InputError: they cannot be tested, see ``obstacle``.
    """
    _require_testable(table[[a, b]])
    return _t_test(table[[a, b]])


def _t_test(pair: pd.DataFrame) -> Paired:
    """Make the paired t-test of a table (seeds x 2) that can be tested."""
    differences = np.subtract(*pair.to_numpy(float).T)
    n = len(differences)
    mean, std = float(differences.mean()), float(differences.std(ddof=1))
    t, reach = mean / (std / sqrt(n)), half_width(std, n)
    d_low, d_high = d_z_interval(t, n)
    return Paired(
        mean, mean - reach, mean + reach, t, n - 1, 2 * float(stdtr(n - 1, -abs(t))), t / sqrt(n), d_low, d_high
    )


def analyse(
    metrics_csv: str | os.PathLike, anova_csv: str | os.PathLike, pairwise_csv: str | os.PathLike, factor: str = "model"
) -> None:
    """Write the `analyses` of an experiment.

    Raises:
        InputError: the factor is unknown, or the metrics cannot be read, or hold two values for one
            seed of a level.
    """
    for table, path in zip(
        analyses(read_metrics(metrics_csv), factor, metrics_csv), (anova_csv, pairwise_csv), strict=True
    ):
        write_csv(table, path)


def analyses(
    metrics: pd.DataFrame, factor: str = "model", source: str | os.PathLike = "The table"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make an ANOVA of every group of comparable rows, and test every pair of its levels.

    A group shares ``GROUP``. References are no levels and are left out. The threshold of the
    pairs is Bonferroni's, 0.05 over their number in the group.

    Args:
        metrics: rows with the columns of `columns.SCORES`.
        factor: what is compared, ``model`` or ``loss``; the other is held, and its name stands in
            the column ``held``.
        source: of the rows, for the sentence of an error.

    Returns:
        Tables with the columns `columns.ANOVA` and `columns.PAIRWISE`.

    Raises:
        InputError: the factor is unknown, or there are two values for one seed of a level.
    """
    if factor not in HELD:
        raise InputError(f"The factor '{factor}' is unknown, allowed are {' and '.join(HELD)}.")
    metrics = metrics[~metrics["model"].isin(REFERENCES)].rename(columns={HELD[factor]: "held"}).assign(factor=factor)
    if metrics.duplicated(subset=[*GROUP, factor, "seed"]).any():
        raise InputError(f"{source} holds two values for one seed of a {factor}.")
    anovas, pairs = [], []
    for key, rows in metrics.groupby(list(GROUP), sort=False):
        group = dict(zip(GROUP, key, strict=True))
        table = rows.pivot(index="seed", columns=factor, values="value")[list(rows[factor].unique())]
        anovas.append(group | _anova_row(table))
        pairs.extend(group | row for row in _pair_rows(table))
    return pd.DataFrame(anovas, columns=ANOVA), pd.DataFrame(pairs, columns=PAIRWISE)


def _anova_row(table: pd.DataFrame) -> dict:
    seeds, levels = table.shape
    note = obstacle(table)
    result = Anova() if note else repeated_measures_anova(table)
    if not note and seeds < levels:
        note = f"n={seeds} seeds for {levels} {_levels(table)}: epsilon poorly estimated, interval wide"
    return {"n_seeds": seeds, "n_levels": levels, **asdict(result), "note": note or _few_seeds(seeds)}


def _pair_rows(table: pd.DataFrame) -> list[dict]:
    pairs = list(combinations(table.columns, 2))
    return [_pair_row(table[[a, b]], len(pairs)) for a, b in pairs]


def _pair_row(table: pd.DataFrame, n_pairs: int) -> dict:
    """Test two levels (seeds x 2), of ``n_pairs`` that are tested."""
    a, b = table.columns
    alpha = SIGNIFICANCE / n_pairs
    note = obstacle(table)
    result = _difference_alone(table) if note else _t_test(table)
    return {
        "a": a,
        "b": b,
        "n_seeds": len(table),
        **asdict(result),
        "p_bonferroni": min(1.0, result.p * n_pairs) if not note else nan,
        "alpha": alpha,
        "significant": None if note else result.p < alpha,
        "note": note or _few_seeds(len(table)),
    }


def _difference_alone(table: pd.DataFrame) -> Paired:
    difference = (table.iloc[:, 0] - table.iloc[:, 1]).mean(skipna=False)
    return Paired(difference=float(difference) if abs(difference) < inf else nan)


def _few_seeds(seeds: int) -> str:
    return f"n={seeds}: interval wide" if seeds < FEW_SEEDS else ""
