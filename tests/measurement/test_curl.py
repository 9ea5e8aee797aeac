"""Patterns tell how positions lie against the detector: their centres of mass have no curl in the right ones."""

import json
import os
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from ptychoformer import cli
from ptychoformer.errors import InputError
from ptychoformer.measurement.curl import Bearing, about_bearings, find_bearings
from ptychoformer.measurement.cxi import create_dataset
from ptychoformer.measurement.options import Patterns, Reading
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.measurement.readers.axes import AS_THEY_ARE, WAYS, in_another_way, reordered, turned
from ptychoformer.measurement.windows import windows
from ptychoformer.simulation.diffraction import diffraction

from .conftest import write_cxi

DATA = Path(os.environ.get("PTYCHOFORMER_DATA", "data"))
READ = [*product(("x,y", "-x,y", "y,x", "-y,x"), (0.0, 20.0, -75.0))]


def hills(places, noise=0.0, seed=0):
    """The gradient (n, 2) of a smooth landscape of waves at ``places`` (n, 2), with noise in units of its own."""
    random = np.random.default_rng(seed)
    waves = random.normal(0, 0.25, (40, 2))
    phases = random.uniform(0, 2 * np.pi, 40)
    slopes = np.cos(places @ waves.T + phases) @ waves
    return slopes + noise * slopes.std() * random.normal(size=slopes.shape)


@pytest.fixture(scope="module")
def places():
    return np.random.default_rng(1).uniform(0, 40, (900, 2))


def read_as(stored, axes, turn):
    """Positions (n, 2) y, x of stored numbers x, y."""
    return turned(reordered("scan", stored, axes), turn)


def stored_so_that(places, axes, turn):
    """What is stored, y, x, of positions that are ``places`` only as ``axes`` and ``turn`` read them."""
    back = np.linalg.inv(read_as(np.eye(2), axes, turn))
    return places @ back


@pytest.mark.parametrize(("axes", "turn"), READ)
@pytest.mark.parametrize(("given", "given_turn"), [("x,y", 0.0), ("y,-x", 0.0), ("-x,y", 33.0)])
def test_the_cure_leads_to_the_right_positions(places, axes, turn, given, given_turn):
    stored = stored_so_that(places, axes, turn)
    assert_allclose(read_as(stored, axes, turn), places, atol=1e-9)
    (found,) = find_bearings(read_as(stored, given, given_turn), hills(places, noise=0.3))
    assert found.error < 1
    cured = read_as(stored, *found.cure(given, given_turn))
    # Up to a half turn, which nothing tells.
    assert min(np.abs(sign * cured - places).max() for sign in (1, -1)) < np.hypot(40, 40) * np.radians(4 * found.error)


def test_right_positions_are_confirmed(places):
    (found,) = find_bearings(places, hills(places))
    assert found.way == AS_THEY_ARE
    assert abs(found.turn) < 4 * found.error < 2
    assert not found.is_turned
    assert [found.way for found in find_bearings(-places, hills(places))] == [AS_THEY_ARE]


def test_a_beam_that_moves_with_the_scan_changes_nothing(places):
    slopes = hills(places)
    (still,), (moved,) = (
        find_bearings(places, slopes),
        find_bearings(places, slopes + places @ [[0.0, 0.4], [-0.3, 0.1]]),
    )
    assert moved.way == still.way
    assert moved.turn == pytest.approx(still.turn, abs=1e-6)


def test_turns_scatter_by_their_standard_error():
    wide = np.random.default_rng(1).uniform(0, 100, (4000, 2))  # of hills of some ten pixels
    found = [find_bearings(wide, hills(wide, noise=0.5, seed=seed)) for seed in range(60)]
    assert {bearing.way for one in found for bearing in one} == {AS_THEY_ARE}
    scatter = np.array([bearing.turn / bearing.error for one in found for bearing in one])
    assert len(scatter) > 50
    assert 0.7 < np.sqrt(np.mean(scatter**2)) < 1.4


@pytest.mark.parametrize(("exposures", "noise"), [(2, 0.0), (2, 0.01), (10, 0.0), (10, 0.01), (30, 0.01)])
def test_exposures_in_place_count_once(places, exposures, noise):
    random, many = np.random.default_rng(2), np.repeat(places[::2], exposures, axis=0)
    slopes = hills(many) + 0.3 * random.normal(size=many.shape)
    (found,) = find_bearings(turned(many + noise * random.normal(size=many.shape), 20), slopes)
    assert (found.way, found.turn) == (AS_THEY_ARE, pytest.approx(-20, abs=4 * found.error))
    assert found.error < 1.5


