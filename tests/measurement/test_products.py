"""Scans of ptychodus and pty-chi: files that ptychodus itself wrote, and all that such files can lack or contradict."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Optics, create_dataset
from ptychoformer.measurement.options import Geometry, Patterns, Reading
from ptychoformer.measurement.preparation import Preparation, prepare
from ptychoformer.measurement.readers import open_scan
from ptychoformer.measurement.readers.product import conjugate_pixel
from ptychoformer.measurement.summary import as_mapping, summarise
from ptychoformer.measurement.windows import windows
from ptychoformer.simulation.diffraction import diffraction

WRITTEN = Path(__file__).parent / "ptychodus"  # by ptychodus 1.7.0; see write.py there
PAIRS = pytest.mark.parametrize("format", ["ptychodus", "ptychi"])


@pytest.fixture
def pairs(tmp_path):
    """The two pairs that ptychodus wrote, the second as pty-chi's examples name them."""
    for name in ("diffraction.h5", "product.h5", "simulated_dp.hdf5"):
        shutil.copy(WRITTEN / name, tmp_path / name)
    shutil.copy(WRITTEN / "product.h5", tmp_path / "simulated_para.hdf5")
    with h5py.File(tmp_path / "simulated_para.hdf5", "r+") as file:
        file["probe_position_indexes"][:] -= 3  # of ptychodus's first pattern
    return {"ptychodus": tmp_path / "diffraction.h5", "ptychi": tmp_path / "simulated_dp.hdf5"}


@pytest.fixture
def pair(write):
    """A pair's two files, of our own making."""

    def made(format, **options):
        path = write(format, **options)
        names = {"ptychodus": ("diffraction", "product"), "ptychi": ("_dp", "_para")}[format]
        return path, path.with_name(path.name.replace(*names))

    return made


@pytest.fixture
def state():
    """Change attributes of a file, or of a dataset in it; None takes one away."""

    def stated(path, name="/", **attributes):
        with h5py.File(path, "r+") as file:
            for key, value in attributes.items():
                if value is None:
                    file[name].attrs.pop(key, None)
                else:
                    file[name].attrs[key] = value

    return stated


@PAIRS
def test_patterns_of_ptychodus_are_those_of_its_object_at_the_positions_that_are_read(pairs, read, format):
    """No other orientation of axes, sign of positions or place of the zero frequency explains patterns that another program simulated."""
    raw, frames = read(pairs[format])
    with h5py.File(WRITTEN / "product.h5") as file:
        thing, probe, pixel = file["object"][0], file["probe"][0, 0], file["object"].attrs["pixel_height_m"]
    assert raw.unit == "metres"
    corners = np.rint(raw.positions / pixel + (np.array(thing.shape) - probe.shape) / 2).astype(int)
    expected = diffraction(raw.probe * windows(thing, corners, probe.shape))
    expected *= frames.sum() / expected.sum()
    assert np.abs(expected - frames).max() < 0.6  # they were rounded to whole photons, the brightest has thousands
    assert frames.max() > 3000
    np.testing.assert_allclose(raw.probe, probe, rtol=1e-6)
    assert raw.centred


@PAIRS
def test_lengths_are_those_that_ptychodus_simulated_with(pairs, format):
    with open_scan(pairs[format]) as raw:
        assert raw.wavelength == pytest.approx(1.2398419843320026e-06 / 8000, rel=1e-6, abs=0)
        assert raw.distance == 1.5
        optics = prepare(raw).optics
    assert optics.pixel_size == pytest.approx(20e-9)


def test_pixels_of_detector_and_object_belong_together_side_by_side():
    """lambda z / (N pixel), of frames that are no square."""
    detector = conjugate_pixel((64, 128), (2e-8, 1e-8), 1e-10, 2.0)
    assert detector == pytest.approx((2e-10 / (64 * 2e-8), 2e-10 / (128 * 1e-8)))
    assert conjugate_pixel((64, 128), detector, 1e-10, 2.0) == pytest.approx((2e-8, 1e-8))


def test_a_pattern_without_a_position_is_left_out_and_told(pairs, read):
    raw, frames = read(pairs["ptychodus"])
    assert len(frames) == len(raw.positions) == 12
    assert "1 of 13 patterns have no position in" in raw.warnings[0]


