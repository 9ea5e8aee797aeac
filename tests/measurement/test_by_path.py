"""A scan in any HDF5 file, by the paths of its datasets: every shape that positions have is told apart, or refused."""

import h5py
import numpy as np
import pytest

from ptychoformer.measurement.options import Geometry, Patterns, Reading
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.measurement.readers import hdf5, open_scan
from ptychoformer.measurement.summary import summarise

PATHS = {"data": "scan/eiger/frames", "positions": "scan/stage"}


@pytest.fixture
def store(tmp_path, measured):
    """Write patterns and whatever positions are given, x first, metres."""

    def written(positions=None, units=None, patterns=None, **more):
        path = tmp_path / "any.h5"
        positions = positions_of(measured) if positions is None else positions
        with h5py.File(path, "w") as file:
            file[PATHS["data"]] = measured.patterns if patterns is None else patterns
            for name, value in {PATHS["positions"]: positions, **more}.items():
                file[name] = value
                if units is not None:
                    file[name].attrs["units"] = units
        return path

    return written


def positions_of(measured, columns=2):
    """x, y[, z] of the sample, metres."""
    found = np.zeros((len(measured.corners), columns))
    found[:, :2] = measured.corners[:, ::-1] * measured.optics.pixel_size
    return found


def corners(raw, measured):
    return (raw.positions - raw.positions.min(axis=0)) / (measured.optics.pixel_size if raw.unit == "metres" else 1)


def test_patterns_and_positions_are_those_of_the_paths(store, read, measured):
    raw, frames = read(store(), positions_unit="m", **PATHS)
    np.testing.assert_array_equal(frames, measured.patterns)
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)
    assert (raw.format, raw.unit, raw.frame) == ("hdf5", "metres", (32, 32))
    assert raw.wavelength is raw.distance is raw.detector_pixel is None


def test_it_is_the_scan_that_a_cxi_file_holds(store, write, read, measured):
    """The same motion of the sample means the same window in both formats."""
    cxi, _ = read(write("cxi", axes=-1))
    with h5py.File(write("cxi", axes=-1)) as file:
        motion = file["entry_1/data_1/translation"][:]
    raw, _ = read(store(motion), positions_unit="m", **PATHS)
    np.testing.assert_allclose(raw.positions, cxi.positions, atol=1e-15)


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("turned", [False, True])
def test_positions_may_have_two_or_three_numbers_along_either_axis(store, read, measured, columns, turned):
    positions = positions_of(measured, columns)
    raw, _ = read(store(positions.T if turned else positions), positions_unit="m", **PATHS)
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)


@pytest.fixture
def parts(store, tmp_path, measured):
    """Write patterns as an Eiger's master links to them, in files of five."""

    def written(change=lambda group: None):
        path = store()
        with h5py.File(path, "r+") as file:
            del file[PATHS["data"]]
            group = file.create_group("entry/data")
            for number, start in enumerate(range(0, len(measured.patterns), 5), start=1):
                with h5py.File(tmp_path / f"data_{number:06d}.h5", "w") as part:
                    part["entry/data/data"] = measured.patterns[start : start + 5]
                group[f"data_{number:06d}"] = h5py.ExternalLink(f"data_{number:06d}.h5", "entry/data/data")
            group["mean"] = measured.patterns.mean(axis=0)
            change(group)
        return path

    return written


PARTS = {"data": "entry/data", "positions": "scan/stage", "positions_unit": "m"}


@pytest.mark.parametrize("name", ["entry/data", "/entry/data/"])
def test_the_parts_of_an_eigers_master_are_one_scan_in_their_order(parts, measured, name):
    with open_scan(parts(), **PARTS | {"data": name}) as raw:
        assert (raw.frame, raw.saturation) == ((32, 32), None)
        np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)
        for size, lengths in ((100, [5, 5, 2]), (4, [4, 1, 4, 1, 2])):
            blocks = list(raw.frames(size))
            assert [len(block) for block in blocks] == lengths
            np.testing.assert_array_equal(np.concatenate(blocks), measured.patterns)


def test_of_several_that_may_be_meant_the_largest_is_named_first(store, put, refused, measured):
    path = put(store(), **{"a/few": measured.patterns[:3], "z/few": measured.patterns[:2]})
    told = "the patterns may be 'scan/eiger/frames' or 'a/few' or 'z/few'"
    refused(path, told, data="gone", positions="scan/stage", positions_unit="m")