@pytest.mark.parametrize("ratio", [1, 3, 10, 20])
@pytest.mark.parametrize("axis", [0, 1])
def test_steps_may_differ_along_the_axes(ratio, axis):
    rows = np.indices((30, 30 * ratio)).reshape(2, -1).T * (1.5, 1.5 / ratio)
    places = rows[:, :: 1 - 2 * axis]
    (found,) = find_bearings(turned(places, 20), hills(places, noise=0.3))
    assert (found.way, found.turn) == (AS_THEY_ARE, pytest.approx(-20, abs=max(1, 4 * found.error)))


@pytest.mark.parametrize("axis", [0, 1])
def test_stripes_do_not_tell_mirrored_positions(places, axis):
    slopes = np.zeros_like(places)
    slopes[:, axis] = np.cos(places[:, axis]) + np.cos(0.37 * places[:, axis])
    slopes += 0.05 * np.random.default_rng(0).normal(size=slopes.shape)
    assert {found.way for found in find_bearings(places, slopes)} == {AS_THEY_ARE, "mirrored"}
    assert {found.way for found in find_bearings(places[:, ::-1], slopes)} == {"swapped", "turned"}


@pytest.mark.parametrize(
    "scan",
    [
        lambda random: (random.uniform(0, 40, (900, 2)), random.normal(size=(900, 2))),
        lambda random: (random.uniform(0, 40, (900, 2)), np.zeros((900, 2))),
        lambda random: (random.uniform(0, 40, (900, 2)) * (1, 0), random.normal(size=(900, 2))),
        lambda random: ((few := random.uniform(0, 8, (99, 2))), hills(few)),
        lambda random: (np.repeat(few := random.uniform(0, 8, (90, 2)), 10, axis=0), hills(np.repeat(few, 10, axis=0))),
    ],
    ids=["noise", "no motion of the light", "a line", "few places", "few places, many exposures"],
)
def test_what_tells_nothing_is_not_held_against_positions(scan):
    assert find_bearings(*scan(np.random.default_rng(5))) == ()


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_never_taken_for_a_turn(seed):
    random = np.random.default_rng(seed)
    places = np.indices((12, 12)).reshape(2, -1).T * 5.0
    assert find_bearings(places, random.normal(size=places.shape)) == ()


def test_a_long_scan_is_looked_at_in_part_only():
    places = np.random.default_rng(0).uniform(0, 200, (60_000, 2))
    (found,) = find_bearings(turned(places, 12), hills(places))
    assert (found.way, found.turn) == (AS_THEY_ARE, pytest.approx(-12, abs=1))


@pytest.mark.parametrize(
    ("axes", "way", "expected"),
    [
        ("x,y", "mirrored", "-x,y"),
        ("x,y", "swapped", "y,x"),
        ("x,y", "turned", "y,-x"),
        ("-,-y,x", "mirrored", "-,-y,-x"),
        ("-,-y,x", "swapped", "-,-x,y"),
        ("y,-,-x", "turned", "-x,-,-y"),
        (" +x , y", "mirrored", "-x,y"),
        ("x,y", AS_THEY_ARE, "x,y"),
    ],
)
def test_axes_are_named_as_the_option_takes_them(axes, way, expected):
    assert in_another_way(axes, way) == expected
    assert list(WAYS) == [AS_THEY_ARE, "turned", "mirrored", "swapped"]


def test_turning_is_from_x_to_y():
    assert_allclose(turned(np.array([[0.0, 1.0]]), 90), [[1, 0]], atol=1e-12)
    assert_allclose(turned(np.array([[1.0, 0.0]]), 90), [[0, -1]], atol=1e-12)


def test_a_turn_past_a_half_turn_is_told_as_the_shorter_one():
    assert Bearing(AS_THEY_ARE, 40, 1).cure("x,y", 170) == ("x,y", pytest.approx(-150))
    assert Bearing("mirrored", 10, 1).cure("x,y", 30) == ("-x,y", pytest.approx(-20))
    assert Bearing("turned", 40, 1).cure("x,y", 20) == ("x,y", pytest.approx(-30))


def advice(given, turn, *found):
    """The options that a warning names."""
    return re.findall(r"--[a-z-]+=[-,.xy\d]+", "".join(about_bearings("scan", given, turn, found)))