@pytest.fixture
def idle(write):
    """A pair whose first 4 patterns have no position."""
    path = write("ptychodus")
    with h5py.File(path.with_name("star_product.h5"), "a") as file:
        for name in ("probe_position_indexes", "probe_position_x_m", "probe_position_y_m"):
            kept = file[name][:-4]  # they run backwards
            del file[name]
            file[name] = kept
    return path


def test_patterns_keep_their_numbers_when_others_have_no_position(idle, measured):
    with h5py.File(idle, "a") as file:
        file["patterns"][7] = 0
    with open_scan(idle) as raw:
        np.testing.assert_array_equal(np.concatenate(list(raw.frames(3))), h5py.File(idle)["patterns"][4:])
        prepared = prepare(raw)
    np.testing.assert_array_equal(prepared.numbers, np.delete(np.arange(len(measured.patterns)), [0, 1, 2, 3, 7]))
    assert prepared.unusable["empty"].tolist() == [7]
    assert any("hold no light, they are left out (--keep-frames keeps them): 7." in said for said in prepared.warnings)


def test_errors_name_patterns_by_their_numbers_when_others_have_no_position(idle, put, refused, measured):
    patterns = measured.patterns.copy()
    patterns[7, 16, 16] = np.nan
    put(idle, patterns=patterns)
    with open_scan(idle) as raw, pytest.raises(InputError, match="pattern 7 holds NaN or infinity"):
        prepare(raw)
    with h5py.File(idle.with_name("star_product.h5"), "a") as file:
        file["probe_position_x_m"][-2] = np.nan  # of the second pattern that has a position
    refused(idle, "1 positions are NaN or infinite, the first is that of pattern 5;")


def test_patterns_keep_their_numbers_when_the_last_was_never_recorded_either(idle, put, read, measured):
    patterns = measured.patterns.copy()
    patterns[11] = 0
    put(idle, patterns=patterns)
    with h5py.File(idle.with_name("star_product.h5"), "a") as file:
        file["probe_position_x_m"][0] = np.nan  # they run backwards
    raw, frames = read(idle)
    np.testing.assert_array_equal(raw.numbered, np.arange(4, 11))
    np.testing.assert_array_equal(frames, patterns[4:11])
    assert raw.warnings[-1].endswith("1 of 8 patterns have neither a position nor light, and are left out: 11.")


@PAIRS
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("size", [1, 5, 100])
def test_both_files_may_be_one(write, measured, read, format, apart, size):
    raw, frames = read(write(format, name=None if apart else "scan.h5", apart=apart), size)
    assert raw.format == format
    np.testing.assert_array_equal(frames, measured.patterns)
    found = (raw.positions - raw.positions.min(axis=0)) / measured.optics.pixel_size
    np.testing.assert_allclose(found, measured.corners, atol=1e-6)
    assert raw.warnings == ()


def test_patterns_find_their_positions_by_number_and_repeated_numbers_are_averaged(pair, put, measured, read):
    path, product = pair("ptychodus")
    with h5py.File(product) as file:
        y, x, numbers = (file[f"probe_position_{name}"][:] for name in ("y_m", "x_m", "indexes"))
    away = np.append(y, y[3] + 2e-7), np.append(x, x[3] - 4e-7), np.append(numbers, numbers[3])
    names = (f"probe_position_{name}" for name in ("y_m", "x_m", "indexes"))
    put(product, **dict(zip(names, away, strict=True)))
    raw, _ = read(path)
    assert len(raw.positions) == len(measured.corners)
    moved = len(measured.corners) - 1 - 3  # its positions are stored backwards
    found = (raw.positions - raw.positions[0]) / measured.optics.pixel_size
    expected = (measured.corners - measured.corners[0]).astype(float)
    expected[moved] += np.array([1e-7, -2e-7]) / measured.optics.pixel_size
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert "2 positions share their numbers with others, up to 2e-07 m from their means" in raw.warnings[0]


def test_patterns_of_one_number_have_one_position_and_are_told(pair, put, read):
    path, _ = pair("ptychodus")
    put(path, indexes=np.array([5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 5, 5]))
    raw, frames = read(path)
    assert len(frames) == 12
    np.testing.assert_array_equal(raw.positions[[10, 11]], raw.positions[[0, 0]])
    assert "2 patterns have the number, and so the position, of an earlier one" in raw.warnings[0]


