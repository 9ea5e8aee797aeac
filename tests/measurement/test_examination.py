"""Pixels and patterns are judged by the data, whatever marks them; what is good stays."""

import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ptychoformer import memory
from ptychoformer.errors import InputError
from ptychoformer.measurement.examination import examine
from ptychoformer.measurement.first_probe import as_bright_as, in_focus
from ptychoformer.measurement.frames import ranges
from ptychoformer.measurement.pixels import survey
from ptychoformer.measurement.preparation import Preparation, prepare
from ptychoformer.measurement.readers import RawScan
from ptychoformer.measurement.readers.scan import check_frames
from ptychoformer.randomness import generator

COUNT, SIDE = 60, 48
Y, X = np.indices((SIDE, SIDE)) - SIDE // 2
GAP = ((Y >= -6) & (Y < -3)) | ((X >= 4) & (X < 8))  # between four modules
AMID = GAP & (np.hypot(Y, X) < 12)  # where light falls beside it


@pytest.fixture
def patterns():
    """Counts (n, h, w) of a beam whose tails are dark, behind an object that lets through 60 to 100 %."""
    random = generator(0, "examination")
    expected = 3000 * np.exp(-(Y**2 + X**2) / (2 * 6.0**2))
    return random.poisson(expected * random.uniform(0.6, 1, (COUNT, 1, 1))).astype(np.float32)


