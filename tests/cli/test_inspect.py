"""What `inspect` says of a scan is true of its patterns and positions."""

import json
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from ptychoformer.measurement.options import Patterns, Reading
from ptychoformer.measurement.summary import Facts, Fluence, nearest_step, overlap, probe_diameter, summarise
from ptychoformer.publication.scan.pictures import draw_scan

from .conftest import main, one_sentence, write_scan


def test_inspect_says_what_a_scan_holds(scan, tmp_path, capsys):
    assert main("inspect", scan, "--png", tmp_path / "deep" / "scan.png") == 0
    text = capsys.readouterr().out
    for words in (
        "112, frames of 32 x 32 pixels",
        "wavelength 140 pm (photons of 8.856 keV)",
        "10 nm",
        "recorded, 14.1 pixels across",
    ):
        assert words in text
    with Image.open(tmp_path / "deep" / "scan.png") as picture:
        assert min(picture.size) > 500


@pytest.mark.parametrize(("format", "unit"), [("cxi", "√photons"), ("velociprobe", "arb. units")])
def test_the_unit_of_a_probe_is_drawn_where_the_file_says_it(scan, format, unit):
    figure = draw_scan(replace(summarise(scan, Reading(), Patterns()), format=format))
    labels = [text.get_text() for text in figure.findobj(Text)]
    assert [label for label in labels if label in ("√photons", "arb. units")] == [unit]


def test_patterns_that_are_left_out_are_told_and_kept_if_asked(tmp_path, capsys):
    path = write_scan(tmp_path / "scan.cxi", rows=4, columns=5)
    with h5py.File(path, "a") as file:
        file["entry_1/data_1/data"][3:5] = 0
    assert main("inspect", path) == 0
    text = capsys.readouterr().out
    assert "  left out        2 empty (3-4)\n" in text
    assert "2 of 20 patterns hold no light, they are left out (--keep-frames keeps them): 3-4." in text
    for options, numbers in ((), [0, 1, 2, *range(5, 20)]), (("--keep-frames",), list(range(20))):
        assert main("reconstruct", path, "-o", tmp_path / "object.h5", "--iterations", 1, "--threads", 1, *options) == 0
        with h5py.File(tmp_path / "object.h5") as file:
            assert file["numbers"][:].tolist() == numbers
            assert len(file["positions"]) == len(numbers)
    capsys.readouterr()
    assert main("inspect", path, "--keep-frames", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["left_out"]["empty"] == []


def test_inspect_prints_the_same_as_json(scan, capsys):
    assert main("inspect", scan, "--json", "--crop", 16) == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts) == list(Facts.__annotations__)
    assert list(facts["photons"]) == list(Fluence.__annotations__)
    assert facts["patterns"] == 112
    assert facts["window"] == [16, 16]
    assert facts["pixel_size"] == pytest.approx(2e-8)
    assert facts["energy_kev"] == pytest.approx(8.856, abs=1e-3)
    assert facts["extent_metres"][0] == pytest.approx(80e-8, rel=0.05)
    assert facts["extent_pixels"][0] == pytest.approx(40, rel=0.05)
    assert 0.6 < facts["overlap_of_windows"] < 0.9
    assert facts["warnings"] == []


