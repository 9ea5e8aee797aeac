"""Numbers as people read them."""

import math

import pytest

from ptychoformer.evaluation.columns import GROUP, SCORES
from ptychoformer.evaluation.quantities import FACTORS, QUANTITIES, columns, number, p_and_level, p_value
from ptychoformer.publication.figures.parts.lengths import round_length, with_prefix


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [
        (1.005, False, "1.00"),
        (-0.5, False, "−0.50"),
        (0.5, True, "+0.50"),
        (-0.001, True, "0.00"),
        (math.inf, False, "∞"),
        (math.nan, False, "–"),
    ],
)
def test_number(value, sign, text):
    assert number(value, 2, sign=sign) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0046, 0.62, "+0.005 to +0.62"),
        (-0.62, -0.0004, "−0.62 to −0.0004"),
        (0.0, 0.006, "0.00 to +0.01"),
        (-1e-12, 0.6, "0.00 to +0.60"),  # of rounding
        (-math.inf, -0.001, "−∞ to −0.001"),
        (0.00499, 1, "+0.005 to +1.00"),
    ],
)
def test_an_end_of_an_interval_that_is_not_zero_is_not_printed_as_zero(low, high, text):
    assert QUANTITIES["psnr"].interval(low, high, sign=True) == text


def test_metrics_are_printed_in_the_papers_units():
    assert QUANTITIES["mse"].text(0.0432) == "4.32"
    assert QUANTITIES["psnr"].text(13.52) == "13.52"
    assert QUANTITIES["ssim"].text(0.835) == "83.50"
    assert [QUANTITIES[name].heading[-1] for name in ("mse", "psnr", "ssim")] == ["↓", "↑", "↑"]


def test_columns_are_the_metrics_of_each_channel():
    four = (("amplitude", "psnr"), ("amplitude", "ssim"), ("phase", "psnr"), ("phase", "ssim"))
    assert columns(["psnr", "ssim"]) == (*four, ("relative_phase", "psnr"), ("relative_phase", "ssim"))
    assert columns(["psnr", "ssim"], ("amplitude", "phase")) == four
    assert ("relative_phase", "mse") not in columns()
    assert len(columns()) == 3 * len(QUANTITIES) - 1


def test_a_factor_names_columns_that_exist():
    for factor in FACTORS.values():
        assert factor.condition in SCORES
        assert factor.condition_of_tests in GROUP


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1e-9, "p < 0.0001"),
        (0.0083, "p = 0.0083"),
        (0.0496, "p = 0.0496"),
        (0.0504, "p = 0.050"),
        (0.05, "p = 0.050"),
        (0.42, "p = 0.42"),
        (1.0, "p > 0.99"),
    ],
)
def test_p_value(p, text):
    assert p_value(p) == text


@pytest.mark.parametrize(
    ("p", "level", "texts"),
    [
        (0.0123, 0.05, ("p = 0.012", "0.05")),
        (0.04999, 0.05, ("p = 0.04999", "0.05")),
        (0.00832, 0.05 / 6, ("p = 0.0083", "0.00833")),
        (0.00834, 0.05 / 6, ("p = 0.0083", "0.0083")),
        (0.00829, 0.05 / 6, ("p = 0.00829", "0.0083")),
    ],
)
def test_p_and_its_level_are_told_apart(p, level, texts):
    assert p_and_level(p, level) == texts
    shown = [float(text.removeprefix("p = ")) for text in texts]
    assert (shown[0] < shown[1]) == (p < level)


@pytest.mark.parametrize(
    ("limit", "length"), [(1.0, 1), (1.9, 1), (2.0, 2), (4.9, 2), (7.0, 5), (2.56e-7, 2e-7), (1e-9, 1e-9)]
)
def test_scale_bars_have_the_longest_round_length_that_fits(limit, length):
    assert round_length(limit) == pytest.approx(length)


@pytest.mark.parametrize(
    ("length", "text"), [(2e-7, "200 nm"), (1e-6, "1 µm"), (5e-12, "5 pm"), (2e-14, "0.02 pm"), (2.0, "2 m")]
)
def test_lengths_have_prefixes(length, text):
    assert with_prefix(length) == text