def test_more_parts_than_can_be_are_refused(parts, refused, monkeypatch):
    monkeypatch.setattr(hdf5, "MOST_PARTS", 2)
    refused(parts(), "'entry/data' holds 3 datasets of patterns, at most 2 can be", **PARTS)


def test_positions_that_are_too_large_are_not_read(store, refused, measured, monkeypatch):
    monkeypatch.setattr(hdf5, "LARGEST_ARRAY", 100)
    refused(
        store(positions_of(measured)),
        r"'scan/stage' must not be larger than 100 bytes, found shape \(12, 2\)",
        **PATHS | {"positions_unit": "m"},
    )


def test_counts_end_where_their_type_does(store, read, measured, put):
    path = put(store(), **{PATHS["data"]: measured.patterns.astype("u2")})
    assert read(path, positions_unit="m", **PATHS)[0].saturation == 2**16 - 1


def test_parts_that_are_missing_or_unlike_are_named(parts, refused, measured, tmp_path):
    def replaced(value):
        def change(group):
            del group["data_000002"]
            if value is not None:
                group["data_000002"] = value

        return change

    shorter, rounded = measured.patterns[5:10, 1:], measured.patterns[5:10].astype("u2")
    for value, told in (
        (None, "'entry/data' holds data_000001 to data_000003, but no data_000002"),
        (h5py.SoftLink("/gone"), "but no data_000002"),
        (h5py.ExternalLink("data_000009.h5", "entry/data/data"), "in the file 'data_000009.h5', which is missing"),
        (shorter, r"of one size .* data_000003 of shape \(2, 32, 32\), .* and data_000002 of shape \(5, 31, 32\)"),
        (rounded, r"of one size and type of frame, .* data_000002 of shape \(5, 32, 32\), uint16"),
        (np.ones(5), r"found data_000003 of .* and data_000002 of shape \(5,\)"),
    ):
        refused(parts(replaced(value)), told, **PARTS)


def test_of_one_part_the_group_is_named_that_holds_them_all(parts, refused):
    one = PARTS | {"data": "entry/data/data_000001"}
    refused(parts(), "found .12, 2.; if 'data_000001' is one part of several, 'entry/data' names all of them", **one)
    refused(
        parts(), "'entry/dat' is not in the file; the patterns may be 'entry/data'[.]$", **PARTS | {"data": "entry/dat"}
    )


def test_a_raster_may_have_its_own_axes(store, read, measured):
    patterns, positions = measured.patterns.reshape(3, 4, 32, 32), positions_of(measured).reshape(3, 4, 2)
    raw, frames = read(store(positions, patterns=patterns), positions_unit="m", **PATHS)
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)
    np.testing.assert_array_equal(frames, measured.patterns)


@pytest.mark.parametrize("grid", [(3, 4), (4, 5), (2, 6)])
@pytest.mark.parametrize("columns", [2, 3])
def test_positions_of_a_raster_may_be_stored_by_axis(store, read, refused, simulate, grid, columns):
    scan = simulate(grid)
    patterns, positions = scan.patterns.reshape(*grid, 32, 32), positions_of(scan, columns).reshape(*grid, columns)
    for stored in (positions, np.moveaxis(positions, 2, 0)):
        raw, _ = read(store(stored, patterns=patterns), positions_unit="m", **PATHS)
        np.testing.assert_allclose(corners(raw, scan), scan.corners, atol=1e-6)
    turned = store(positions.transpose(1, 0, 2), patterns=patterns)  # columns of rows
    told = "must have one of the shapes .* for .* patterns of . rows and . columns"
    refused(turned, told, positions_unit="m", **PATHS)
    x, y = np.moveaxis(positions, 2, 0)[:2]
    path, both = store(patterns=patterns, x=x, y=y), {"data": PATHS["data"], "positions": "x,y"}
    np.testing.assert_allclose(corners(read(path, positions_unit="m", **both)[0], scan), scan.corners, atol=1e-6)
    path = store(patterns=patterns, x=x.T, y=y.T)
    refused(path, "must hold .* numbers each, one a pattern of . rows and . columns", positions_unit="m", **both)


