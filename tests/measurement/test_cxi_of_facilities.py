"""CXI as facilities write it: every place that a value may have is found, and what cannot be is named."""

from contextlib import nullcontext

import h5py
import numpy as np
import pytest
from scipy import constants

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import create_dataset
from ptychoformer.measurement.options import Geometry, Patterns, Reading
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.measurement.readers import open_described
from ptychoformer.measurement.summary import summarise

from .conftest import DETECTOR, changed, contents, from_origin, refused, replaced

SOURCE = "entry_1/instrument_1/source_1"
TRANSLATION = "entry_1/sample_1/geometry_1/translation"


@pytest.mark.parametrize("efficiency", [0, 1.5, np.nan, "half", [0.5, 0.5]])
def test_an_efficiency_that_no_detector_has_is_refused(tmp_path, measured, efficiency):
    made = dict(window=(32, 32), positions=measured.corners, probe=measured.probe, condition={"efficiency": efficiency})
    with create_dataset(tmp_path / "own.cxi", **made) as patterns:
        patterns[:] = measured.patterns
    refused(tmp_path / "own.cxi", "the efficiency of a detector must be greater than 0 and at most 1, found")


@pytest.mark.parametrize("grid", [[3, 5], [4, 3, 1], [-3, -4], [3.0, 4.0], 12, "3x4"])
def test_a_raster_that_is_none_of_the_patterns_is_refused(tmp_path, measured, grid):
    with create_dataset(tmp_path / "own.cxi", window=(32, 32), positions=measured.corners) as patterns:
        patterns[:] = measured.patterns
    with h5py.File(tmp_path / "own.cxi", "r+") as file:
        file["ptychography"].attrs["grid"] = grid
    refused(tmp_path / "own.cxi", "12 patterns do not fit a grid of .* rows and columns")


def test_a_probe_of_all_photons_is_read_as_one_of_those_that_are_counted(tmp_path, measured):
    made = dict(window=(32, 32), positions=measured.corners, probe=measured.probe, condition={"efficiency": 0.25})
    with create_dataset(tmp_path / "own.cxi", **made) as patterns:
        patterns[:] = measured.patterns
    np.testing.assert_allclose(contents(tmp_path / "own.cxi")[0].probe, measured.probe / 2, rtol=1e-6)


@pytest.mark.parametrize("place", ["entry_1/data_1/monitor", "entry_1/instrument_1/monitor/data"])
@pytest.mark.parametrize("shape", [(12,), (12, 1), (3, 4), (11,), (2, 12)])
def test_a_monitor_has_a_number_for_each_pattern_or_is_none(write, put, place, shape):
    numbers = np.arange(np.prod(shape)).reshape(shape)
    raw, _ = contents(put(write("cxi"), **{place: numbers}))
    if numbers.size == 12:
        np.testing.assert_array_equal(raw.monitor, np.arange(12.0))
    else:
        assert raw.monitor is None


@pytest.mark.parametrize("probe", ["electron", None])
def test_a_particle_is_known_by_name_or_by_its_energy(write, put, probe):
    raw, _ = contents(
        put(write("cxi"), **{f"{SOURCE}/wavelength": None, f"{SOURCE}/probe": probe, f"{SOURCE}/energy": 1e-15})
    )
    assert (raw.particle, raw.particle_named) == (probe or "photon", probe is not None)


@pytest.mark.parametrize("place", ["entry_1/data_1", "entry_1/sample_1/geometry_1", DETECTOR])
@pytest.mark.parametrize("columns", [2, 3])
def test_translations_are_found_in_each_of_three_places(write, measured, place, columns):
    path = write("cxi")
    with h5py.File(path, "r+") as file:
        motion = file[TRANSLATION][:, :columns]
        for group in ("entry_1/data_1", DETECTOR, "entry_1/sample_1/geometry_1"):
            del file[f"{group}/translation"]
        file[f"{place}/translation"] = motion
    raw, _ = contents(path)
    np.testing.assert_allclose(from_origin(raw.positions) / measured.optics.pixel_size, measured.corners, atol=1e-6)


