"""Scans that PtyPy has prepared: all chunks are one scan, and all that such files can lack or contradict."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from scipy import constants

from ptychoformer.measurement.options import Geometry, Patterns, Reading
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.measurement.readers import open_scan

from .conftest import from_origin


@pytest.fixture
def ptyd(write, put):
    """A file in which entries are others, or missing where None."""
    return lambda *, size=5, weights=None, linked=False, **entries: put(
        write("ptyd", size=size, weights=weights, linked=linked), **entries
    )


@pytest.fixture
def mask(measured):
    """Bad pixels (h, w)."""
    bad = np.zeros(measured.patterns.shape[1:], bool)
    bad[3, 5] = bad[20:, 2] = True
    return bad


def weights_of(measured, bad):
    return np.broadcast_to(np.where(bad, 0, 2.5), measured.patterns.shape).copy()


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("size", [1, 5, 12])
def test_all_chunks_are_one_scan_in_the_order_of_their_numbers(ptyd, read, measured, size, linked):
    """Of twelve chunks HDF5 lists 10 and 11 before 2."""
    raw, frames = read(ptyd(size=size, linked=linked), size=4)
    assert (raw.format, raw.unit, raw.particle, raw.warnings) == ("ptyd", "metres", "photon", ())
    np.testing.assert_array_equal(frames, measured.patterns)
    np.testing.assert_allclose(
        from_origin(raw.positions) / measured.optics.pixel_size, from_origin(measured.corners), atol=1e-6
    )


def test_what_was_read_of_a_chunk_is_not_kept(tmp_path, write, simulate):
    """An open dataset keeps a megabyte of what was read of it, so that of chunks without end there would be no end."""

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    scan = simulate(grid=(40, 40), window=64)
    path = write("ptyd", scan=scan, size=40, weights=np.ones(scan.patterns.shape))
    with open_scan(path) as raw:
        next(raw.frames(8))
        before = resident()
        assert sum(map(len, raw.frames(8))) == 1600
        assert resident() - before < scan.patterns.nbytes / 2


def test_pixels_without_weight_are_bad(ptyd, measured, read, mask):
    raw, frames = read(ptyd(weights=weights_of(measured, mask)))
    np.testing.assert_array_equal(raw.mask, mask)
    np.testing.assert_array_equal(frames, measured.patterns)
    for common in (mask == 0, np.where(mask, 0, 7)):
        np.testing.assert_array_equal(read(ptyd(**{"meta/weight2d": common}))[0].mask, mask)
    assert read(ptyd())[0].mask is None
    # As in PtyPy, those of the patterns have priority.
    path = ptyd(weights=weights_of(measured, mask), **{"meta/weight2d": np.ones(mask.shape)})
    np.testing.assert_array_equal(read(path)[0].mask, mask)


def test_weights_of_single_patterns_are_refused(ptyd, measured, refused, mask):
    weights = weights_of(measured, mask)
    weights[7, 9, 9] = 0
    told = "'chunks' must have weights .* in the same pixels for all patterns, those of pattern 7 differ[.]$"
    refused(ptyd(weights=weights), told)
    refused(ptyd(weights=weights), told, format="ptyd", size=100)
    weights = weights_of(measured, mask)
    told = r"'chunks/1/weights' must have the patterns' shape \(5, 32, 32\), as .* found none"
    refused(ptyd(weights=weights, **{"chunks/1/weights": None}), told)
    refused(ptyd(weights=weights, **{"chunks/1/weights": weights[:4]}), r"found \(4, 32, 32\)")
    refused(ptyd(weights=0 * weights), "'chunks/[*]/weights' leaves no pixel; a weight is 0 where the detector is bad")
    refused(ptyd(**{"meta/weight2d": np.ones((2, 2))}), r"'meta/weight2d' must have the patterns' shape \(32, 32\)")


def test_geometry_may_be_missing_or_none_or_replaced(ptyd, put, read, measured):
    nothing = dict.fromkeys(("meta/energy", "meta/distance", "meta/psize", "meta/center", "meta/num_frames"))
    lengths = ("wavelength", "distance", "detector_pixel", "centre", "particle")
    path = ptyd(**nothing)
    assert [getattr(read(path)[0], name) for name in lengths] == [None] * 5
    with h5py.File(path, "r+") as file:
        for number, name in enumerate(nothing):
            file[name] = "None" if number % 2 else np.zeros(1)
            file[name].attrs["type"] = "string" if number % 2 else "None"
    raw, _ = read(path)
    assert [getattr(raw, name) for name in lengths] == [None] * 5
    assert raw.warnings == ()
    wrong = put(
        path, **{"meta/distance": 0.0, "meta/energy": -1.0, "meta/psize": np.zeros(2), "meta/center": np.ones(3)}
    )
    given = Geometry(measured.optics.wavelength, 2.0, measured.optics.detector_pixel_size(32))
    with open_prepared(wrong, Reading(geometry=given, centre=(16, 16)), Patterns()) as scan:
        assert scan.optics.pixel_size == pytest.approx(measured.optics.pixel_size)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"meta/propagation": "nearfield"}, "'meta/propagation' must be farfield, patterns of the near field are not"),
        ({"meta/distance": 0.0}, "'meta/distance' must be one number greater than 0, found"),
        ({"meta/energy": 0.0}, "'meta/energy' must be one number greater than 0, found"),
        ({"meta/energy": 1e12}, "'meta/energy' must be that of a photon in keV, found 1e[+]12"),
        ({"meta/energy": 1e-12}, "'meta/energy' must be that of a photon in keV, found 1e-12"),
        ({"meta/psize": [1e-5, 1e16]}, "'meta/psize' must be one or two lengths of"),
        ({"chunks/1/positions": np.ones((5, 3))}, r"'chunks/1/positions' must have the shape \(5, 2\), found \(5, 3\)"),
        ({"meta/psize": np.ones(3)}, r"'meta/psize' must be one or two lengths of .* found \[1.0, 1.0, 1.0\]"),
        ({"meta/psize": [1e-5, 0]}, "'meta/psize' must be one or two lengths of"),
        ({"meta/center": [np.nan, 16]}, r"'meta/center' must be one or two numbers, found \[nan, 16.0\]"),
        ({"chunks": None, "chunks/a": 1}, "'chunks' holds no patterns"),
        ({"chunks/1/data": None}, "'chunks/1/data' is not in the file"),
        ({"chunks/1/data": np.ones((5, 32, 31), "f4")}, "'chunks' must hold datasets .* of one size and type of frame"),
        ({"chunks/1/data": np.ones((5, 32, 32), "i4")}, "and chunks/1/data of shape .5, 32, 32., int32"),
        ({"chunks/1/positions": None}, "'chunks/1/positions' is not in the file"),
        (
            {"chunks/1/positions": None, "chunks/1/positions/00000": 1},
            "'chunks/1/positions' must be a dataset, found a",
        ),
        ({"chunks/1/positions": np.ones((4, 2))}, r"'chunks/1/positions' must have the shape \(5, 2\), found \(4, 2\)"),
        ({"chunks/1": h5py.ExternalLink("gone.part001", "/")}, "in the file 'gone.part001', which is missing"),
    ],
)
def test_what_cannot_be_used_is_named(ptyd, refused, entries, sentence):
    refused(ptyd(**entries), sentence)


@pytest.mark.parametrize(("unit", "size"), [(None, 1), ("keV", 1), ("eV", 1e3), ("J", constants.eV * 1e3)])
def test_an_energy_is_in_kev_unless_it_has_a_unit(ptyd, read, measured, unit, size):
    energy = constants.h * constants.c / measured.optics.wavelength / constants.eV / 1e3 * size
    assert read(ptyd(**{"meta/energy": (energy, unit)}))[0].wavelength == pytest.approx(
        measured.optics.wavelength, rel=1e-6, abs=0
    )


def test_pixels_of_the_detector_may_be_oblong_and_one_number_may_stand_for_both(ptyd, read):
    assert read(ptyd(**{"meta/psize": [1e-5, 2e-5]}))[0].detector_pixel == (1e-5, 2e-5)
    assert read(ptyd(**{"meta/psize": 1e-5}))[0].detector_pixel == (1e-5, 1e-5)
    assert read(ptyd(**{"meta/psize": ([10.0, 20.0], "um")}))[0].detector_pixel == pytest.approx((1e-5, 2e-5))


def test_the_zero_frequency_is_in_the_pixel_of_the_centre(ptyd, read):
    for stated, centre in (([15.6, 18.4], (16, 18)), ([15.5, 16.5], (16, 17)), (17, (17, 17)), ("fftshift", None)):
        assert read(ptyd(**{"meta/center": stated}))[0].centre == centre
    raw, _ = read(ptyd(**{"meta/center": [0.0, 16.0]}))
    assert raw.centre is None
    assert raw.warnings == (
        f"{raw.path}: 'meta/center' puts the beam at pixel (0, 16) of a frame of 32 x 32, and is ignored.",
    )


def test_chunks_that_are_missing_or_empty_are_told(ptyd, read, measured):
    raw, frames = read(ptyd(**{"chunks/1": None}))
    assert raw.warnings == (
        f"{raw.path}: 'chunks' holds chunks up to number 2, but no chunk 1.",
        f"{raw.path} holds 7 patterns, of 12 that there should be by 'meta/num_frames'.",
    )
    kept = [0, 1, 2, 3, 4, 10, 11]
    np.testing.assert_array_equal(frames, measured.patterns[kept])
    np.testing.assert_allclose(
        np.diff(raw.positions, axis=0), np.diff(measured.corners[kept], axis=0) * measured.optics.pixel_size, atol=1e-14
    )
    raw, frames = read(ptyd(**{"chunks/3/data": np.zeros(0), "chunks/3/positions": np.zeros(0)}))
    assert (raw.warnings, len(frames)) == ((), 12)


@pytest.mark.parametrize("data", ["chunks", "/chunks/", "chunks/0", "chunks/0/data"])
def test_a_path_within_chunks_is_referred_to_the_format(ptyd, refused, data):
    how = dict(data=data, positions="chunks/0/positions", positions_unit="m")
    refused(ptyd(), f"'{data}' is of the format ptyd of PtyPy, whose chunks are read together; leave out --data", **how)


def test_a_group_of_that_name_makes_no_file_ptypys(tmp_path, put, read, refused, measured):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["chunks/0/data"], file["at"] = measured.patterns, measured.corners * 1e-8
    assert len(read(path, data="chunks/0/data", positions="at", positions_unit="m")[1]) == 12
    refused(path, "holds no patterns, neither at entry_1")


@pytest.mark.parametrize("expected", [10, 14])
def test_another_number_of_patterns_than_there_should_be_is_told(ptyd, read, expected):
    raw, _ = read(ptyd(**{"meta/num_frames": expected}))
    told = f"{raw.path} holds 12 patterns, of {expected} that there should be by 'meta/num_frames'."
    assert raw.warnings == (told,)


def test_whole_numbers_end_where_their_type_does(write, measured, read):
    raw, _ = read(write("ptyd", scan=replace(measured, patterns=measured.patterns.astype("u2"))))
    assert raw.saturation == 2**16 - 1


def test_a_small_weight_is_one(ptyd, measured, read, mask):
    np.testing.assert_array_equal(read(ptyd(weights=weights_of(measured, mask) / 10))[0].mask, mask)
    np.testing.assert_array_equal(read(ptyd(**{"meta/weight2d": np.where(mask, 0, 0.1)}))[0].mask, mask)