@pytest.mark.parametrize("size", [1, 4, 100])
def test_what_is_left_out_moves_no_other_pattern(pair, put, measured, read, size):
    path, _ = pair("ptychodus")
    numbers = np.arange(len(measured.patterns)) + 5
    numbers[[0, 6, 7]] = -1, 400, -1
    put(path, indexes=numbers)
    raw, frames = read(path, size)
    kept = np.delete(np.arange(len(numbers)), [0, 6, 7])
    np.testing.assert_array_equal(frames, measured.patterns[kept])
    found = (raw.positions - raw.positions[0]) / measured.optics.pixel_size
    np.testing.assert_allclose(found, measured.corners[kept] - measured.corners[kept[0]], atol=1e-6)


@PAIRS
def test_without_energy_or_distance_positions_are_pixels_of_the_object(pair, state, measured, read, format):
    for key in ("photon_energy_eV", "detector_object_distance_m"):
        for value in (None, 0.0):
            path, product = pair(format)
            state(product, **{key: value})
            raw, _ = read(path)
            assert raw.unit == "frame pixels"
            np.testing.assert_allclose(raw.positions - raw.positions.min(axis=0), measured.corners, atol=1e-6)


@PAIRS
@pytest.mark.parametrize("unknown", [("photon_energy_eV",), ("photon_energy_eV", "detector_object_distance_m")])
def test_the_recorded_pixel_of_the_object_is_its_size_and_no_given_length_contradicts_it(
    pair, state, measured, tmp_path, format, unknown
):
    path, product = pair(format)
    state(product, **dict.fromkeys(unknown, 0.0))
    optics, extent = measured.optics, np.ptp(measured.corners, axis=0) * measured.optics.pixel_size
    facts = as_mapping(summarise(path, Reading(), Patterns(16)))
    assert facts["pixel_size"] == pytest.approx(2 * optics.pixel_size)  # of half a frame
    assert facts["extent_metres"] == pytest.approx(extent)
    assert not any("lengths are in pixels" in warning for warning in facts["warnings"])
    lengths = {
        "wavelength": optics.wavelength,
        "distance": optics.distance,
        "detector_pixel": optics.detector_pixel_size(32),
    }
    # Lengths that are rounded to less than a percent are those of the file.
    for rounded in (1.0, 1.005):
        reading = Reading(geometry=Geometry(**lengths | {"distance": rounded * optics.distance}))
        assert as_mapping(summarise(path, reading, Patterns()))["extent_metres"] == pytest.approx(extent, rel=0.01)
    reading = Reading(geometry=Geometry(**lengths | {"distance": 2 * optics.distance}))
    recorded = r"the pixel of the object is recorded as 8e-09 x 8e-09 m, but .* make it 1.6e-08 x 1.6e-08 m"
    with pytest.raises(InputError, match=recorded):
        summarise(path, reading, Patterns(16))


@PAIRS
def test_a_recorded_length_that_is_replaced_makes_another_pixel_in_words(pair, measured, format):
    path, _ = pair(format)
    reading = Reading(geometry=Geometry(distance=2 * measured.optics.distance))
    facts = as_mapping(summarise(path, reading, Patterns()))
    assert facts["pixel_size"] == pytest.approx(2 * measured.optics.pixel_size)
    assert facts["extent_metres"] == pytest.approx(np.ptp(measured.corners, axis=0) * measured.optics.pixel_size)
    (warning,) = (warning for warning in facts["warnings"] if "pixel of the object" in warning)
    assert "recorded as 8e-09 x 8e-09 m, the lengths that are given in place of the file's make it 1.6e-08" in warning


@PAIRS
def test_a_recorded_pixel_of_the_object_must_be_square(pair, state, format):
    path, product = pair(format)
    for name in ("object", "probe"):
        state(product, name, pixel_width_m=9e-9)
    state(product, photon_energy_eV=0.0)
    with pytest.raises(InputError, match="a pixel of the object must be square, found 8e-09 m by 9e-09 m"):
        summarise(path, Reading(), Patterns())