def test_translations_may_be_stored_along_the_other_axis(write, measured):
    path = write("cxi")
    with h5py.File(path) as file:
        motion = file[TRANSLATION][:]
    raw, _ = contents(replaced(path, TRANSLATION, motion.T))
    np.testing.assert_allclose(from_origin(raw.positions) / measured.optics.pixel_size, measured.corners, atol=1e-6)


def test_the_window_moves_against_the_sample_along_the_axes_of_the_detector(write, measured):
    """The same patterns, with the detector read out from either end, need opposite motions of the sample."""
    for axes in (-1, 1):
        raw, _ = contents(write("cxi", axes=axes))
        np.testing.assert_allclose(from_origin(raw.positions) / measured.optics.pixel_size, measured.corners, atol=1e-6)


@pytest.mark.parametrize("unknown", [np.nan, np.inf])
@pytest.mark.parametrize("recorded", [True, False])
def test_a_motion_along_the_beam_that_nobody_measured_does_not_matter(write, put, unknown, recorded):
    path = write("cxi", axes=-1)
    if not recorded:
        put(path, **{f"{DETECTOR}/basis_vectors": None})
    expected, _ = contents(path)
    with h5py.File(path, "r+") as file:
        file[TRANSLATION][:, 2] = unknown
    raw, _ = contents(path)
    np.testing.assert_array_equal(raw.positions, expected.positions)
    assert raw.warnings == expected.warnings


def test_a_motion_along_the_beam_matters_to_a_detector_that_is_inclined(write, measured):
    path = write("cxi", axes=-1)
    with h5py.File(path, "r+") as file:
        pixel = file[f"{DETECTOR}/basis_vectors"][0, 1]
        file[f"{DETECTOR}/basis_vectors"][0, 2] = 0.05 * pixel
        file[TRANSLATION][3, 2] = np.nan
    refused(path, "1 positions are NaN or infinite, the first is that of pattern 3")


def test_a_raster_with_four_axes_is_one_scan(write, measured):
    _, frames = contents(write("cxi", raster=True), size=3)
    np.testing.assert_array_equal(frames, measured.patterns)


@pytest.mark.parametrize("grid", [(3, 4), (4, 5), (2, 6), (1, 12)])
@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("first", [False, True])
def test_translations_of_a_raster_have_its_rows_and_columns_by_pattern_or_by_axis(
    simulate, write, grid, columns, first
):
    scan = simulate(grid)
    path = write("cxi", scan=scan, raster=True)
    with h5py.File(path) as file:
        motion = file[TRANSLATION][:, :columns].reshape(*grid, columns)
    raw, _ = contents(replaced(path, TRANSLATION, np.moveaxis(motion, 2, 0) if first else motion))
    np.testing.assert_allclose(from_origin(raw.positions) / scan.optics.pixel_size, scan.corners, atol=1e-6)
    if 1 not in grid:  # columns of rows
        refused(replaced(path, TRANSLATION, motion.transpose(1, 0, 2)), "must have the shape")


def test_translations_that_may_be_stored_either_way_are_refused(simulate, write):
    scan = simulate((3, 3))
    path = write("cxi", scan=scan, raster=True)
    with h5py.File(path) as file:
        motion = file[TRANSLATION][:]
    contents(path)
    told = r"may be stored by pattern or by axis; store it with the shape \(9, 3\)"
    refused(replaced(path, TRANSLATION, motion.reshape(3, 3, 3)), told)
    # (3, 4, 3) of four rows may be x, y and z, or the columns of the raster.
    scan = simulate((4, 3))
    path = write("cxi", scan=scan, raster=True)
    with h5py.File(path) as file:
        motion = file[TRANSLATION][:]
    contents(replaced(path, TRANSLATION, motion.reshape(4, 3, 3)))
    for stored in (motion.T.reshape(3, 4, 3), motion.reshape(4, 3, 3).transpose(1, 0, 2)):
        refused(replaced(path, TRANSLATION, stored), r"store it with the shape \(12, 3\)")
    # Of patterns without rows and columns nobody knows how many there are of either.
    scan = simulate((3, 5))
    path = write("cxi", scan=scan)
    with h5py.File(path) as file:
        motion = file[TRANSLATION][:]
    refused(replaced(path, TRANSLATION, motion.reshape(3, 5, 3)), r"store it with the shape \(15, 3\)")


