"""A scan that was stopped early: what was never recorded is left out, and nothing else."""

import h5py
import numpy as np
import pytest

from ptychoformer.measurement.options import Patterns, Reading
from ptychoformer.measurement.preparation import open_prepared

DETECTOR = "entry_1/instrument_1/detector_1"
LEFT_OUT = "3 of 12 patterns have neither a position nor light, and are left out: 4, 10-11."
MISSING = [4, 10, 11]
RECORDED = np.setdiff1d(np.arange(12), MISSING)
PATTERNS = {"cxi": "entry_1/data_1/data", "nxcxi": f"{DETECTOR}/data", "ptychi": "dp"}


def stop(scan, format, dark, missing=MISSING):
    """Take positions, and the light of ``dark`` patterns, out of a scan's file."""
    with h5py.File(scan, "r+") as file:
        data = file[PATTERNS[format]]
        stored = data[:].reshape(12, 32, 32)
        stored[dark] = 0
        data[...] = stored.reshape(data.shape)
    positions = scan.with_name(scan.name.replace("_dp", "_para"))
    with h5py.File(positions, "r+") as file:
        names = ("probe_position_x_m", "probe_position_y_m") if format == "ptychi" else ["entry_1/data_1/translation"]
        for name in names:
            moved = file[name][:]
            moved[missing] = np.nan
            file[name][...] = moved
    return scan


@pytest.mark.parametrize("format", PATTERNS)
@pytest.mark.parametrize("size", [1, 5])
def test_patterns_with_neither_a_position_nor_light_are_left_out(write, read, measured, format, size):
    raw, frames = read(stop(write(format), format, MISSING), size=size)
    np.testing.assert_array_equal(frames, measured.patterns[RECORDED])
    np.testing.assert_array_equal(raw.numbered, RECORDED)
    size = 1 if raw.unit == "frame pixels" else measured.optics.pixel_size
    found = (raw.positions - raw.positions.min(axis=0)) / size
    expected = measured.corners[RECORDED]
    np.testing.assert_allclose(found, expected - expected.min(axis=0), atol=1e-3)
    assert raw.warnings[-1].endswith(LEFT_OUT)


def test_their_numbers_are_those_of_the_file_and_the_rest_is_judged_as_ever(write, measured):
    scan = stop(write("cxi"), "cxi", [*MISSING, 7])
    with open_prepared(scan, Reading(), Patterns()) as prepared:
        np.testing.assert_array_equal(prepared.numbers, [0, 1, 2, 3, 5, 6, 8, 9])
        np.testing.assert_array_equal(prepared.unusable["empty"], [7])
        assert sum(len(block) for block in prepared.frames(3)) == 8


def fill(scan, name, number, where=(), dtype=np.uint32):
    """Store patterns as integers, with a ``number`` where numpy is told to put it."""
    with h5py.File(scan, "r+") as file:
        patterns = file[name][:].astype(dtype)
        patterns[where] = number
        del file[name]
        file[name] = patterns


GAP = np.s_[:, 3, 3]


@pytest.mark.parametrize(
    ("number", "dtype"), [(2**32 - 1, np.uint32), (65535, np.uint16), (65535, np.float32), (255, np.uint8)]
)
@pytest.mark.parametrize("where", [MISSING, GAP], ids=["never written", "a gap"])
def test_the_largest_number_of_a_detector_or_file_is_no_light(write, read, measured, number, dtype, where):
    scan = stop(write("cxi", patterns=np.minimum(measured.patterns, 200)), "cxi", MISSING)
    fill(scan, f"{DETECTOR}/data", number, where, dtype)
    raw, frames = read(scan)
    assert raw.warnings[-1].endswith(LEFT_OUT)
    assert len(frames) == len(RECORDED)


@pytest.mark.parametrize("own", [True, False], ids=["of the file", "given"])
def test_a_masked_pixel_is_no_light(write, put, read, refused, own):
    scan = stop(write("cxi"), "cxi", MISSING)
    fill(scan, f"{DETECTOR}/data", 7, GAP)
    refused(scan, "3 positions are NaN or infinite")
    hot = np.zeros((32, 32), np.uint8)
    hot[GAP[1:]] = 1
    put(scan, **{f"{DETECTOR}/mask" if own else "hot": hot})
    raw, _ = read(scan, mask=None if own else "hot")
    assert raw.warnings[-1].endswith(LEFT_OUT)
    np.testing.assert_array_equal(raw.mask, hot)


def test_a_monitor_is_that_of_the_patterns_that_are_left(write, put, read):
    scan = put(stop(write("cxi"), "cxi", MISSING), **{"entry_1/data_1/monitor": np.arange(12.0)})
    raw, _ = read(scan)
    np.testing.assert_array_equal(raw.monitor, RECORDED)


def test_light_without_a_position_is_refused(write, refused):
    scan = stop(write("cxi"), "cxi", [4, 11])
    refused(scan, "1 positions are NaN or infinite, the first is that of pattern 10; repair them, or write a file")


@pytest.mark.parametrize("left", [0, 1])
def test_of_a_scan_without_positions_nothing_is_left(write, refused, left):
    missing = np.arange(left, 12)
    refused(stop(write("cxi"), "cxi", missing, missing), f"{12 - left} positions are NaN or infinite")