def test_a_dataset_keeps_the_pixel_of_an_object_without_a_geometry(tmp_path, measured, read):
    path, optics = tmp_path / "own.cxi", Optics(None, 8e-9, None)
    with create_dataset(path, window=(32, 32), positions=measured.corners, optics=optics) as patterns:
        patterns[:] = measured.patterns
    raw, _ = read(path)
    assert (raw.object_pixel, raw.wavelength, raw.distance) == ((8e-9, 8e-9), None, None)
    assert as_mapping(summarise(path, Reading(), Patterns()))["pixel_size"] == pytest.approx(8e-9)
    with h5py.File(path, "r+") as file:
        file["ptychography"].attrs["pixel_size"] = np.nan
    with pytest.raises(InputError, match="'pixel_size' of 'ptychography' must be 1e-15 to 1e"):
        read(path)


@PAIRS
def test_the_older_name_of_the_energy_is_read_and_a_contradiction_refused(pair, state, read, refused, format):
    path, product = pair(format)
    expected = read(path)[0].wavelength
    with h5py.File(product, "r+") as file:
        energy = file.attrs.pop("photon_energy_eV")
        file.attrs["probe_energy_eV"] = energy
    assert read(path)[0].wavelength == expected
    state(product, photon_energy_eV=1.005 * energy)  # which the older one was rounded from
    assert read(path)[0].wavelength == pytest.approx(expected / 1.005, rel=1e-6, abs=0)
    state(product, photon_energy_eV=energy / 2)
    refused(path, "states two energies, 'photon_energy_eV' of .* and 'probe_energy_eV' of")


@PAIRS
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, 1e300, "8 keV", [1.0, 2.0], True])
@pytest.mark.parametrize("key", ["photon_energy_eV", "detector_object_distance_m"])
def test_a_number_that_no_instrument_has_is_refused_by_name(pair, state, refused, format, key, value):
    path, product = pair(format)
    state(product, **{key: value})
    refused(path, f"the attribute '{key}' must be a number from .* found")


@PAIRS
@pytest.mark.parametrize("value", [-1.0, np.nan, "8 keV"])
def test_a_number_that_no_instrument_has_is_passed_over_where_an_option_replaces_it(
    pair, state, measured, format, value
):
    path, product = pair(format)
    state(product, photon_energy_eV=value)
    state(path, "patterns" if format == "ptychodus" else "dp", detector_pixel_width_m=value)
    optics, lengths = measured.optics, {"detector_pixel": measured.optics.detector_pixel_size(32)}
    reading = Reading(geometry=Geometry(wavelength=optics.wavelength, **lengths))
    facts = as_mapping(summarise(path, reading, Patterns()))
    assert facts["pixel_size"] == pytest.approx(optics.pixel_size)
    assert facts["extent_metres"] == pytest.approx(np.ptp(measured.corners, axis=0) * optics.pixel_size)
    for geometry in (Geometry(distance=2.0), Geometry(distance=2.0, **lengths)):
        with pytest.raises(InputError, match=r"the attribute '(photon_energy_eV|detector_pixel_width_m)' must be"):
            summarise(path, Reading(geometry=geometry), Patterns())


def test_a_wrong_energy_that_is_replaced_makes_no_other_scan_of_the_product(pair, state, measured):
    path, product = pair("ptychodus")
    state(product, photon_energy_eV=4000.0)
    with pytest.raises(InputError, match="they are of different scans or crops"):
        summarise(path, Reading(), Patterns())
    facts = as_mapping(summarise(path, Reading(geometry=Geometry(wavelength=measured.optics.wavelength)), Patterns()))
    assert facts["pixel_size"] == pytest.approx(measured.optics.pixel_size)
    assert not any("pixel of the object" in warning for warning in facts["warnings"])


@PAIRS
def test_the_near_field_is_refused(pair, state, read, refused, format):
    path, product = pair(format)
    state(product, far_field=None)  # products of before it was stated
    read(path)
    for value in (False, "no", [True, False], h5py.Empty("f4")):
        state(product, far_field=value)
        refused(path, "'far_field' must be true, patterns of the near field are not read")


@pytest.mark.parametrize("sides", [("height", "width"), ("height",), ("width",)])
def test_an_object_of_another_crop_is_refused(pair, state, refused, measured, sides):
    path, product = pair("ptychodus")
    for name in ("object", "probe"):
        state(product, name, **{f"pixel_{side}_m": 1.1 * measured.optics.pixel_size for side in sides})
    shown = " x ".join("8.8e-09" if side in sides else "8e-09" for side in ("height", "width"))
    refused(path, f"says that a pixel of the object is {shown} m, but energy, distance and the detector's pixel")