@pytest.mark.parametrize("name", [f"{SOURCE}/wavelength", f"{SOURCE}/energy"])
def test_a_wavelength_follows_from_either(write, name):
    raw, _ = contents(changed(write("cxi"), lambda file: file.__delitem__(name)))
    assert raw.wavelength == pytest.approx(1.4e-10, rel=1e-6, abs=0)


def test_an_energy_may_be_in_electronvolts_if_it_says_so(write):
    path = changed(write("cxi"), lambda file: file.__delitem__(f"{SOURCE}/wavelength"))
    replaced(path, f"{SOURCE}/energy", [constants.h * constants.c / 1.4e-10 / constants.eV])
    raw, _ = contents(path)
    assert raw.wavelength is None
    assert "energy' is 8856.01 J, which is not that of a beam, and is ignored" in raw.warnings[0]
    changed(path, lambda file: file[f"{SOURCE}/energy"].attrs.update({"units": b"eV"}))
    assert contents(path)[0].wavelength == pytest.approx(1.4e-10, rel=1e-6, abs=0)
    changed(path, lambda file: file[f"{SOURCE}/energy"].attrs.update({"units": "parsec"}))
    refused(path, "energy' is in 'parsec', which is none of j, joule")


@pytest.mark.parametrize("opened", [open_prepared, lambda *options: nullcontext(summarise(*options))])
def test_what_was_ignored_is_said_before_the_error_that_follows_from_it(write, put, capsys, opened):
    path = put(write("cxi"), **{f"{SOURCE}/wavelength": None, f"{SOURCE}/energy": 8856.0})
    # Without a wavelength `inspect` shows all that it can, and ends at a crop that cannot be.
    patterns = Patterns() if opened is open_prepared else Patterns(64)
    with (
        pytest.raises(InputError, match=r"metres but no wavelength|a crop of 64 pixels"),
        opened(path, Reading(), patterns),
    ):
        pass
    assert "energy' is 8856 J, which is not that of a beam, and is ignored.\n" in capsys.readouterr().err
    with opened(path, Reading(geometry=Geometry(wavelength=1.4e-10)), Patterns()):
        assert capsys.readouterr().err == ""  # the commands say the warnings of a scan that they can use


def test_the_energy_of_a_storage_ring_is_not_that_of_its_light(write):
    raw, _ = contents(changed(write("nxcxi"), lambda file: file.__delitem__("entry_1/instrument_1/beam_1")))
    assert raw.wavelength is None
    assert "not that of a beam" in raw.warnings[0]


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, [1.0, 2.0], np.zeros((0,))])
def test_a_length_must_be_one_positive_number(write, value):
    refused(replaced(write("cxi"), f"{DETECTOR}/distance", value), "distance' must be one number greater than 0, found")


