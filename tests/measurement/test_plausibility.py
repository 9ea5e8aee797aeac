"""Lengths in another unit than metres are noticed, and named; those of real instruments are not."""

import re
from dataclasses import replace

import h5py
import numpy as np
import pytest

from ptychoformer import memory
from ptychoformer.errors import InputError
from ptychoformer.evaluation import stream
from ptychoformer.measurement.options import Patterns, Reading, ReconstructionOptions
from ptychoformer.measurement.plausibility import doubts, falls_apart, nearest_step
from ptychoformer.measurement.reconstruct import reconstruct
from ptychoformer.measurement.summary import summarise

CORNERS = np.indices((10, 10)).reshape(2, -1).T * 8.0
LENGTHS = {
    "wavelength": 1.55e-10,
    "distance": 2.0,
    "detector pixel": 75e-6,
    "extent of the scan": 2.3e-6,
    "pixel of the object": 3.2e-8,
}
WINDOW = 64


def doubts_if(**wrong):
    """What is doubted if lengths are so many times too large."""
    names = {"extent": "extent of the scan", "pixel": "detector pixel"}
    lengths = dict(LENGTHS)
    for name, factor in wrong.items():
        lengths[names.get(name, name)] *= factor
    pixel = lengths["wavelength"] * lengths["distance"] / lengths["detector pixel"]
    factor = LENGTHS["wavelength"] * LENGTHS["distance"] / LENGTHS["detector pixel"] / pixel * wrong.get("extent", 1)
    lengths["pixel of the object"] = LENGTHS["pixel of the object"] * wrong.get("extent", 1) / factor
    return doubts("scan", CORNERS * factor, WINDOW, None, lengths)


def test_a_scan_of_plausible_lengths_raises_no_doubt():
    assert doubts_if() == ()
    electrons = {
        "wavelength": 2.5e-12,
        "distance": 1.0,
        "detector pixel": 55e-6,
        "extent of the scan": 2e-8,
        "pixel of the object": 2e-11,
    }
    light = {
        "wavelength": 6e-7,
        "distance": 0.05,
        "detector pixel": 5e-6,
        "extent of the scan": 5e-3,
        "pixel of the object": 3e-6,
    }
    for lengths in (electrons, light, {}):
        assert doubts("scan", CORNERS, WINDOW, None, lengths) == ()


@pytest.mark.parametrize(
    ("name", "factor", "words"),
    [
        ("distance", 1e3, "the distance (2000 m) may be in millimetres"),
        ("distance", 1e6, "the distance (2e+06 m) may be in micrometres"),
        ("wavelength", 1e9, "the wavelength (0.155 m) may be in nanometres"),
        ("extent", 1e6, "the positions may be in um rather than m:"),
        ("extent", 1e9, "the positions may be in nm rather than m:"),
        ("pixel", 1e6, "the detector pixel (75 m) may be in micrometres"),
        ("pixel", 1e3, "the detector pixel (0.075 m) may be in millimetres"),
    ],
)
def test_a_length_in_another_unit_is_named(name, factor, words):
    (sentence,) = doubts_if(**{name: factor})
    assert words in sentence
    assert " or the " not in sentence


@pytest.mark.parametrize(
    ("said", "true", "factor"), [("um", "mm", 1e-3), ("mm", "um", 1e3), ("nm", "um", 1e-3), ("Micrometers", "nm", 1e3)]
)
def test_a_unit_of_positions_that_is_wrongly_said_is_suspected_first(said, true, factor):
    lengths = LENGTHS | {"extent of the scan": LENGTHS["extent of the scan"] * factor}
    (sentence,) = doubts("scan", CORNERS * factor, WINDOW, None, lengths, said)
    assert f"; the positions may be in {true} rather than {said}" in sentence


def test_positions_of_electrons_alone_are_suspected_to_be_in_angstrom():
    """0.2 Å of steps, which were taken for metres; of x-rays the same would be nanometres."""
    lengths = LENGTHS | {"wavelength": 2.5e-12, "extent of the scan": 18.0}
    (sentence,) = doubts("scan", CORNERS * 1e10, WINDOW, None, lengths)
    assert "the positions may be in angstrom rather than m" in sentence
    (sentence,) = doubts("scan", CORNERS * 1e10, WINDOW, None, lengths | {"wavelength": 1.55e-10})
    assert "angstrom" not in sentence


def test_no_length_is_blamed_for_positions_in_pixels():
    lengths = {name: value for name, value in LENGTHS.items() if name != "extent of the scan"}
    for factor in (1e-3, 1e3):
        (sentence,) = doubts("scan", CORNERS * factor, WINDOW, None, lengths)
        assert " may be in " not in sentence