@PAIRS
def test_pixels_of_object_and_probe_must_be_the_same(pair, state, refused, format):
    path, product = pair(format)
    state(product, "probe", pixel_width_m=9e-9)
    refused(path, "gives the pixels of object and probe different sizes")


@PAIRS
@pytest.mark.parametrize("name", ["object", "probe"])
def test_the_pixel_of_either_is_that_of_both(pair, state, measured, read, format, name):
    path, product = pair(format)
    state(product, name, pixel_height_m=None, pixel_width_m=None)
    assert read(path)[0].object_pixel == (measured.optics.pixel_size,) * 2


@PAIRS
def test_steps_far_from_the_origin_of_a_stage_are_not_rounded(pair, measured, read, format):
    path, product = pair(format)
    with h5py.File(product, "r+") as file:
        for name in ("probe_position_x_m", "probe_position_y_m"):
            file[name][:] += 0.1
    positions = read(path)[0].positions
    found = (positions - positions.min(axis=0)) / measured.optics.pixel_size
    np.testing.assert_allclose(found, measured.corners, atol=1e-3)


@PAIRS
def test_one_side_of_a_pixel_alone_is_refused(pair, state, refused, format):
    path, product = pair(format)
    state(product, "object", pixel_width_m=None)
    refused(path, "'object' has only one of the attributes pixel_height_m and pixel_width_m")


@PAIRS
@pytest.mark.parametrize("shape", [(1, 2, 30, 32), (32,), (3, 32, 31)])
def test_a_probe_of_other_patterns_is_refused(pair, put, refused, format, shape):
    path, product = pair(format)
    put(product, probe=np.ones(shape, complex))
    refused(path, "does not fit patterns of 32 x 32 pixels")


@PAIRS
def test_the_first_of_several_modes_is_kept_and_told(pair, put, measured, read, format):
    path, product = pair(format)
    put(product, probe=measured.probe * np.array([1, 0.3, 0.1]).reshape(1, 3, 1, 1))
    raw, _ = read(path)
    np.testing.assert_allclose(raw.probe, measured.probe, rtol=1e-6)
    assert "the first of 3 modes of the probe is kept" in raw.warnings[0]


@PAIRS
@pytest.mark.parametrize("missing", ["probe_position_y_m", "probe_position_x_m"])
def test_a_product_without_positions_is_refused(pair, put, refused, format, missing):
    path, product = pair(format)
    put(product, **{missing: None})
    refused(path, f"holds no positions, '{missing}' is missing")


@PAIRS
@pytest.mark.parametrize("value", [np.zeros(11), np.zeros((12, 1)), np.array(1.0)])
def test_positions_must_be_lists_of_one_length(pair, put, refused, format, value):
    path, product = pair(format)
    put(product, probe_position_x_m=value)
    refused(path, "must have one axis of the same length, found")


@PAIRS
def test_a_position_that_is_no_number_is_refused(pair, put, refused, format):
    path, product = pair(format)
    put(product, probe_position_x_m=np.where(np.arange(12) == 4, np.nan, 1e-9 * np.arange(12)))
    refused(path, "1 positions are NaN or infinite")


@PAIRS
def test_a_missing_product_is_named(pair, refused, format):
    path, product = pair(format)
    product.unlink()
    refused(path, f"holds no positions, '{product.name}', which should hold them, is not beside it")
    other = path.rename(path.with_name("renamed.h5"))
    refused(
        other,
        "holds no positions, and without '.*' in its name no other file can hold them; if .* with --data and --positions",
    )


@PAIRS
def test_the_product_itself_is_no_scan(pair, refused, format):
    refused(pair(format)[1], "is a product of ptychodus without patterns; name the file with the patterns")


@PAIRS
def test_a_product_lies_beside_the_file_that_a_symbolic_link_leads_to(pair, tmp_path, measured, read, format):
    path, _ = pair(format)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "today.h5"
    link.symlink_to(path)
    np.testing.assert_array_equal(read(link)[1], measured.patterns)