def test_three_columns_of_three_numbers_are_ambiguous(store, refused, simulate):
    """(3, 4, 3) of four rows may be x, y and z, or the columns of the raster."""
    scan = simulate((4, 3))
    patterns, positions = scan.patterns.reshape(4, 3, 32, 32), positions_of(scan, 3).reshape(4, 3, 3)
    for stored in (np.moveaxis(positions, 2, 0), positions.transpose(1, 0, 2)):
        told = "may be stored by pattern or by axis; name two datasets"
        refused(store(stored, patterns=patterns), told, positions_unit="m", **PATHS)


BY_AXES = {"data": PATHS["data"], "positions_unit": "um"}


@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (1, -1)])
def test_a_raster_may_have_a_number_for_each_column_and_one_for_each_row(store, read, refused, measured, shape):
    columns, rows = np.array([0, 1.1, 2, 3.5]), np.array([0, -2.5, 9])
    path = store(patterns=measured.patterns.reshape(3, 4, 32, 32), x=columns.reshape(shape), y=rows.reshape(shape))
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2) * 1e-6
    for positions, axes in (("x,y", "x,y"), ("y,x", "y,x")):
        raw, frames = read(path, positions=positions, positions_axes=axes, **BY_AXES)
        np.testing.assert_allclose(raw.positions, places, atol=1e-15)
        np.testing.assert_array_equal(frames, measured.patterns)
        assert raw.warnings == ()
    # Where x is the slow axis, it has a number for each row.
    raw, _ = read(path, positions="y,x", **BY_AXES)
    np.testing.assert_allclose(raw.positions, places[:, ::-1], atol=1e-15)
    told = "must hold 12 numbers each, one a pattern of 3 rows and 4 columns, or 4 and 3, one a column and one a row, found"
    refused(path, told, positions="x,x", **BY_AXES)
    with h5py.File(path, "r+") as file:
        file["square"] = columns.reshape(2, 2)
    refused(path, told, positions="square,y", **BY_AXES)


@pytest.mark.parametrize("of_group", [False, True])
def test_of_as_many_rows_as_columns_nexus_says_which_are_which(store, read, simulate, of_group):
    scan, columns, rows = simulate((3, 3)), np.array([0, 1.0, 3.0]), np.array([0, -2.0, 5])
    path = store(patterns=scan.patterns.reshape(3, 3, 32, 32), **{"scan/x": columns, "scan/y": rows})
    along_columns = np.stack([rows.repeat(3), np.tile(columns, 3)], axis=-1) * 1e-6
    along_rows = np.stack([np.tile(rows, 3), columns.repeat(3)], axis=-1) * 1e-6

    def places(*names, **more):
        raw, _ = read(path, positions=",".join(f"scan/{name}" for name in names), **BY_AXES, **more)
        return raw.positions, raw.warnings

    found, warnings = places("x", "y")
    np.testing.assert_allclose(found, along_columns, atol=1e-15)
    told = "of as many rows as columns, the numbers of 'scan/x' are taken for those of columns, and of 'scan/y' of rows"
    assert len(warnings) == 1
    assert told in warnings[0]
    np.testing.assert_allclose(places("y", "x", positions_axes="y,x")[0], along_rows, atol=1e-15)
    for stated, expected in ((["y", "x", ".", "."], along_columns), (["X", "Y", ".", "."], along_rows)):
        with h5py.File(path, "r+") as file:
            file["scan/eiger" if of_group else PATHS["data"]].attrs["axes"] = stated if of_group else ":".join(stated)
        for names, axes in (("xy", "x,y"), ("yx", "y,x")):
            found, warnings = places(*names, positions_axes=axes)
            np.testing.assert_allclose(found, expected, atol=1e-15)
            assert warnings == ()