def scan_of(patterns, **parts):
    def frames(size):
        for start in range(0, len(patterns), size):
            yield patterns[start : start + size].copy()

    positions = np.indices((len(patterns) // 6, 6)).reshape(2, -1).T * 5.0
    return RawScan(Path("scan"), "cxi", patterns.shape[1:], positions, "frame pixels", frames, centred=True, **parts)


def left_out(patterns, **parts):
    found = examine(scan_of(patterns, **parts), keep_frames=False)
    return {reason: numbers.tolist() for reason, numbers in found.unusable.items() if len(numbers)}


def test_a_scan_without_faults_keeps_all_of_it(patterns):
    found = examine(scan_of(patterns), keep_frames=False)
    assert not found.any_bad.any()
    assert found.used.all()
    assert found.warnings == ()
    np.testing.assert_allclose(found.mean, patterns.mean(axis=0, dtype=float))


# Pixels


@pytest.mark.parametrize("marker", [2.0**32 - 1, 2.0**31 - 1, 65535.0, 1e9, 5.0, -1.0, -2.0, np.nan])
def test_gaps_are_bad_whatever_marks_them(patterns, marker):
    patterns[:, GAP] = marker
    found = examine(scan_of(patterns), keep_frames=False)
    np.testing.assert_array_equal(found.bad["blind"], GAP)
    np.testing.assert_array_equal(found.any_bad, GAP)
    assert found.used.all()
    shown = "NaN" if np.isnan(marker) else f"{np.float32(marker):.6g}"
    assert found.warnings == (
        f"scan: {GAP.sum()} detector pixels are masked that count nothing, but always say {shown}.",
    )


def test_gaps_that_count_nothing_are_bad_where_light_falls_and_along_the_whole_detector(patterns):
    patterns[:, GAP] = 0
    bad = examine(scan_of(patterns), keep_frames=False).any_bad
    np.testing.assert_array_equal(bad, GAP)


HOLE = (np.abs(Y) < 3) & (np.abs(X + 2) < 4)
DARK = np.hypot(Y, X) > 20


@pytest.mark.parametrize("scattered", [3e-3, 0.02, 1.0])
def test_the_dark_hole_of_a_beam_and_the_dark_around_it_are_good(patterns, scattered):
    """Of 200,000 photons beside it, an object scatters some into the hole, here ten and more in the whole scan."""
    patterns[:, DARK] = 0
    patterns[:, HOLE] = generator(7, "scattered").poisson(scattered, (COUNT, HOLE.sum()))
    assert patterns[:, HOLE].any()
    found = examine(scan_of(patterns), keep_frames=False)
    assert not found.any_bad.any()
    told = any("if a beam stop is there, mask it" in warning for warning in found.warnings)
    assert told == (scattered < 0.1)


def test_a_beam_whose_middle_is_dark_by_interference_is_good():
    """The intensity of a vortex of charge 4 rises with r^8, so that the border of the dark is dim."""
    squared = (Y**2 + X**2) / 60
    expected = 4000 * squared**4 * np.exp(-3 * squared)
    vortex = generator(8, "vortex").poisson(expected, (COUNT, SIDE, SIDE)).astype(np.float32)
    assert np.sum(vortex.sum(axis=0)[np.hypot(Y, X) < 3] == 0) >= 5
    assert not examine(scan_of(vortex), keep_frames=False).any_bad.any()


STOPS = {
    "disc": np.hypot(Y, X) < 5,
    "small disc": np.hypot(Y - 0.5, X - 0.5) < 1.2,
    "square beside the centre": (np.abs(Y - 2) < 4) & (np.abs(X + 3) < 4),
    "strip": (np.abs(Y) < 2) & (np.abs(X) < 9),
    "dead part": (Y >= 3) & (Y < 7) & (X >= 3) & (X < 8),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("marker", [0.0, -1.0])
def test_what_lies_in_the_shadow_of_a_beam_stop_is_bad(patterns, stop, marker):
    patterns[:, DARK] = 0
    patterns[:, stop] = marker
    found = examine(scan_of(patterns), keep_frames=False)
    np.testing.assert_array_equal(found.any_bad, stop)
    if marker == 0:
        np.testing.assert_array_equal(found.bad["shaded"], stop)
        (warning,) = found.warnings
        assert f"{stop.sum()} detector pixels around" in warning
        assert "amid light: a beam stop" in warning


@pytest.mark.parametrize("marker", [-1.0, 65535.0, np.nan])
def test_a_beam_stop_is_found_across_a_gap(patterns, marker):
    stop = np.hypot(Y, X) < 6
    patterns[:, stop] = 0
    patterns[:, GAP] = marker
    found = examine(scan_of(patterns), keep_frames=False)
    np.testing.assert_array_equal(found.any_bad, stop | GAP)


def test_a_beam_stop_whose_holder_reaches_the_dark_is_told(patterns):
    stop = (np.hypot(Y, X) < 6) | ((np.abs(X) < 3) & (Y > 0))
    patterns[:, stop | DARK] = 0
    found = examine(scan_of(patterns), keep_frames=False)
    assert not found.bad["shaded"].any()
    (warning,) = found.warnings
    assert "the detector is dark at its beam's centre" in warning
    assert "if a beam stop is there, mask it" in warning


CLUSTERS = {
    "two by two": [(0, 0), (0, 1), (1, 0), (1, 1)],
    "four in a line": [(0, 0), (0, 1), (0, 2), (0, 3)],
    "corner": [(0, 0), (1, 0), (2, 0), (2, 1)],
    "diagonal": [(0, 0), (1, 1), (2, 2)],
}


@pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS)
@pytest.mark.parametrize("place", [(30, 30), (8, 14), (0, 0), (0, 21), (44, 44)])
def test_clusters_of_hot_pixels_are_bad(patterns, cluster, place):
    hot = np.zeros((SIDE, SIDE), bool)
    hot[tuple(np.transpose(np.add(cluster, place)))] = True
    beside = patterns.mean(axis=0).max() if np.hypot(*np.subtract(place, SIDE // 2)) < 10 else 50
    patterns[:, hot] = generator(9, "hot").poisson(40 * beside, (COUNT, hot.sum()))
    np.testing.assert_array_equal(examine(scan_of(patterns), keep_frames=False).bad["hot"], hot)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 2)])
def test_a_direct_beam_of_few_pixels_is_not_hot(shape):
    narrow = 0.05 + 20 / (1 + Y**2 + X**2)
    narrow[24 : 24 + shape[0], 24 : 24 + shape[1]] = 1e4
    beam = generator(10, "narrow").poisson(narrow, (COUNT, SIDE, SIDE)).astype(np.float32)
    assert not examine(scan_of(beam), keep_frames=False).any_bad.any()


def test_a_detector_without_faults_is_simulated(patterns):
    patterns[:, GAP] = 0
    patterns[:, 3, 3] = 5000
    assert not examine(scan_of(patterns, simulated=True), keep_frames=False).any_bad.any()


def test_single_photons_in_the_dark_are_light():
    few = generator(5, "sparse").poisson(0.002, (COUNT, 64, 64)).astype(np.float32)
    assert not examine(scan_of(few), keep_frames=True).any_bad.any()


def test_gaps_below_zero_take_no_light_away_from_patterns_of_few_photons(patterns):
    faint = generator(6, "faint").poisson(patterns / patterns.sum(axis=(1, 2), keepdims=True) * 60).astype(np.float32)
    faint[:, GAP] = -1
    assert left_out(faint) == {}


def test_a_pixel_that_is_stuck_is_bad_and_a_dark_one_is_not(patterns):
    patterns[:, SIDE // 2 + 3, SIDE // 2 - 3] = 1500  # what its neighbours count, but always
    bad = examine(scan_of(patterns), keep_frames=False).any_bad
    assert np.argwhere(bad).tolist() == [[SIDE // 2 + 3, SIDE // 2 - 3]]


def test_a_pixel_that_flashes_never_counts_as_light(patterns):
    clean, sick = patterns.copy(), [4, 20, 33]
    patterns[sick, 30, 30] = 1e9
    scan = prepare(scan_of(patterns))
    frames = np.concatenate(list(scan.frames(60)))
    assert scan.mask[30, 30] or not np.isin(sick, scan.numbers).any()
    assert frames.max() <= clean.max()
    assert scan.mask.sum() <= 1


def test_few_counts_that_are_the_same_by_chance_are_good():
    random = generator(1, "chance")
    for count, mean in ((6, 1.0), (6, 0.3), (12, 2.0)):
        found = examine(scan_of(random.poisson(mean, (count, 256, 256)).astype(np.float32)), keep_frames=False)
        assert not found.any_bad.any()


def test_a_counter_that_is_full_is_told_and_always_full_is_bad(patterns):
    full = np.minimum(patterns, 1500)
    found = examine(scan_of(full), keep_frames=False)
    reached = full.max(axis=0) == 1500
    always = full.min(axis=0) == 1500
    np.testing.assert_array_equal(found.any_bad, always)
    assert found.warnings == (
        f"scan: {always.sum()} detector pixels are masked that are overexposed in every pattern, they always say 1500.",
        f"scan: some patterns are overexposed, pixels that reach 1500: {(reached & ~always).sum()}.",
    )


MARKED = [(2.0**32 - 1, 2.0**32 - 1), (65535.0, 65535.0), (65535.0, None), (2.0**32 - 1, None), (16383.0, 16383.0)]


@pytest.mark.parametrize(("marker", "saturation"), MARKED)
@pytest.mark.parametrize("stopped", [0, 4], ids=["whole", "the last patterns not written"])
def test_pixels_that_overflow_in_some_patterns_are_unknown_in_all(patterns, marker, saturation, stopped):
    patterns[:, GAP] = marker
    patterns[COUNT - stopped :] = 0
    expected = prepare(scan_of(patterns, mask=GAP))
    sick = np.zeros((SIDE, SIDE), bool)
    sick[22:24, 22:24] = sick[30, 20] = True
    patterns[[5, 9, 17], 22:24, 22:24] = marker
    patterns[40, 30, 20] = marker
    found = examine(scan_of(patterns, saturation=saturation), keep_frames=False)
    np.testing.assert_array_equal(found.bad["overexposed"], sick)
    np.testing.assert_array_equal(found.bad["blind"], GAP)
    assert found.used.sum() == COUNT - stopped
    told = f"scan: 5 detector pixels are masked that say {marker:.0f} in some patterns, which is no count"
    assert sum(warning.startswith(told) for warning in found.warnings) == 1
    scan = prepare(scan_of(patterns, saturation=saturation))
    assert scan.centre == expected.centre
    frames, known = (np.concatenate(list(each.frames(60))) for each in (scan, expected))
    np.testing.assert_array_equal(frames[:, ~(sick | GAP)], known[:, ~(sick | GAP)])


def test_patterns_that_overflow_in_large_part_are_left_out_instead(patterns):
    patterns[3::3, 20:30] = 2.0**32 - 1
    patterns[10] = 2.0**32 - 1
    patterns[:, GAP] = 2.0**32 - 1
    scan = scan_of(patterns, saturation=2.0**32 - 1)
    assert left_out(patterns, saturation=2.0**32 - 1) == {"overexposed": sorted({10, *range(3, COUNT, 3)})}
    np.testing.assert_array_equal(examine(scan, keep_frames=False).any_bad, GAP)
    with pytest.raises(InputError, match="no detector pixel is good, all are masked, blind or overexposed"):
        examine(scan, keep_frames=True)


def test_where_most_of_the_light_overflows_the_object_is_doubted(patterns):
    patterns[patterns > 1500] = 65535
    (warning,) = examine(scan_of(patterns, saturation=65535.0), keep_frames=False).warnings[-1:]
    assert "without so much of the light the object may be wrong: measure with a shorter exposure" in warning


@pytest.mark.parametrize("saturation", [65535.0, None])
def test_a_full_counter_that_counts_come_near_to_is_told_and_used(patterns, saturation):
    full = np.minimum(np.rint(patterns * (65535 / np.sort(patterns, axis=None)[-4])), 65535)
    assert np.sum(full == 65535) == 4
    found = examine(scan_of(full, saturation=saturation), keep_frames=False)
    assert not found.bad["overexposed"].any()
    told = f"scan: some patterns are overexposed, pixels that reach 65535: {(full == 65535).any(axis=0).sum()}."
    assert told in found.warnings


def test_an_inverted_mask_is_refused_and_one_that_covers_bad_pixels_is_not(patterns):
    hot = np.zeros((SIDE, SIDE), bool)
    hot[5, 9] = hot[30, 24] = True
    patterns[:, hot] = generator(0, "hot").poisson(3e4, (COUNT, 2))
    patterns[:, GAP] = 2.0**32 - 1
    assert examine(scan_of(patterns, mask=hot | GAP), keep_frames=False).bad["masked"].sum() == (hot | GAP).sum()
    wrong = (
        f"scan: the mask excludes {(~(hot | GAP)).sum()} of {SIDE**2} pixels and 100% of the light; it may be inverted"
    )
    for mask in (~(hot | GAP), ~GAP, ~hot):
        with pytest.raises(InputError, match="it may be inverted: it must be 0 where the detector is good") as refused:
            examine(scan_of(patterns, mask=mask), keep_frames=False)
    with pytest.raises(InputError, match=re.escape(wrong)):
        examine(scan_of(patterns, mask=~(hot | GAP)), keep_frames=False)
    assert len(str(refused.value).splitlines()) == 1


def test_a_mask_of_the_direct_beam_is_told_and_used(patterns):
    found = examine(scan_of(patterns, mask=np.hypot(Y, X) < 16), keep_frames=False)
    assert found.warnings == (
        f"scan: the mask excludes {(np.hypot(Y, X) < 16).sum()} of {SIDE**2} pixels and 97% of the light.",
    )
    assert found.used.all()


@pytest.mark.parametrize("where", [np.s_[:, 3, 4], np.s_[7:9, 3, 4], np.s_[0, :, 3]])
def test_numbers_that_are_none_are_harmless_under_a_mask_and_refused_elsewhere(patterns, where):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[3, 4] = mask[:, 3] = True
    whole = prepare(scan_of(patterns, mask=mask))
    expected = np.concatenate(list(whole.frames(7)))
    patterns[where] = np.nan
    scan = prepare(scan_of(patterns, mask=mask))
    np.testing.assert_array_equal(np.concatenate(list(scan.frames(7))), expected)
    if where[0] != slice(None):
        with pytest.raises(
            InputError, match=r"pattern [07] holds NaN or infinity that no mask covers, in .*detector pixel"
        ):
            examine(scan_of(patterns), keep_frames=False)


NOISE = {
    "read-out noise": lambda random: random.normal(0, 0.3, (COUNT, SIDE, SIDE)),
    "whole noise": lambda random: np.rint(random.normal(0, 1, (COUNT, SIDE, SIDE))),
    "a dark of its own for each pixel": lambda random: np.tile(-random.random((SIDE, SIDE)), (COUNT, 1, 1)),
    "none": lambda random: 0.0,
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_darkness_below_zero_is_none_and_told_where_most_pixels_are_dark(patterns, noise):
    random = generator(12, "dark")
    patterns, dark = random.binomial(patterns.astype(int), np.exp(-(Y**2 + X**2) / 30)), noise(random)
    scan = (patterns + dark).astype(np.float32)
    found = examine(scan_of(scan), keep_frames=False)
    assert not found.any_bad.any()
    assert any("subtracted twice" in each for each in found.warnings) == ((scan < 0).all(axis=0).mean() > 0.5)
    scan = (patterns + dark - 9).astype(np.float32)
    found = examine(scan_of(scan), keep_frames=False)
    below = (scan < 0).all(axis=0)
    assert any(f"scan: {below.sum()} of {SIDE**2} detector pixels are below" in warning for warning in found.warnings)
    assert not found.any_bad.any()
    frames = np.concatenate(list(prepare(scan_of(scan)).frames(60)))
    np.testing.assert_array_equal(frames, np.maximum(scan, 0))
    scan[:, GAP] = -2  # a number that marks is no darkness
    np.testing.assert_array_equal(examine(scan_of(scan), keep_frames=False).any_bad & GAP, GAP)


def test_gaps_below_zero_are_bad_though_each_pattern_was_divided_by_another_number(patterns):
    patterns[:, GAP] = -1
    monitor = generator(13, "monitor").uniform(0.5, 2, (COUNT, 1, 1)).astype(np.float32)
    np.testing.assert_array_equal(examine(scan_of(patterns / monitor), keep_frames=False).any_bad & AMID, AMID)


@pytest.mark.parametrize("largest", [None, 1.0, 1e-10, 0.05])
@pytest.mark.parametrize("faulty", [GAP, HOLE, np.hypot(Y + 5, X - 9) < 1], ids=["gap", "stop", "dead"])
def test_patterns_divided_by_a_number_have_the_same_bad_pixels(patterns, largest, faulty):
    patterns[:, faulty] = 0
    patterns[:, 40, 40] = 5000 + np.arange(COUNT)
    patterns[:, 38, 12] = 700
    part = np.float32(7 if largest is None else patterns.max() / largest)
    expected, found = (examine(scan_of(each), keep_frames=False) for each in (patterns, patterns / part))
    assert expected.any_bad.sum() == faulty.sum() + 2
    for kind, pixels in expected.bad.items():
        np.testing.assert_array_equal(found.bad[kind], pixels)
    told = [warning for warning in found.warnings if "the counts are no photons" in warning]
    assert len(told) == (largest is not None)
    if told:
        divisor = float(re.search(r"multiples of (\S+), by which", told[0])[1])
        assert divisor == pytest.approx(1 / part, rel=1e-5)
    assert not any("no photons" in warning for warning in expected.warnings)


@pytest.mark.parametrize("factor", [3, 16, 1000])
def test_counts_multiplied_by_a_number_have_the_same_bad_pixels(patterns, factor):
    patterns = np.rint(patterns / 20)  # so that many a pixel never counts
    expected, found = (examine(scan_of(each), keep_frames=False) for each in (patterns, patterns * factor))
    for kind, pixels in expected.bad.items():
        np.testing.assert_array_equal(found.bad[kind], pixels)
    assert not any("no photons" in warning for warning in expected.warnings)
    assert any(f"no photons, all are multiples of {factor}, by which bad" in warning for warning in found.warnings)


def test_patterns_divided_by_a_number_each_are_told_and_noise_is_not(patterns):
    each = patterns / patterns.max(axis=(1, 2), keepdims=True)
    (warning,) = examine(scan_of(each), keep_frames=False).warnings
    assert "dead pixels, gaps and beam stops cannot be told from light" in warning
    random = generator(11, "noise")
    for noisy in (patterns + random.random(patterns.shape), patterns + random.normal(0, 0.3, patterns.shape)):
        warnings = examine(scan_of(noisy.astype(np.float32)), keep_frames=False).warnings
        assert not any("no photons" in warning for warning in warnings)
    assert examine(scan_of(each, simulated=True), keep_frames=False).warnings == ()


MONITOR = generator(18, "monitor").normal(1, 0.02, (COUNT, 1, 1)).astype(np.float32)
FUNCTIONS = {
    "square roots": {
        "sqrt by a monitor": lambda counts: np.sqrt(counts / MONITOR),
        "sqrt by a monitor, less a threshold": lambda counts: np.sqrt(np.maximum(counts / MONITOR - 1, 0)),
        "sqrt": np.sqrt,
        "normalised sqrt": lambda counts: np.sqrt(counts) / np.sqrt(counts.max()),
    },
    "logarithms": {
        "log1p by a monitor": lambda counts: np.log1p(counts / MONITOR),
        "log10 of counts and one": lambda counts: np.log10(counts + 1),
        "log1p": np.log1p,
        "log2 of counts and one": lambda counts: np.log2(counts + 1),
        "log10": lambda counts: np.log10(np.maximum(counts, 1)),
        "decibels": lambda counts: 10 * np.log10(np.maximum(counts, 1)),
        "normalised log": lambda counts: np.log1p(counts) / np.log1p(counts.max()),
        "log of many counts": lambda counts: np.log(counts + 20),
    },
}


@pytest.mark.parametrize(
    ("name", "function"), [(name, each) for name, those in FUNCTIONS.items() for each in those.values()]
)
@pytest.mark.parametrize("part", [1, 0.01])
def test_roots_and_logarithms_of_counts_are_told(patterns, name, function, part):
    patterns = generator(16, "thinned").binomial(patterns.astype(int), part).astype(np.float32)
    patterns[:, GAP] = 0
    warnings = examine(scan_of(function(patterns)), keep_frames=False).warnings
    assert f"scan: the counts are no photons, they are {name} of counts; undo that." in warnings


@pytest.mark.parametrize("size", [1, 7, 60])
def test_the_brightest_pattern_is_kept_of_those_that_are_used(patterns, size):
    patterns[3], patterns[20], used = 9 * patterns[3], 3 * patterns[20], np.arange(COUNT) != 3
    blocks = (patterns[start : start + size] for start in range(0, COUNT, size))
    seen = survey(blocks, used, np.ones((SIDE, SIDE), bool))
    np.testing.assert_array_equal(seen.brightest, patterns[20])


CORRECTIONS = {
    "gain": lambda random, counts: counts * 1.37,
    "flat field": lambda random, counts: counts * random.normal(1, 0.05, counts.shape[1:]),
    "monitor": lambda random, counts: counts * random.normal(1, 0.05, (COUNT, 1, 1)),
    "monitor, less a threshold": lambda random, counts: np.maximum(
        counts / random.normal(1, 0.05, (COUNT, 1, 1)) - 1, 0
    ),
    "too small for a step": lambda random, counts: counts * random.normal(1, 0.05, counts.shape) * 1e-15,
    "rounded": lambda random, counts: np.round(counts * random.normal(1, 0.05, counts.shape), 2),
    "of half precision": lambda random, counts: (counts * random.normal(1, 0.05, counts.shape)).astype(np.float16),
    "mean of three": lambda random, counts: counts / 3,
    "per second": lambda random, counts: counts / 0.1,
    "read-out noise": lambda random, counts: counts + random.normal(0, 0.3, counts.shape),
    "dark": lambda random, counts: np.maximum(counts - random.random(counts.shape[1:]), 0),
    "small fractions": lambda random, counts: counts * random.normal(1, 0.05, counts.shape[1:]) * 1e-9,
    "quarters": lambda random, counts: np.rint(counts) / 4,
    "offset": lambda random, counts: counts + 0.5,
    "two exposures": lambda random, counts: np.where(counts > 90, counts * 1.03, counts + 2),
    "two exposures, normalised": lambda random, counts: np.where(counts > 90, counts * 1.03, counts + 2) / 7,
}


@pytest.mark.parametrize("correction", CORRECTIONS.values(), ids=CORRECTIONS)
@pytest.mark.parametrize("part", [1, 0.01, 1e-4])
def test_corrected_counts_are_no_roots_nor_logarithms(patterns, correction, part):
    random = generator(17, "corrected")
    counts = random.binomial(patterns.astype(int), part).astype(np.float32)
    warnings = examine(scan_of(correction(random, counts).astype(np.float32)), keep_frames=False).warnings
    assert not any(" of counts; undo" in each for each in warnings)


OFFSETS = {
    "read-out noise": lambda random, shape: 40 + random.normal(0, 3, shape),
    "whole read-out noise": lambda random, shape: np.rint(40 + random.normal(0, 3, shape)),
    "an offset of its own for each pixel": lambda random, shape: np.tile(
        random.normal(40, 4, shape[1:]), (COUNT, 1, 1)
    ),
    "scattered light": lambda random, shape: random.poisson(40, shape),
}


@pytest.mark.parametrize("offset", OFFSETS.values(), ids=OFFSETS)
def test_a_level_on_which_all_pixels_stand_is_told_with_its_share_until_it_is_subtracted(patterns, offset):
    scan = (patterns + offset(generator(14, "offset"), patterns.shape)).astype(np.float32)
    (warning,) = [each for each in examine(scan_of(scan), keep_frames=False).warnings if "stand on a level" in each]
    level, share = re.search(r"level of about (\S+) counts in every pattern, (\d+)% of all counts", warning).groups()
    assert float(level) == pytest.approx(40, rel=0.3)
    assert int(share) == pytest.approx(100 * float(level) / scan.mean(), abs=1)
    for quiet in (scan_of(scan - np.float32(level)), scan_of(scan, simulated=True)):
        assert not any("stand on a level" in each for each in examine(quiet, keep_frames=False).warnings)


@pytest.mark.parametrize("spread", [0.005, 0.05])
@pytest.mark.parametrize("divided", [False, True])
def test_a_beam_that_varies_is_told_unless_patterns_were_divided_by_its_monitor(patterns, spread, divided):
    """Behind an object that is thicker at one end."""
    random = generator(19, "beam")
    beam = 1 + spread * random.standard_normal(COUNT)
    expected = patterns.mean(axis=0) * np.linspace(0.6, 1, COUNT)[:, None, None]
    counts = random.poisson(expected * beam[:, None, None]).astype(np.float32)
    counts = (counts / beam[:, None, None]).astype(np.float32) if divided else counts
    warnings = examine(scan_of(counts, monitor=3e5 * beam), keep_frames=False).warnings
    assert any("the beam varied by 5%" in each for each in warnings) == (spread == 0.05 and not divided)


@pytest.mark.parametrize("decaying", [False, True])
def test_patterns_that_were_divided_by_a_monitor_are_not_told_to_follow_it_by_chance(patterns, decaying):
    """Of each of many objects, at random places or thicker at one end as the beam decays."""
    for seed in range(20):
        random = generator(seed, "chance")
        beam = np.linspace(1.05, 0.95, COUNT) if decaying else 1 + 0.05 * random.standard_normal(COUNT)
        object = np.linspace(1, random.uniform(0.7, 1), COUNT) if decaying else random.uniform(0.6, 1, COUNT)
        expected = patterns.mean(axis=0) * object[:, None, None]
        counts = random.poisson(expected * beam[:, None, None]) / beam[:, None, None]
        assert examine(scan_of(counts.astype(np.float32), monitor=3e5 * beam), keep_frames=False).warnings == ()


def test_a_monitor_that_tells_nothing_is_none(patterns):
    random = generator(20, "monitor")
    for monitor in (np.zeros(COUNT), np.full(COUNT, COUNT), np.full(COUNT, np.nan), random.random(COUNT)):
        assert examine(scan_of(patterns, monitor=monitor), keep_frames=False).warnings == ()


def test_light_that_an_object_scatters_into_every_pixel_is_no_level():
    random = generator(15, "speckle")
    speckle = random.poisson(500 * random.exponential(size=(COUNT, SIDE, SIDE))).astype(np.float32)
    assert examine(scan_of(speckle), keep_frames=False).warnings == ()


# Patterns


def test_patterns_without_light_are_left_out(patterns):
    patterns[30:34] = 0
    patterns[50] = np.nan
    assert left_out(patterns) == {"empty": [30, 31, 32, 33, 50]}
    patterns[:, GAP] = 2.0**32 - 1
    assert left_out(patterns) == {"empty": [30, 31, 32, 33, 50]}
    patterns[30:34, GAP] = 0  # as a file has them that were never written
    assert left_out(patterns) == {"empty": [30, 31, 32, 33, 50]}
    np.testing.assert_array_equal(examine(scan_of(patterns), keep_frames=False).any_bad, GAP)


def test_repeated_patterns_are_left_out_but_for_the_first(patterns):
    patterns[11:13] = patterns[10]
    patterns[40] = patterns[3]
    assert left_out(patterns) == {"repeated": [11, 12, 40]}
    assert (
        left_out(patterns / 7) == {}
    )  # whatever is no count may be without noise, where equal parts of an object look equal


def test_patterns_far_from_all_others_are_left_out(patterns):
    patterns[5] = generator(2, "dump").poisson(0.5, (SIDE, SIDE))
    patterns[6] *= 20
    patterns[7] = 65535
    assert left_out(patterns) == {"dim": [5], "bright": [6, 7]}
    assert not examine(scan_of(patterns), keep_frames=False).any_bad.any()
    patterns[20:45] = generator(3, "off").poisson(0.01, (25, SIDE, SIDE))  # the beam was off for long
    assert left_out(patterns)["dim"] == [5, *range(20, 45)]


def test_an_object_that_is_opaque_in_part_loses_no_pattern(patterns):
    random = generator(4, "opaque")
    part = patterns / patterns.max()
    for transmission in (
        np.geomspace(0.02, 1, COUNT),
        np.where(np.arange(COUNT) < 20, 0.1, 1.0),
        np.where(np.arange(COUNT) < 4, 1, 0.12),
    ):
        assert left_out(random.poisson(5000 * transmission[:, None, None] * part).astype(np.float32)) == {}


def test_a_bright_part_of_the_object_loses_no_pattern(patterns):
    part = [13, 14, 19, 20]  # two rows of six positions
    patterns[part] *= 20
    assert left_out(patterns) == {}


def test_where_a_pattern_that_is_left_out_lay_does_not_matter(patterns):
    patterns[-1] = 0
    scan = scan_of(patterns)
    scan.positions[-1] = 1e5  # the stage was parked
    used = prepare(scan)
    np.testing.assert_array_equal(used.positions - used.positions.min(axis=0), scan.positions[:-1])
    assert used.positions.max() < 100


def test_patterns_that_are_left_out_are_so_everywhere_and_kept_if_asked(patterns):
    patterns[1] = 0
    patterns[9] = patterns[8]
    scan = prepare(scan_of(patterns, grid=(10, 6)))
    good = np.setdiff1d(np.arange(COUNT), [1, 9])
    np.testing.assert_array_equal(scan.numbers, good)
    np.testing.assert_array_equal(np.concatenate(list(scan.frames(7))), patterns[good])
    assert scan.grid is None
    assert scan.raster == (10, 6)
    assert (
        "scan: 1 of 60 patterns repeat an earlier one, they are left out (--keep-frames keeps them): 9."
        in scan.warnings
    )
    kept = prepare(scan_of(patterns, grid=(10, 6)), Preparation(keep_frames=True))
    np.testing.assert_array_equal(np.concatenate(list(kept.frames(7))), patterns)
    np.testing.assert_array_equal(kept.positions[good], scan.positions)
    assert kept.grid == (10, 6)
    assert "scan: 1 of 60 patterns hold no light, they are used, as was asked for: 1." in kept.warnings


RASTER = np.indices((12, 12)).reshape(2, -1).T * 5.0


def bent_at(places, photons=3000, seed=0):
    """Counts (n, h, w) of a beam that the object bends, here and there by a pixel or two."""
    y, x = places.T[..., None, None]
    bent = [2 * np.sin(0.11 * y + 0.07 * x), 2 * np.cos(0.06 * y - 0.13 * x)]
    expected = photons * np.exp(-((Y - bent[0]) ** 2 + (X - bent[1]) ** 2) / (2 * 6.0**2))
    return generator(seed, "bent").poisson(expected).astype(np.float32)


def said_of_places(counts, places):
    warnings = examine(replace(scan_of(counts), positions=places), keep_frames=False).warnings
    return [warning for warning in warnings if "differ as those of different places do" in warning]


@pytest.mark.parametrize("photons", [30, 3000])
@pytest.mark.parametrize("scale", [1, 1e-7])
def test_patterns_whose_positions_were_never_written_are_told(photons, scale):
    places, counts = RASTER.copy(), bent_at(RASTER, photons)
    places[-20:] = -0.0
    (warning,) = said_of_places(counts * np.float32(scale), places)
    assert "scan: 21 patterns are at one place, y 0 and x 0 pixels, yet differ" in warning
    assert warning.endswith(": 0, 124-143.")


@pytest.mark.parametrize("photons", [0.3, 30, 3000])
@pytest.mark.parametrize("places", [np.append(RASTER, RASTER[:1].repeat(30, 0), 0), RASTER.repeat(8, 0)])
@pytest.mark.parametrize("shared", [0, 0.7])
def test_exposures_that_were_repeated_in_place_are_not_told(photons, places, shared):
    """Nor if a photon's charge falls on several pixels, whose noise is then the same."""
    counts = bent_at(places, photons)
    counts = np.rint(gaussian_filter(100 * counts, (0, shared, shared))) if shared else counts
    assert said_of_places(counts, places) == []


def test_a_place_that_drifts_by_less_than_a_step_is_not_told():
    places = np.append(RASTER, RASTER[:1].repeat(30, 0), 0)
    drifted = places + np.r_[np.zeros(len(RASTER)), np.linspace(0, 3, 30)][:, None]
    assert said_of_places(bent_at(drifted), places) == []


def test_simulated_patterns_are_never_at_fault(patterns):
    patterns[9] = patterns[8]
    assert left_out(patterns, simulated=True) == {}


def test_a_scan_of_which_nothing_is_left_is_refused(patterns):
    patterns[1:] = 0
    with pytest.raises(InputError, match="1 of 60 patterns can be used; the others hold no light"):
        examine(scan_of(patterns), keep_frames=False)


def test_frames_of_the_largest_detectors_are_read_and_larger_ones_refused():
    check_frames("an Eiger of 16 million pixels", (100, 4362, 4148))
    with pytest.raises(InputError, match="must hold patterns of 8 x 8 to 8192 x 8192 pixels, found 8193 x 64"):
        check_frames("data", (100, 8193, 64))


def test_frames_that_memory_cannot_hold_are_refused(patterns, monkeypatch):
    for there, told in ((111 * SIDE**2, False), (109 * SIDE**2, True)):
        monkeypatch.setattr(memory, "memory", lambda there=there: float(there))
        expected = pytest.raises(
            InputError, match=r"scan: a frame of 48 x 48 pixels takes .* GB of memory, and there are"
        )
        with expected if told else nullcontext():
            examine(scan_of(patterns), keep_frames=False)


def test_numbers_are_told_as_ranges():
    assert ranges(np.array([3, 7, 8, 9])) == "3, 7-9"
    assert ranges(np.arange(0, 20, 2)) == "0, 2, 4, 6 and 6 more"


def test_one_bright_pattern_sets_no_probe(patterns):
    import torch

    amplitudes = torch.from_numpy(np.sqrt(patterns))
    usual = in_focus(amplitudes)
    scale = np.sum(np.abs(as_bright_as(usual, amplitudes)) ** 2)
    np.testing.assert_allclose(scale, patterns.sum(axis=(1, 2)).max(), rtol=0.1)
    amplitudes[17] = torch.from_numpy(np.sqrt(1e4 * np.roll(patterns[17], 9, axis=1)))
    changed = in_focus(amplitudes)
    assert np.abs(np.vdot(usual, changed)) / np.linalg.norm(usual) / np.linalg.norm(changed) > 0.97
    np.testing.assert_allclose(np.sum(np.abs(as_bright_as(changed, amplitudes)) ** 2), scale, rtol=0.02)