UNUSABLE = {
    "no distance": ("distance", {f"{DETECTOR}/distance": 0.0}),
    "a distance upstream": ("distance", {f"{DETECTOR}/distance": -2.0}),
    "an empty distance": ("distance", {f"{DETECTOR}/distance": h5py.Empty("f8")}),
    "a distance in parsec": ("distance", {f"{DETECTOR}/distance": (2.0, "parsec")}),
    "two distances": ("distance", {f"{DETECTOR}/corner_position": [0.0, 0.0, 3.0]}),
    "a pixel that is none": ("detector_pixel", {f"{DETECTOR}/x_pixel_size": np.nan}),
    "two pixels": ("detector_pixel", {f"{DETECTOR}/x_pixel_size": 1e-3, f"{DETECTOR}/y_pixel_size": 1e-3}),
    "no energy": ("wavelength", {f"{SOURCE}/energy": 0.0}),
    "two wavelengths": ("wavelength", {f"{SOURCE}/wavelength": 1e-10}),
    "a wavelength in counts": ("wavelength", {f"{SOURCE}/wavelength": (1.4, "counts")}),
    "a beam that nobody finds": (
        "centre",
        {f"{DETECTOR}/beam_center_x": (16.0, "counts"), f"{DETECTOR}/beam_center_y": (16.0, "counts")},
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_a_file_says_need_not_be_usable_where_an_option_takes_its_place(write, put, measured, case):
    option, entries = UNUSABLE[case]
    lengths = dict(
        wavelength=measured.optics.wavelength,
        distance=measured.optics.distance,
        detector_pixel=measured.optics.detector_pixel_size(32),
        centre=(16, 16),
    )
    path = put(write("cxi"), **entries)
    for given in ({option}, lengths.keys() - {option}):
        options = {name: value for name, value in lengths.items() if name in given}
        reading = Reading(centre=options.pop("centre", None), geometry=Geometry(**options))
        if option in given:
            with open_prepared(path, reading, Patterns()) as scan:
                np.testing.assert_allclose(from_origin(scan.positions), from_origin(measured.corners), atol=1e-6)
                assert scan.optics.pixel_size == pytest.approx(measured.optics.pixel_size)
        else:
            with pytest.raises(InputError), open_prepared(path, reading, Patterns()):
                pass


def test_one_side_of_a_detector_pixel_is_enough(write, measured):
    path = changed(write("cxi"), lambda file: file.__delitem__(f"{DETECTOR}/x_pixel_size"))
    pixel = pytest.approx(measured.optics.detector_pixel_size(32))
    assert contents(path)[0].detector_pixel == (pixel, pixel)
    changed(path, lambda file: file.__delitem__(f"{DETECTOR}/y_pixel_size"))
    assert contents(path)[0].detector_pixel == (pixel, pixel)


def test_a_mask_is_zero_where_the_detector_is_good(write):
    flags = np.zeros((32, 32), np.uint32)
    flags[3, 4], flags[5, 6], flags[7, 8] = 1, 0x1000, 0x1001  # 0x1000 is a pixel with signal
    raw, _ = contents(replaced(write("cxi"), f"{DETECTOR}/mask", flags))
    assert np.argwhere(raw.mask).tolist() == [[3, 4], [7, 8]]
    refused(replaced(write("cxi"), f"{DETECTOR}/mask", np.ones((32, 32))), "mask' leaves no pixel; a mask is 0 where")
    refused(
        replaced(write("cxi"), f"{DETECTOR}/mask", np.ones((31, 32))),
        r"must have the patterns' shape \(32, 32\), found \(31, 32\)",
    )


def test_a_dataset_of_this_project_is_read_exactly(tmp_path, measured):
    mask = np.zeros((32, 32), bool)
    mask[1, 2] = True
    corners = measured.corners + 0.25
    parts = dict(probe=measured.probe, optics=measured.optics, mask=mask, grid=(3, 4))
    with create_dataset(tmp_path / "own.cxi", window=(32, 32), positions=corners, **parts) as patterns:
        patterns[:] = measured.patterns
    raw, frames = contents(tmp_path / "own.cxi")
    np.testing.assert_array_equal(frames, measured.patterns)
    np.testing.assert_array_equal(raw.positions, corners)
    np.testing.assert_array_equal(raw.probe, measured.probe)
    np.testing.assert_array_equal(raw.mask, mask)
    assert (raw.unit, raw.centred, raw.grid) == ("frame pixels", True, (3, 4))
    assert raw.wavelength * raw.distance / (32 * raw.detector_pixel[0]) == pytest.approx(measured.optics.pixel_size)
    # Other programs see the same positions in its CXI part.
    raw, _ = contents(changed(tmp_path / "own.cxi", lambda file: file.__delitem__("ptychography")))
    np.testing.assert_allclose(raw.positions / measured.optics.pixel_size, corners)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("entry_1/data_1/data", np.zeros((0, 32, 32)), "must hold 2 to 4000000 patterns, found 0"),
        ("entry_1/data_1/data", np.ones((1, 32, 32)), "must hold 2 to 4000000 patterns, found 1"),
        ("entry_1/data_1/data", np.ones((11, 32, 32)), "11 patterns do not fit 12 positions"),
        (
            "entry_1/data_1/data",
            np.ones((12, 4, 32)),
            "must hold patterns of 8 x 8 to 8192 x 8192 pixels, found 4 x 32",
        ),
        (
            "entry_1/data_1/data",
            np.ones((12, 32)),
            r"must have the axes \(n, h, w\) or \(rows, columns, h, w\), found shape \(12, 32\)",
        ),
        ("entry_1/data_1/data", 3.0, r"must have the axes .* found shape \(\)"),
        ("entry_1/data_1/data", h5py.Empty("f4"), "is empty"),
        ("entry_1/data_1/data", "text", "must hold numbers, found object"),
        ("entry_1/data_1/data", np.ones((12, 32, 32), np.complex64), "must hold numbers, found complex64"),
        ("entry_1/data_1/data", np.zeros((12, 32, 32), [("a", "f4"), ("b", "i2")]), "must hold numbers, found"),
        ("entry_1/data_1/translation", np.zeros((12, 4)), r"must have the shape \(n, 3\) or \(n, 2\), found \(12, 4\)"),
        ("entry_1/data_1/translation", np.zeros((12, 3)), "all 12 positions are the same"),
        (
            "entry_1/data_1/translation",
            np.zeros((3, 4, 0)),
            r"must have the shape \(n, 3\) or \(n, 2\), found \(3, 4, 0\) for 12 patterns",
        ),
        (
            "entry_1/data_1/translation",
            np.pad([[np.nan] * 3], ((7, 4), (0, 0))),
            "1 positions are NaN or infinite, the first is that of pattern 7",
        ),
        (f"{DETECTOR}/basis_vectors", np.zeros((2, 3)), "must be a vector for rows and one for columns"),
    ],
)
def test_parts_that_cannot_be_are_named(write, name, value, sentence):
    path = write("cxi")
    dtype = {"dtype": h5py.string_dtype()} if isinstance(value, str) else {}
    refused(replaced(path, name, value, **dtype), sentence)