@pytest.mark.parametrize(("unit", "metres"), [("nm", 1e-9), ("m", 1.0), ("pixel", None), (None, None)])
@pytest.mark.parametrize(
    ("axes", "of_indices"),
    [("x,y", [[1, 0], [0, 1]]), ("-x,y", [[1, 0], [0, -1]]), ("y,x", [[0, 1], [1, 0]]), ("y,-x", [[0, 1], [-1, 0]])],
)
def test_a_raster_with_a_step_needs_no_positions(store, read, measured, unit, metres, axes, of_indices):
    """Frames of 32 x 24 pixels sample the object more finely along y, so that a step has more of its pixels there."""
    path = store(patterns=measured.patterns[:, :, :24].reshape(3, 4, 32, 24))
    how = dict(data=PATHS["data"], step=2.5, positions_unit=unit, positions_axes=axes)
    raw, frames = read(path, **how)
    places = 2.5 * np.indices((3, 4)).reshape(2, -1).T @ np.transpose(of_indices)
    expected = places * ([32 / 24, 1] if metres is None else metres)
    np.testing.assert_allclose(raw.positions, expected, rtol=1e-12)
    np.testing.assert_array_equal(frames, measured.patterns[:, :, :24])
    assert (raw.format, raw.unit) == ("hdf5", "metres" if metres else "frame pixels")
    assert (raw.positions_in, raw.grid) == (unit if metres else None, (3, 4) if axes == "x,y" else None)


def test_a_raster_with_a_step_is_that_of_the_format_nanoprobe(store, write, measured):
    path = store(patterns=measured.patterns.reshape(3, 4, 32, 32))
    with (
        open_prepared(path, Reading(data=PATHS["data"], step=3.5, positions_turn=20), Patterns()) as scan,
        open_prepared(write("nanoprobe"), Reading(step=3.5, positions_turn=20), Patterns()) as nanoprobe,
    ):
        np.testing.assert_array_equal(scan.positions, nanoprobe.positions)
        assert scan.grid == nanoprobe.grid


def test_either_positions_or_a_step(store, refused, measured, write):
    path = store(patterns=measured.patterns.reshape(3, 4, 32, 32))
    refused(path, "positions and a step exclude each other", step=2, **PATHS)
    refused(path, "a raster without them, a step; the positions may be 'scan/stage'[.]$", data=PATHS["data"])
    refused(path, "step must be a number greater than 0, found nan", data=PATHS["data"], step=np.nan)
    refused(store(), "must have the axes .rows, columns, h, w. of a raster with a step", data=PATHS["data"], step=2)
    refused(write("cxi"), "a step is of the formats nanoprobe and hdf5, not of cxi", step=2)


@pytest.mark.parametrize("shape", [(12,), (12, 1), (3, 4)])
def test_positions_may_be_two_datasets(store, read, measured, shape):
    x, y = (part.reshape(shape) for part in positions_of(measured).T)
    path = store(motor_x=x, motor_y=y)
    raw, _ = read(path, data=PATHS["data"], positions="motor_x, /motor_y", positions_unit="m")
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)


@pytest.mark.parametrize(
    ("axes", "signs", "order"),
    [("x,y", (1, 1), 1), ("y,x", (1, 1), -1), ("-x,+y", (-1, 1), 1), (" -y , -x", (-1, -1), -1)],
)
def test_axes_say_which_number_is_which(store, read, measured, axes, signs, order):
    positions = positions_of(measured)[:, ::order] * signs
    raw, _ = read(store(positions), positions_unit="m", positions_axes=axes, **PATHS)
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)


@pytest.mark.parametrize(
    ("axes", "columns", "signs"),
    [("x,-,y", [0, 2, 1], (1, 1)), ("-,-y,x", [2, 1, 0], (1, -1)), (" - , x , y", [2, 0, 1], (1, 1))],
)
def test_a_number_of_a_position_is_skipped_whatever_it_is(store, read, measured, axes, columns, signs):
    x, y = positions_of(measured).T * np.reshape(signs, (2, 1))
    positions = np.stack([x, y, np.full(len(x), np.nan)], axis=1)[:, columns]
    raw, _ = read(store(positions), positions_unit="m", positions_axes=axes, **PATHS)
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)


@pytest.mark.parametrize(("unit", "size"), [("m", 1), ("mm", 1e-3), ("um", 1e-6), ("nm", 1e-9), ("angstrom", 1e-10)])
@pytest.mark.parametrize("recorded", [False, True])
def test_positions_have_a_unit_that_is_recorded_or_named(store, read, measured, unit, size, recorded):
    path = store(positions_of(measured) / size, units=unit if recorded else None)
    raw, _ = read(path, positions_unit=None if recorded else unit, **PATHS)
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)