@pytest.mark.parametrize(
    ("given", "turn", "found", "expected"),
    [
        ("x,y", 0, Bearing(AS_THEY_ARE, 4, 0.1), []),
        ("x,y", 0, Bearing(AS_THEY_ARE, 8, 2), []),
        ("x,y", 0, Bearing(AS_THEY_ARE, 8, 1), ["--positions-turn=8.0"]),
        ("x,y", 10, Bearing(AS_THEY_ARE, -20, 1), ["--positions-turn=-10.0"]),
        ("x,y", 30, Bearing(AS_THEY_ARE, -29, 1), ["--positions-turn=0.0"]),
        ("x,y", 0, Bearing("mirrored", 3, 1), ["--positions-axes=-x,y"]),
        ("x,y", 0, Bearing("mirrored", 30, 1), ["--positions-axes=-x,y", "--positions-turn=30.0"]),
        ("-,x,y", 0, Bearing("swapped", 3, 1), ["--positions-axes=-,y,x"]),
        ("x,-y", 0, Bearing("mirrored", 3, 1), ["--positions-axes=x,y"]),
        ("-y,-x", 0, Bearing("swapped", 3, 1), ["--positions-axes=x,y"]),
        ("-,y,-x", 0, Bearing("turned", 3, 1), ["--positions-axes=-,x,y"]),
        ("x,-y", -25, Bearing("mirrored", 0.3, 1), ["--positions-axes=x,y", "--positions-turn=25.3"]),
        ("x,y", 33, Bearing("turned", 1, 1), ["--positions-axes=y,-x", "--positions-turn=34.0"]),
        ("x,y", 90, Bearing("turned", -1, 1), ["--positions-turn=0.0"]),
        ("y,x", 80, Bearing("mirrored", 30, 1), ["--positions-axes=x,y", "--positions-turn=40.0"]),
    ],
)
def test_a_warning_names_all_that_must_change(given, turn, found, expected):
    assert advice(given, turn, found) == expected


def test_nothing_is_said_where_two_ways_are_left():
    assert advice("x,y", 0, Bearing("turned", 0, 1), Bearing("swapped", 0, 1)) == []
    assert advice("x,y", 0, Bearing(AS_THEY_ARE, 20, 1), Bearing("mirrored", 0, 1)) == []


@pytest.mark.parametrize(("axis", "part", "seed"), [*product([0, 1], [0.3, 1, 3, 10, 30], range(4))])
def test_a_beam_that_drifts_from_line_to_line_is_no_fault_of_the_positions(axis, part, seed):
    places = np.indices((30, 30)).reshape(2, -1).T * 1.5
    slopes = hills(places, noise=0.1, seed=seed)
    slopes[:, axis] += part * slopes.std() * np.sin(places[:, 0] / 4)
    assert about_bearings("scan", "x,y", 0.0, find_bearings(places, slopes)) == ()


@pytest.fixture(scope="module")
def thick(simulate):
    """A scan of 12 x 12 patterns of a smooth object that absorbs and shifts the phase."""
    measured = simulate(grid=(12, 12), step=5, photons=2e4)
    random = np.random.default_rng(0)
    absorbed, phase = (gaussian_filter(random.normal(size=measured.object.shape), 3) for _ in range(2))
    thing = (0.8 + 0.1 * absorbed / absorbed.std()) * np.exp(0.4j * phase / phase.std())
    waves = measured.probe * windows(thing, measured.corners, measured.probe.shape)
    patterns = random.poisson(diffraction(waves)).astype(np.float32)
    optics = replace(measured.optics, pixel_size=1e-7)
    return replace(measured, object=thing, patterns=patterns, optics=optics)