def test_a_group_in_place_of_a_dataset_is_named(write):
    def group(file):
        del file["entry_1/data_1/data"]
        file.create_group("entry_1/data_1/data")

    refused(changed(write("cxi"), group), "'entry_1/data_1/data' must be a dataset, found a group")


@pytest.mark.parametrize("gone", ["entry_1", "entry_1/data_1", "entry_1/instrument_1", "entry_1/sample_1"])
def test_missing_groups_are_named(write, gone):
    path = changed(write("cxi"), lambda file: file.__delitem__(gone))
    match gone:
        case "entry_1":
            refused(
                path, "holds no patterns, neither at entry_1/data_1/data nor at entry_1/instrument_1/detector_1/data"
            )
        case "entry_1/data_1":  # what it links to is still there
            contents(path)
        case "entry_1/instrument_1":
            refused(path, "holds no patterns")
        case "entry_1/sample_1":
            refused(path, "holds no translations")


@pytest.mark.parametrize("format", ["cxi", "velociprobe"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_read_as_none(write, arrays, measured, tmp_path, format, bad):
    patterns = measured.patterns.copy()
    patterns[7, 3, 4] = patterns[9] = bad
    if format == "cxi":
        path = write("cxi", patterns=patterns)
    else:
        path = tmp_path / "scan.npz"
        np.savez(path, **arrays | {"data": patterns[None]})
    _, frames = contents(path)
    frames = frames if format == "cxi" else np.fft.ifftshift(frames, axes=(1, 2))
    np.testing.assert_array_equal(frames, np.where(np.isfinite(patterns), patterns, np.nan))


def test_an_option_counts_where_the_files_own_value_is_of_no_use(write):
    """Gain and place of the beam are told by what was given, not by a placeholder."""
    path = write("cxi")
    with h5py.File(path, "a") as file:
        pixel, wavelength = file[f"{DETECTOR}/x_pixel_size"][()], file[f"{SOURCE}/wavelength"][()]
        file[f"{DETECTOR}/counts_per_joule"] = 7 * wavelength / (constants.h * constants.c)
    given = Reading(geometry=Geometry(wavelength=float(wavelength), detector_pixel=float(pixel)))
    with open_described(path, given) as raw:
        frame = next(raw.frames(1))
    for name in (f"{DETECTOR}/x_pixel_size", f"{DETECTOR}/y_pixel_size", f"{SOURCE}/wavelength"):
        replaced(path, name, 0.0)
    with h5py.File(path, "a") as file:
        file.pop(f"{SOURCE}/energy", None)
    with open_described(path, given) as raw:
        np.testing.assert_array_equal(next(raw.frames(1)), frame)
        assert not any("counts_per_joule' is ignored" in warning for warning in raw.warnings)