def test_positions_in_pixels_need_no_geometry(store, measured):
    described = Reading(positions_unit="pixel", format="hdf5", **PATHS)
    with open_prepared(store(measured.corners[:, ::-1]), described, Patterns(32)) as scan:
        np.testing.assert_allclose(scan.positions - scan.positions.min(axis=0), measured.corners)
    assert summarise(store(measured.corners[:, ::-1]), described, Patterns()).format == "hdf5"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {},
            r"'scan/stage' records no unit; --positions-unit \(positions_unit in a config\) names it, one of m, mm, um, nm, angstrom, pixel",
        ),
        (
            {"positions_unit": "inch"},
            "The unit of positions must be one of m, mm, um, nm, angstrom, pixel, found 'inch'",
        ),
        (
            {"positions": None},
            "needs the path of the patterns .data., and that .* a step; the positions may be 'scan/stage'[.]$",
        ),
        (
            {"data": None},
            "needs the path .*; the patterns may be 'scan/eiger/frames'; the positions may be 'scan/stage'[.]$",
        ),
        (
            {"data": "gone", "positions": None},
            "needs the path of the patterns .data., and that .* a step[.]$",
        ),
        (
            {"format": None, "data": None, "positions": None},
            "holds no patterns, .*; the patterns may be 'scan/eiger/frames'; the positions may be 'scan/stage'[.]$",
        ),
        (
            {"format": "ptychi", "data": None, "positions": None},
            "any.h5 holds no positions, .*; the patterns may be 'scan/eiger/frames'; the positions may be 'scan/st",
        ),
        ({"data": "scan/gone"}, "'scan/gone' is not in the file; the patterns may be 'scan/eiger/frames'[.]$"),
        ({"data": "scan"}, "'scan' must be a dataset, found a group that holds eiger, stage[.]$"),
        (
            {"positions": "scan/x,scan/y", "positions_unit": "m"},
            "'scan/x' is not in the file; the positions may be 'scan/stage'[.]$",
        ),
        (
            {"positions": "a,b,c", "positions_unit": "m"},
            "positions must be one dataset, or two with a comma between them, found 'a,b,c'",
        ),
        ({"positions": "scan/stage,", "positions_unit": "m"}, "positions must be one dataset, or two with a comma"),
        (
            {"positions": "scan/stage,scan/stage", "positions_unit": "m"},
            r"must hold 12 numbers each, one a pattern, found shapes \(12, 2\) and",
        ),
        (
            {"positions_axes": "x,x"},
            "with a minus where one is turned, and a minus alone for a number to skip, found 'x,x'",
        ),
        ({"positions_axes": "rows"}, "must be x .to the left. and y .up. with a comma between them, whatever the file"),
        ({"positions_axes": "x,z"}, "must be x .to the left. and y .up. .* found 'x,z'"),
        ({"positions_axes": "x,"}, "found 'x,'"),
        ({"positions_axes": "x,y,x"}, "found 'x,y,x'"),
        ({"positions_axes": "x,yy"}, "found 'x,yy'"),
        (
            {"positions_axes": "-,x,y", "positions_unit": "m"},
            "the axes of positions name number 3 of each, 'scan/stage' has 2",
        ),
        (
            {"format": "cxi"},
            "Paths of datasets, and the unit of their positions, are of the format hdf5, not of cxi",
        ),
    ],
)
def test_what_is_not_said_is_not_guessed(store, refused, options, sentence):
    refused(store(), sentence, **PATHS | {"format": "hdf5"} | options)


def test_what_a_file_links_to_is_named_too(store, refused, tmp_path):
    store()
    with h5py.File(tmp_path / "master.nxs", "w") as file:
        file["entry/stage"] = h5py.ExternalLink("any.h5", "scan/stage")
        file["entry/frames"] = h5py.ExternalLink("any.h5", "scan/eiger/frames")
    told = "the patterns may be 'entry/frames'; the positions may be 'entry/stage'[.]$"
    refused(tmp_path / "master.nxs", told)