def inspected(path, capsys, *words):
    capsys.readouterr()
    assert cli.main(["inspect", str(path), "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("motion", "option"),
    [
        (lambda xy: xy, None),
        (lambda xy: xy[:, ::-1], "--positions-axes=y,x"),
        (lambda xy: xy * (-1, 1), "--positions-axes=-x,y"),
        (lambda xy: xy * (1, -1), "--positions-axes=-x,y"),
        (lambda xy: xy[:, ::-1] * (1, -1), "--positions-axes=y,-x"),
    ],
    ids=["right", "swapped", "x mirrored", "y mirrored", "turned"],
)
def test_a_file_with_wrong_axes_is_noticed_and_the_option_mends_it(thick, tmp_path, capsys, motion, option):
    path = write_cxi(tmp_path / "scan.cxi", thick)
    name = "entry_1/sample_1/geometry_1/translation"
    with h5py.File(path, "r+") as file:
        file[name][:, :2] = motion(file[name][:, :2])
    facts = inspected(path, capsys)
    if option is None:
        assert facts["warnings"] == []
        assert [told["axes"] for told in facts["axes_told"]] == ["x,y"]
        return
    (warning,) = facts["warnings"]
    assert (
        f"Look whether the R factor is lower with {option} (positions_axes, positions_turn in a config), or" in warning
    )
    mended = inspected(path, capsys, option)
    assert mended["warnings"] == []
    assert mended["positions_axes"] == option.partition("=")[2]
    offsets = np.array([facts["extent_pixels"], mended["extent_pixels"]])
    assert_allclose(np.sort(offsets), np.sort(np.ptp(thick.corners, axis=0) * np.ones((2, 1))), atol=1e-3)


def test_axes_are_told_of_positions_in_metres_without_a_geometry(thick, tmp_path, capsys):
    path = write_cxi(tmp_path / "scan.cxi", thick)
    with h5py.File(path, "r+") as file:
        del file["entry_1/instrument_1/detector_1/distance"]
        name = "entry_1/sample_1/geometry_1/translation"
        file[name][:, :2] = file[name][:, :2][:, ::-1]
    facts = inspected(path, capsys)
    assert [told["axes"] for told in facts["axes_told"]] == ["y,x"]
    assert any("--positions-axes=y,x" in warning for warning in facts["warnings"])


def test_pixels_that_are_not_trusted_do_not_move_the_centre_of_mass(thick, tmp_path, capsys):
    path, patterns = tmp_path / "scan.cxi", thick.patterns.copy()
    patterns[:, 3:6, 25:28] += np.random.default_rng(0).poisson(3e4, (144, 3, 3))
    write_cxi(path, thick, patterns)
    with h5py.File(path, "r+") as file:
        file["entry_1/instrument_1/detector_1/mask"][3:6, 25:28] = 1
    (told,) = inspected(path, capsys)["axes_told"]
    assert (told["axes"], told["error"] < 5) == ("x,y", True)


def test_positions_of_a_simulation_are_not_doubted(thick, tmp_path):
    path = tmp_path / "scan.cxi"
    for condition, warnings in ({}, 1), ({"photons": 2e4}, 0):
        contents = {"window": (32, 32), "positions": thick.corners[:, ::-1], "condition": condition}
        with create_dataset(path, **contents, optics=thick.optics) as data:
            data[:] = thick.patterns
        with open_prepared(path, Reading(), Patterns()) as scan:
            assert [bearing.way for bearing in scan.bearings] == ["swapped"]
            assert len(scan.warnings) == warnings


def test_a_turned_scan_is_noticed_and_the_option_turns_it_back(thick, tmp_path, capsys):
    path = write_cxi(tmp_path / "scan.cxi", thick)
    name = "entry_1/sample_1/geometry_1/translation"
    with h5py.File(path, "r+") as file:
        file[name][:, :2] = turned(file[name][:, :2][:, ::-1], -25)[:, ::-1]
    (warning,) = inspected(path, capsys)["warnings"]
    assert re.search(
        r"or the scan be turned. Look whether the R factor is lower with --positions-turn=2\d\.\d ", warning
    )
    (told,) = inspected(path, capsys)["axes_told"]
    assert told["turn"] == pytest.approx(25, abs=4 * told["error"])
    mended = inspected(path, capsys, "--positions-turn", "25")
    assert (mended["warnings"], mended["positions_turn"]) == ([], 25)
    with open_prepared(path, Reading(positions_turn=25), Patterns()) as scan:
        corners = scan.positions - scan.positions.min(axis=0)
    assert_allclose(corners, thick.corners, atol=1e-3)


@pytest.mark.parametrize("turn", [0, 25])
def test_a_turn_is_one_where_pixels_of_the_object_are_oblong(thick, tmp_path, capsys, turn):
    """The middle half of a detector's rows samples y half as finely as x."""
    steps = turned(thick.corners, -turn) * (0.5, 1)
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["frames"], file["steps"] = thick.patterns[:, 8:24], steps[:, ::-1]
    words = ("--data", "frames", "--positions", "steps", "--positions-unit", "pixel")
    (told,) = inspected(tmp_path / "scan.h5", capsys, *words)["axes_told"]
    assert told == {"axes": "x,y", "turn": pytest.approx(turn, abs=3), "error": pytest.approx(1, abs=1)}
    reading = Reading(data="frames", positions="steps", positions_unit="pixel", positions_turn=turn)
    with open_prepared(tmp_path / "scan.h5", reading, Patterns()) as scan:
        corners = scan.positions - scan.positions.min(axis=0)
    assert_allclose(2 * corners, thick.corners, atol=1e-6)


def test_a_raster_is_none_any_more_once_its_axes_are_changed(write, read):
    path = write("nanoprobe")
    assert read(path)[0].grid is not None
    for options in ({"positions_axes": "y,x"}, {"positions_turn": 3.0}):
        assert read(path, **options)[0].grid is None


def test_a_third_number_is_refused_where_the_format_has_two(write):
    expected = pytest.raises(InputError, match="the axes of positions name number 3 of each, its format has 2")
    with expected, open_prepared(write("cxi"), Reading(positions_axes="-,x,y"), Patterns()):
        pass


@pytest.mark.skipif(not (STAR := DATA / "aps_siemens_star/siemens-star-small.npz.bz2").exists(), reason="no data")
@pytest.mark.parametrize(("axes", "turn"), [("x,y", 0.0), ("y,x", 0.0), ("-x,y", 0.0), ("y,-x", 0.0), ("x,y", 40.0)])
def test_a_measured_scan_tells_its_axes(axes, turn):
    with open_prepared(STAR, Reading(positions_axes=axes, positions_turn=turn), Patterns()) as scan:
        (found,) = scan.bearings
        warned = [warning for warning in scan.warnings if "centres of mass" in warning]
    cured, angle = found.cure(axes, turn)
    assert cured in ("x,y", "-x,-y")
    assert abs(angle) < 3 * found.error < 15
    assert bool(warned) == ((axes, turn) != ("x,y", 0.0))


def beam(kind, side):
    """A complex probe (side, side) of an aperture of a quarter of the detector, not normalised."""
    y, x = (np.indices((side, side)) - side // 2) / (side / 8)
    radius = np.hypot(y, x)
    bent = {
        "in focus": 0 * x,
        "out of focus": 6 * radius**2,
        "astigmatic": 5 * radius**2 + 4 * (x**2 - y**2),
        "coma": 4 * radius**2 + 6 * radius**2 * x,
        "through slits": 6 * radius**2,
    }[kind]
    aperture = np.maximum(abs(x), 1.5 * abs(y)) < 1 if kind == "through slits" else radius < 1
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(aperture * np.exp(1j * bent))))