def test_a_scan_without_overlap_is_doubted():
    (sentence,) = doubts("scan", CORNERS * 8, WINDOW, None, {})
    assert sentence == "scan: the step of 64 pixels is no shorter than the window, 64: an overlap of 0 %."
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW // 2
    (sentence,) = doubts("scan", CORNERS, WINDOW, np.hypot(y, x) < 3.5, {})
    assert "no shorter than the probe's diameter" in sentence
    assert doubts("scan", CORNERS, WINDOW, np.hypot(y, x) < 9, {}) == ()


def test_exposures_repeated_in_place_are_one_place_but_for_the_noise_of_its_encoder():
    random = np.random.default_rng(0)
    for times in (1, 2, 3, 10):
        noisy = np.repeat(CORNERS / 2, times, axis=0) + random.normal(0, 0.05, (times * 100, 2))
        assert nearest_step(noisy, 0.01 * 32) == pytest.approx(4, rel=0.05)
    some = np.concatenate([CORNERS, CORNERS[:30] + random.normal(0, 0.05, (30, 2))])
    assert nearest_step(some, 0.01 * WINDOW) == pytest.approx(8, rel=0.02)


@pytest.mark.parametrize("step", [0.05, 0.2, 0.3, 0.5, 0.63])
def test_the_step_of_a_dense_scan_is_its_own(step):
    """Shorter than what noise may be: a raster, and the lines of a scan on the fly."""
    raster = np.indices((30, 30)).reshape(2, -1).T * step
    lines = np.indices((5, 200)).reshape(2, -1).T * [9.0, step]
    for positions in (raster, lines):
        assert nearest_step(positions, 0.01 * WINDOW) == pytest.approx(step)
    assert nearest_step(np.array([[0.0, 0.0], [0.0, step]]), 0.01 * WINDOW) == pytest.approx(step)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_scan_without_motion_along_one_axis_is_told_and_a_single_line_is_not(axis):
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, 100)
    for along in (0, noise):
        flat = CORNERS.copy()
        flat[:, axis] = along
        (sentence,) = doubts("scan", flat, WINDOW, None, LENGTHS)
        assert sentence.startswith(f"scan: the scan is {np.ptp(flat[:, axis]):.3g} pixels wide along {'yx'[axis]} ")
        assert "If it is no repeated line, its motion along this axis is missing from the positions" in sentence
    flat[:, 1 - axis] = 3.0 * np.arange(100) + noise
    assert doubts("scan", flat, WINDOW, None, LENGTHS) == doubts("scan", -flat, WINDOW, None, LENGTHS) == ()
    two_lines = np.stack([3.0 * (np.arange(100) % 50), np.arange(100) // 50 * 2.0], axis=1)
    assert doubts("scan", two_lines, WINDOW, None, LENGTHS) == ()


def test_a_scan_that_falls_apart_is_told_and_one_that_hangs_together_is_not():
    numbers = np.arange(200) + 5
    for apart, told in ((20, False), (31, False), (41, True), (60, True)):
        lines = np.indices((5, 40)).reshape(2, -1).T * [apart, 2]
        sentences = falls_apart("scan", lines, 32, numbers)
        assert len(sentences) == told
        if told:
            assert sentences[0].startswith(
                "scan: the scan falls into 5 parts that do not overlap, a window of 32 pixels"
            )
            assert sentences[0].endswith("the smallest: patterns 5-44.")
    outlier = np.concatenate([CORNERS, [[4000, 0]]])
    assert falls_apart("scan", outlier, WINDOW, np.arange(101))[0].endswith("the smallest: pattern 100.")
    angle = np.sqrt(np.arange(300)) * 5
    spiral = angle[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) * 2
    for positions in (CORNERS, CORNERS * 7.9, spiral, np.random.default_rng(0).uniform(0, 300, (100, 2))):
        assert falls_apart("scan", positions, WINDOW, np.arange(len(positions))) == ()


def test_a_scan_that_falls_apart_is_told_when_it_is_prepared(write):
    path = write("cxi")
    assert not any("falls into" in warning for warning in summarise(path, Reading(), Patterns()).scan.warnings)
    with h5py.File(path, "a") as file:
        file["entry_1/sample_1/geometry_1/translation"][3, 0] += 3e-6
    warnings = summarise(path, Reading(), Patterns()).scan.warnings
    assert any("falls into 2 parts" in each and each.endswith("the smallest: pattern 3.") for each in warnings)


def test_lengths_that_hide_each_other_are_named():
    (sentence,) = doubts_if(distance=1e3, extent=1e3)
    assert sentence == "scan: no instrument has a distance of 2000 m; lengths must be in metres."


def test_memory_that_is_not_there_is_not_taken(monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: 8e9)
    memory.check_memory("An object", 7e9, str)
    with pytest.raises(InputError, match=r"An object takes 72 GB of memory, and there are 8 GB; 0\.1\."):
        memory.check_memory("An object", 72e9, "{:g}".format)


def test_memory_is_what_the_system_says_or_a_limit_below(monkeypatch, tmp_path):
    assert 1e8 < memory.memory() < 1e15
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "limit")
    whole = memory.memory()
    for text, expected in (("max\n", whole), ("123456789\n", 123456789), ("9" * 30, whole)):
        (tmp_path / "limit").write_text(text)
        assert memory.memory() == expected


def test_the_crop_that_is_named_fits(monkeypatch, write, measured, tmp_path):
    options = ReconstructionOptions(iterations=1, averaged=1, probe_from=1, positions_from=None)
    where = {"output": tmp_path / "object.h5", "convergence": tmp_path / "object.csv"}
    path = write("cxi")
    monkeypatch.setattr(memory, "memory", lambda: 250e3)
    with pytest.raises(
        InputError, match=r"an object of .* pixels, with 12 patterns of 32 x 32, takes .* --crop (\d+) would fit"
    ) as refused:
        reconstruct(path, Reading(), options, **where)
    assert not list(tmp_path.glob("object*"))
    crop = int(re.search(r"--crop (\d+)", str(refused.value)).group(1))
    assert crop < 32
    reconstruct(path, Reading(), replace(options, crop=crop), **where)


@pytest.fixture
def with_known_probe(tmp_path, capsys):
    """Reconstruct with the probe as it is; returns what was said."""

    def said(path, **options):
        known = ReconstructionOptions(iterations=1, averaged=1, probe_from=None, positions_from=None, **options)
        where = {"output": tmp_path / "object.h5", "convergence": tmp_path / "object.csv"}
        capsys.readouterr()
        reconstruct(path, Reading(), known, **where)
        return capsys.readouterr().err

    return said


def brighter(measured, factor):
    return replace(measured, probe=(measured.probe * np.sqrt(factor)).astype(np.complex64))


@pytest.mark.parametrize("factor", [1 / 2e5, 1 / 1024, 0.2])
@pytest.mark.parametrize("format", ["velociprobe", "ptychodus"])
def test_a_known_probe_with_less_light_than_its_patterns_is_refused(
    write, measured, with_known_probe, tmp_path, format, factor
):
    path = write(format, scan=brighter(measured, factor))
    held = re.escape(f"{2e5 * factor:.4g}")
    words = rf"its patterns hold up to 1\.\d+e\+05 photons, its probe holds {held} .*; leave out --probe-known"
    with pytest.raises(InputError, match=f"{path.name}: {words}"):
        with_known_probe(path)
    assert not list(tmp_path.glob("object*"))


def test_a_known_probe_that_hardly_passes_the_object_is_told(write, measured, with_known_probe):
    assert "hardly anything would pass the object" in with_known_probe(
        write("velociprobe", scan=brighter(measured, 1e3))
    )


@pytest.mark.parametrize("options", [{}, {"crop": 16}, {"bin": 2}, {"bin": 4}])
@pytest.mark.parametrize("factor", [1, 0.7, 20])  # 0.7: the first of modes, 20: behind a dark object
@pytest.mark.parametrize("radius", [5.0, 8.0])
def test_a_known_probe_in_photons_is_taken_without_a_word(write, simulate, with_known_probe, options, factor, radius):
    measured = simulate(radius=radius)
    said = with_known_probe(write("velociprobe", scan=brighter(measured, factor)), **options)
    assert "its patterns hold up to" not in said


def test_a_beam_stop_is_no_dark_object(write, simulate, put, with_known_probe):
    measured = brighter(simulate(grid=(4, 5), radius=9.0), 20)
    path = write("ptychodus", scan=measured)
    stop = np.hypot(*(np.indices((32, 32)) - 16)) < 9
    patterns = np.where(stop, 0, measured.patterns)
    assert patterns.sum(axis=(1, 2)).max() < 0.01 * np.sum(np.abs(measured.probe) ** 2)
    put(path, patterns=patterns.astype(np.uint32), bad_pixels=stop)
    assert "its patterns hold up to" not in with_known_probe(path)


def test_a_scan_of_whose_positions_none_can_be_had_is_still_looked_at(write, measured):
    path = write("cxi", patterns=measured.patterns)
    with h5py.File(path, "a") as file:
        del file["entry_1/instrument_1/detector_1/distance"]
    assert summarise(path, Reading(), Patterns()).pixels is None


def test_a_scene_that_memory_cannot_hold_is_refused_and_one_in_rows_is_not():
    rows = np.indices((3000, 3000)).reshape(2, -1).T * 20
    stream._check_memory(rows, (32, 32))
    spread = np.random.default_rng(0).permutation(np.array([[0, 0], [2**24, 2**24], [5, 2**20], [2**23, 7]]))
    with pytest.raises(
        InputError, match=r"A scene of 16777248 x 16777248 pixels takes .* would fit, or patterns that run row by row"
    ):
        stream._check_memory(spread, (32, 32))