@pytest.mark.parametrize(
    ("positions", "sentence"),
    [
        (
            np.ones((11, 2)),
            r"must have one of the shapes \(12, 2\), \(12, 3\), \(2, 12\) or \(3, 12\) for 12 patterns, found \(11, 2\)",
        ),
        (np.ones((12, 4)), r"found \(12, 4\)"),
        (np.ones(24), r"found \(24,\)"),
        (np.ones(()), r"found \(\)"),
        (np.ones((12, 2)), "all 12 positions are the same"),
        (np.full((12, 2), np.nan), "12 positions are NaN or infinite"),
    ],
)
def test_positions_that_do_not_fit_are_refused(store, refused, positions, sentence):
    refused(store(positions), sentence, positions_unit="m", **PATHS)


@pytest.mark.parametrize("count", [2, 3])
def test_as_many_positions_as_numbers_of_each_are_ambiguous(store, refused, measured, count):
    path = store(np.random.default_rng(0).random((count, count)), patterns=measured.patterns[:count])
    refused(path, "may be stored by pattern or by axis; name two datasets", positions_unit="m", **PATHS)


@pytest.mark.parametrize("recorded", ["mm", "pixels", b"\xb5m", "volt", "a.u.", "None", 3.0])
def test_a_unit_that_is_named_counts_and_not_the_recorded_one(store, read, refused, measured, recorded):
    path = store(positions_of(measured) * 1e6, units=recorded)
    raw, _ = read(path, positions_unit="um", **PATHS)
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)
    assert raw.positions_in == "um"
    told = f"{path}: 'scan/stage' says that it is in {recorded}; it is read in um, as was asked for."
    assert raw.warnings == ((told,) if recorded in ("mm", "pixels") else ())


def test_a_recorded_unit_that_is_none_is_refused(store, refused):
    refused(store(units="volt"), "'scan/stage' is in 'volt', which is none of m, cm, mm", **PATHS)
    refused(store(units=3.0), "the unit of 'scan/stage' must be text, found 3.0", **PATHS)


@pytest.mark.parametrize("axes", ["x,y", "y,x"])
def test_two_datasets_may_each_state_a_unit_of_their_own(store, put, read, measured, axes):
    first, second = positions_of(measured)[:, :: 1 if axes == "x,y" else -1].T
    path = put(store(), fast=(first * 1e3, "mm"), slow=(second * 1e6, "um"))
    raw, _ = read(path, data=PATHS["data"], positions="fast,slow", positions_axes=axes)
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)
    assert (raw.warnings, raw.axes, raw.positions_in) == ((), axes, None)
    same = put(path, slow=(second * 1e3, "mm"))
    assert read(same, data=PATHS["data"], positions="fast,slow", positions_axes=axes)[0].positions_in == "mm"


def test_a_unit_of_one_dataset_is_not_that_of_the_other(store, put, read, refused, measured):
    x, y = positions_of(measured).T
    path, both = put(store(), x=(x * 1e3, "mm"), y=y * 1e3), {"data": PATHS["data"], "positions": "x,y"}
    refused(path, r"'y' records no unit; --positions-unit \(positions_unit in a config\) names it", **both)
    raw, _ = read(path, positions_unit="mm", **both)
    assert raw.warnings == ()
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)
    raw, _ = read(put(path, x=(x * 1e6, "mm"), y=y * 1e6), positions_unit="um", **both)
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)
    assert [warning.partition(": ")[2][:25] for warning in raw.warnings] == ["'x' says that it is in mm"]
    put(path, y=(y, "pixel"))
    refused(path, "'x,y' must both be lengths or both pixels, found mm and pixel", **both)
    put(path, x=None, y=None)
    raw, _ = read(put(path, x=(measured.corners[:, 1], "px"), y=(measured.corners[:, 0], "pixels")), **both)
    np.testing.assert_allclose(corners(raw, measured), measured.corners)
    assert raw.unit == "frame pixels"


@pytest.mark.parametrize("recorded", [False, True])
def test_a_wrong_unit_of_positions_is_suspected_before_other_lengths(store, measured, recorded):
    path = store(positions_of(measured) * 1e3, units="um" if recorded else None)  # they are in mm
    reading = Reading(positions_unit=None if recorded else "um", geometry=geometry_of(measured), **PATHS)
    (warning,) = summarise(path, reading, Patterns()).scan.warnings
    assert "of a pixel of the object; the positions may be in mm rather than um or the distance " in warning


def geometry_of(measured):
    optics = measured.optics
    pixel = optics.wavelength * optics.distance / (measured.patterns.shape[-1] * optics.pixel_size)
    return Geometry(optics.wavelength, optics.distance, pixel)