def thing(kind, side, random):
    """A complex object (side, side)."""
    first, second = (gaussian_filter(random.normal(size=(side, side)), 3, mode="wrap") for _ in range(2))
    first, second = first / first.std(), second / second.std()
    return {
        "weak phase": np.exp(0.3j * first),
        "strong phase": np.exp(3j * first),
        "absorbing": np.clip(0.6 + 0.2 * first, 0.05, 1).astype(complex),
        "unrelated": np.clip(0.6 + 0.2 * first, 0.05, 1) * np.exp(0.5j * second),
        "two materials": np.where(first > 0.3, 0.7 * np.exp(0.8j), 1),
    }[kind]


@pytest.mark.slow
def test_ordinary_beams_mislead_nobody_and_swapped_axes_are_noticed():
    random, side, noticed = np.random.default_rng(0), 64, []
    beams = ("in focus", "out of focus", "astigmatic", "coma", "through slits")
    objects = ("weak phase", "strong phase", "absorbing", "unrelated", "two materials")
    for probe, kind, (overlap, photons) in product(beams, objects, ((0.8, 1e3), (0.8, 1e5), (0.65, 1e4), (0.5, 1e5))):
        wave = beam(probe, side)
        wave *= np.sqrt(photons / np.sum(np.abs(wave) ** 2))
        intensity = np.abs(wave) ** 2
        step = (1 - overlap) * 2 * photons / np.sqrt(np.pi * np.sum(intensity**2))
        corners = (np.indices((18, 18)).reshape(2, -1).T + random.uniform(-0.3, 0.3, (324, 2))) * step
        corners = np.rint(corners - corners.min(axis=0)).astype(int)
        waves = wave * windows(thing(kind, corners.max() + side, random), corners, (side, side))
        patterns = random.poisson(diffraction(waves))
        along = np.arange(side) - side // 2
        moments = np.stack([patterns.sum(axis=2) @ along, patterns.sum(axis=1) @ along], axis=1)
        centres = moments / patterns.sum(axis=(1, 2))[:, None]
        found = find_bearings(corners.astype(float), centres)
        assert about_bearings("scan", "x,y", 0.0, found) == (), (probe, kind)
        swapped = find_bearings(corners[:, ::-1].astype(float), centres)
        noticed.append("--positions-axes=y,x " in "".join(about_bearings("scan", "x,y", 0.0, swapped)))
    assert np.mean(noticed) >= 0.5