@PAIRS
def test_a_product_that_is_damaged_or_a_pipe_is_one_sentence(pair, refused, format):
    path, product = pair(format)
    whole = product.read_bytes()
    product.write_bytes(whole[: len(whole) // 2])
    refused(path, product.name)
    product.write_text("no HDF5")
    refused(path, product.name)
    product.unlink()
    os.mkfifo(product)
    refused(path, "is not beside it")


@pytest.mark.parametrize("name", ["indexes", "probe_position_indexes"])
def test_without_numbers_no_pattern_finds_its_position(pair, put, refused, name):
    path, product = pair("ptychodus")
    put(path if name == "indexes" else product, **{name: None})
    refused(path, f"'{name}' is missing, which says what position belongs to a pattern")


@pytest.mark.parametrize("name", ["indexes", "probe_position_indexes"])
def test_numbers_must_be_as_many_as_what_they_number(pair, put, refused, name):
    path, product = pair("ptychodus")
    file = path if name == "indexes" else product
    put(file, **{name: np.arange(11)})
    refused(path, f"'{name}' must hold 12 numbers, found 11")
    put(file, **{name: np.arange(12.0)})
    refused(path, f"'{name}' must hold numbers, found float64")
    put(file, **{name: np.arange(12)[None]})
    refused(path, f"'{name}' must have one axis, found shape")


def test_patterns_of_another_scan_have_no_positions(pair, put, refused):
    path, product = pair("ptychodus")
    put(product, probe_position_indexes=np.arange(12) + 1000)
    refused(path, "0 of 12 patterns have a position in")


def test_bad_pixels_are_masked(pair, put, read, refused):
    path, _ = pair("ptychodus")
    bad = np.zeros((32, 32), bool)
    bad[3, 4] = True
    put(path, bad_pixels=bad)
    np.testing.assert_array_equal(read(path)[0].mask, bad)
    put(path, bad_pixels=bad[:, :30])
    refused(path, "'bad_pixels' must have the shape")


def test_patterns_in_order_need_positions_in_order(pair, put, read, refused):
    path, product = pair("ptychi")
    put(product, probe_position_indexes=np.arange(12)[::-1])
    refused(path, "'probe_position_indexes' must increase")
    put(product, probe_position_indexes=np.arange(11))
    refused(path, "'probe_position_indexes' must increase, one number a position")
    put(product, probe_position_indexes=np.arange(12) + 3)
    assert "numbers its 12 positions 3 to 14" in read(path)[0].warnings[0]
    put(product, probe_position_indexes=None)
    assert read(path)[0].warnings == ()


def test_a_pair_without_the_pixel_of_its_object_is_refused(pair, state, refused):
    path, product = pair("ptychi")
    for name in ("object", "probe"):
        state(product, name, pixel_height_m=None, pixel_width_m=None)
    refused(path, "'object' has no attributes pixel_height_m and pixel_width_m")


def test_one_position_too_few_is_refused(pair, put, refused, measured):
    path, _ = pair("ptychi")
    put(path, dp=measured.patterns[:11])
    refused(path, "11 patterns do not fit 12 positions")


def test_a_pair_of_fold_slice_is_refused_by_name(pair, refused, tmp_path):
    path, product = pair("ptychi")
    with h5py.File(product, "w") as file:
        file["ppX"] = file["ppY"] = np.arange(12.0)
    refused(path, "holds positions of fold_slice, ppX and ppY, whose unit and axes it does not say")


def test_formats_are_told_apart_by_what_the_root_holds(write, put, measured, read, refused):
    path = put(write("cxi"), dp=measured.patterns, patterns=measured.patterns)
    assert read(path)[0].format == "cxi"
    refused(path, "holds no positions, and without 'diffraction' in its name", format="ptychodus")
    path = put(write("ptychi"), entry_1=None)
    refused(path, "holds no patterns", format="cxi")
    refused(path, "holds no positions, and without 'diffraction' in its name", format="ptychodus")
    path = write("ptychodus", name="scan.h5", apart=False)
    refused(path, "'dp' is not in the file", format="ptychi")


@PAIRS
def test_both_formats_prepare_as_any_scan(pair, measured, format):
    path, _ = pair(format)
    with open_scan(path) as raw:
        scan = prepare(raw, Preparation(crop=16))
        assert scan.optics.pixel_size == pytest.approx(2 * measured.optics.pixel_size)
        np.testing.assert_allclose(scan.positions - scan.positions.min(axis=0), measured.corners / 2, atol=1e-6)