def test_one_unit_may_be_said_twice(store, read):
    raw, _ = read(store(units="micrometers"), positions_unit="um", **PATHS)
    assert (raw.unit, raw.warnings) == ("metres", ())


def saved_by_matlab(path, **arrays):
    """As ``save -v7.3`` does: all axes in reverse, and the class of each array in an attribute."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = np.transpose(array)
            file[name].attrs["MATLAB_class"] = np.bytes_(str(array.dtype))
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint32])
@pytest.mark.parametrize("raster", [False, True])
@pytest.mark.parametrize("by", ["pattern", "axis", "x and y"])
def test_what_matlab_saved_is_read_as_matlab_has_it(tmp_path, read, measured, dtype, raster, by):
    """Patterns (h, w, n), or (h, w, columns, rows) of a raster whose columns are next to each other in MATLAB."""
    patterns = np.moveaxis(measured.patterns[:, :, :24], 0, -1).astype(dtype)
    patterns = patterns.reshape(32, 24, *measured.grid).swapaxes(2, 3) if raster else patterns
    positions = positions_of(measured)
    x, y = (each.reshape(measured.grid).T if raster else each[:, None] for each in positions.T)
    path = saved_by_matlab(
        tmp_path / "scan.mat", dp=patterns, pos=positions if by == "pattern" else positions.T, x=x, y=y
    )
    name = "x,y" if by == "x and y" else "pos"
    raw, frames = read(path, data="dp", positions=name, positions_unit="m")
    assert raw.frame == (32, 24)
    np.testing.assert_array_equal(frames, measured.patterns[:, :, :24])
    np.testing.assert_allclose(corners(raw, measured), measured.corners, atol=1e-6)
    assert raw.warnings == (
        f"{path}: 'dp' was saved by MATLAB; its frames are read as MATLAB has them, 32 rows and 24 columns.",
    )


@pytest.mark.parametrize("rows_first", [False, True])
def test_a_raster_of_matlab_needs_a_position_of_each_pattern(tmp_path, read, refused, simulate, rows_first):
    scan = simulate((3, 3))
    patterns = np.moveaxis(scan.patterns.reshape(3, 3, 32, 32), (0, 1), (2, 3) if rows_first else (3, 2))
    x, y = (each.reshape(3, 3).astype(float) for each in scan.corners.T[::-1])
    places = {"X": x, "Y": y} if rows_first else {"X": x.T, "Y": y.T}
    path = saved_by_matlab(tmp_path / "scan.mat", dp=patterns, x=x[:1], y=y[:, :1], **places)
    told = "'dp' was saved by MATLAB, and nothing says whether .* give positions with one number for each pattern"
    refused(path, told, data="dp", step=6)
    refused(path, told, data="dp", positions="x,y", positions_unit="pixel")
    raw, frames = read(path, data="dp", positions="X,Y", positions_unit="pixel")
    stored = np.arange(9).reshape(3, 3).T.ravel() if rows_first else np.arange(9)
    np.testing.assert_array_equal(raw.positions, scan.corners[stored])
    np.testing.assert_array_equal(frames, scan.patterns[stored])


def test_bad_pixels_of_what_matlab_saved_are_filled(tmp_path, measured):
    patterns = np.moveaxis(measured.patterns, 0, -1).copy()
    patterns[10, 12] = 2.0**32 - 1
    path = saved_by_matlab(tmp_path / "scan.mat", dp=patterns, pos=positions_of(measured) / measured.optics.pixel_size)
    reading = Reading(data="dp", positions="pos", positions_unit="pixel")
    with open_prepared(path, reading, Patterns()) as scan:
        assert np.concatenate(list(scan.frames(5))).max() < 2.0**31


@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("cxi", "entry_1/instrument_1/detector_1/data"),
        ("ptychodus", "patterns"),
        ("ptychi", "dp"),
        ("ptyd", "chunks/0/data"),
    ],
)
def test_formats_whose_patterns_matlab_saved_are_refused(write, refused, format, name):
    path = write(format)
    with h5py.File(path, "r+") as file:
        file[name].attrs["MATLAB_class"] = np.bytes_("single")
    refused(path, f"'{'entry_1/data_1/data' if format == 'cxi' else name}' was saved by MATLAB, which HDF5 holds")