def test_counts_are_those_of_the_patterns(scan):
    found = summarise(scan, Reading(), Patterns())
    with h5py.File(scan) as file:
        patterns = file["entry_1/data_1/data"][:]
    np.testing.assert_allclose(found.photons, patterns.sum(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(found.mean, patterns.mean(axis=0), rtol=1e-5)
    assert found.brightest == patterns.max()


def test_positions_in_metres_are_shown_without_a_geometry(tmp_path, capsys):
    path = write_scan(tmp_path / "scan.cxi", rows=4)
    with h5py.File(path, "r+") as file:
        del file["ptychography"], file["entry_1/instrument_1/detector_1/distance"]
    assert main("inspect", path, "--png", tmp_path / "scan.png") == 0
    text = capsys.readouterr().out
    assert "not recorded: --distance" in text
    assert "not known without the geometry" in text
    assert "nm to the nearest neighbour" in text
    assert main("inspect", path, "--distance", 2) == 0
    assert "of the window's side" in capsys.readouterr().out


LENGTHS = {"wavelength": 1.4e-10, "distance": 2.0, "detector-pixel": 75e-6}


def write_plain(path, unit, positions=None, patterns=None):
    """An HDF5 file of no format, that records nothing but patterns (n, 16, 16) and positions (n, 2)."""
    random = np.random.default_rng(0)
    places = np.indices((6, 5)).reshape(2, -1).T if positions is None else positions
    with h5py.File(path, "w") as file:
        file["data"] = random.poisson(9.0, (len(places), 16, 16)) if patterns is None else patterns
        file["positions"] = places
        file["positions"].attrs["units"] = unit
    return path, "--data", "data", "--positions", "positions"


def test_whose_the_probe_is_is_said(tmp_path, capsys):
    scan = write_plain(tmp_path / "scan.h5", "pixel", 4.0 * np.indices((6, 5)).reshape(2, -1).T)
    np.save(tmp_path / "flat.npy", np.ones((16, 16), complex))
    across = 2 * 16 / np.pi**0.5  # of a disc with the area of the window
    for words, said in {
        (): "not recorded",
        ("--probe", "found"): "made from the patterns",
        ("--probe", tmp_path / "flat.npy"): f"given, {across:.3g} pixels across",
    }.items():
        assert main("inspect", *scan, *words) == 0
        assert re.search(rf"probe +{re.escape(said)}\n", capsys.readouterr().out)


@pytest.mark.parametrize("given", [(), ("wavelength",), ("distance", "detector-pixel"), ("wavelength", "distance")])
@pytest.mark.parametrize("unit", ["m", "um", "pixel"])
def test_what_is_said_of_lengths_is_true_of_the_scans_positions(tmp_path, capsys, unit, given):
    scale = {"m": 1e-7, "um": 0.1, "pixel": 1.0}[unit]
    scan = write_plain(tmp_path / "scan.h5", unit, 4 * scale * np.indices((6, 5)).reshape(2, -1).T)
    lengths = [f"--{name}={LENGTHS[name]}" for name in given]
    missing = [name for name in LENGTHS if name not in given]
    assert main("inspect", *scan, *lengths) == 0
    text = capsys.readouterr().out
    assert f"not recorded: {', '.join(f'--{name}' for name in missing)}" in text
    in_pixels = unit == "pixel"
    assert ("lengths are in pixels." in text) == ("not known, lengths are in pixels\n" in text) == in_pixels
    assert ("positions in metres" in text) == ("not known, lengths are in metres\n" in text) == (not in_pixels)
    assert re.search(r"step +4 pixels" if in_pixels else r"step +400 nm", text)
    code = main("reconstruct", *scan, *lengths, "-o", tmp_path / "object.h5", "--iterations", 1, "--threads", 1)
    said = capsys.readouterr().err
    assert code == (0 if in_pixels else 1)
    if not in_pixels:
        needed = f"give {' and '.join(f'--{name}' for name in missing)} in metres (geometry in a config)."
        assert needed in text
        assert said.splitlines()[-1].endswith(needed)
        assert main("inspect", *scan, *(f"--{name}={value}" for name, value in LENGTHS.items()), "--json") == 0
        assert json.loads(capsys.readouterr().out)["warnings"] == []


def test_positions_that_no_instrument_has_are_told_without_a_geometry(tmp_path, capsys):
    """Micrometres taken for metres."""
    assert main("inspect", *write_plain(tmp_path / "scan.h5", "m")) == 0
    assert "no instrument has an extent of the scan of 5 m; lengths must be in metres." in capsys.readouterr().out


@pytest.mark.parametrize("unit", ["m", "pixel"])
def test_patterns_with_light_at_one_position_alone_are_no_scan(tmp_path, capsys, unit):
    positions = np.array([[0.0, 0], [0, 0], [0, 0], [5e-6, 0], [0, 5e-6], [5e-6, 5e-6]])
    patterns = np.random.default_rng(0).poisson(9.0, (6, 16, 16)) * (np.arange(6) < 3)[:, None, None]
    assert main("inspect", *write_plain(tmp_path / "scan.h5", unit, positions, patterns)) == 1
    assert "all patterns that can be used have the same position" in one_sentence(capsys)


@pytest.mark.parametrize("lengths", [(), [f"--{name}={value}" for name, value in LENGTHS.items()]])
def test_exposures_repeated_in_place_make_no_step(tmp_path, capsys, lengths):
    places = np.repeat(4e-7 * np.indices((6, 5)).reshape(2, -1).T, 3, axis=0)
    noisy = places + np.random.default_rng(1).normal(0, 3e-9, places.shape)
    assert main("inspect", *write_plain(tmp_path / "scan.h5", "m", noisy), *lengths, "--json") == 0
    assert json.loads(capsys.readouterr().out)["step_metres"] == pytest.approx(4e-7, rel=0.03)


def test_a_scan_without_geometry_is_measured_in_pixels(tmp_path, capsys):
    path = write_scan(tmp_path / "scan.cxi", rows=4, optics=None, probe_known=False)
    assert main("inspect", path, "--png", tmp_path / "scan.png") == 0
    text = capsys.readouterr().out
    assert "not recorded: --wavelength, --distance, --detector-pixel" in text
    assert "lengths are in pixels" in text
    assert re.search(r"probe +not recorded", text)


def test_step_overlap_and_diameter_are_those_of_geometry():
    corners = np.indices((5, 6)).reshape(2, -1).T * 7.0
    assert nearest_step(np.concatenate([corners, corners])) == pytest.approx(7)
    y, x = np.indices((128, 128)) - 64
    assert probe_diameter((np.hypot(y, x) < 20).astype(complex)) == pytest.approx(40, rel=0.02)
    assert probe_diameter(np.exp(-(y**2 + x**2) / (4 * 6.0**2))) == pytest.approx(4 * 6, rel=0.01)
    assert overlap(7, 28) == 0.75
    assert overlap(30, 28) == 0


def test_a_window_that_cuts_the_probe_is_told(scan, capsys):
    for bin, told in ((1, False), (2, False), (4, True)):
        assert main("inspect", scan, "--bin", bin) == 0
        assert ("of the probe's light" in capsys.readouterr().out) == told
