"""A mask that is given for a scan: 0 where a pixel is good, and nothing that is no mask."""

import h5py
import numpy as np
import pytest
import tifffile

from ptychoformer.errors import InputError
from ptychoformer.measurement.options import Patterns, Reading
from ptychoformer.measurement.preparation import open_prepared

Y, X = np.indices((32, 32)) - 16
STOP = np.hypot(Y + 3, X - 2) < 3
NAMES = {
    "cxi": "entry_1/stop",
    "ptychodus": "stop",
    "ptychi": "stop",
    "velociprobe": "stop.npy",
    "nanoprobe": "stop.tif",
}


def store(scan, name, mask):
    """Put a mask beside a scan, or into it; returns what --mask is told."""
    if name.endswith(".npy"):
        np.save(scan.parent / name, mask)
    elif name.endswith(".tif"):
        tifffile.imwrite(scan.parent / name, mask.astype(np.uint8))
    else:
        with h5py.File(scan, "r+") as file:
            file[name] = mask
        return name
    return str(scan.parent / name)


@pytest.mark.parametrize("format", NAMES)
@pytest.mark.parametrize("kind", [bool, np.uint32, np.int8])
def test_a_mask_names_bad_pixels_of_any_format(write, read, format, kind):
    scan = write(format)
    mask = store(scan, NAMES[format], 4 * STOP.astype(np.int8) if kind is not bool else STOP)
    np.testing.assert_array_equal(read(scan, mask=mask)[0].mask, STOP)
    before = read(scan)[0].mask
    assert before is None or not before.any()


@pytest.mark.parametrize("format", NAMES)
def test_a_mask_is_that_of_the_frames_as_they_are_drawn_which_is_told_where_the_file_has_another_order(
    write, measured, format
):
    scan = write(format)
    brightest = measured.patterns.mean(axis=0) == measured.patterns.mean(axis=0).max()
    with open_prepared(scan, Reading(mask=store(scan, NAMES[format], brightest)), Patterns()) as prepared:
        np.testing.assert_array_equal(prepared.mask, brightest)
    told = any("frames as they are drawn, with the zero frequency in the middle" in each for each in prepared.warnings)
    assert told == (format == "velociprobe")


def test_what_the_file_masks_stays_so(write, put, read):
    scan = put(write("cxi"), **{"entry_1/instrument_1/detector_1/mask": (X == 9).astype(np.uint8)})
    np.testing.assert_array_equal(read(scan, mask=store(scan, "stop", STOP))[0].mask, STOP | (X == 9))


@pytest.mark.parametrize("named", ["stop", "stop.npy"])
def test_a_mask_is_that_of_an_hdf5_file_by_paths(tmp_path, measured, read, named):
    scan = tmp_path / "any.h5"
    with h5py.File(scan, "w") as file:
        file["frames"], file["stage"] = measured.patterns, measured.corners[:, ::-1].astype(float)
    paths = {"data": "frames", "positions": "stage", "positions_unit": "pixel"}
    np.testing.assert_array_equal(read(scan, mask=store(scan, named, STOP), **paths)[0].mask, STOP)


def test_a_mask_of_matlab_is_turned_as_its_frames_are(tmp_path, measured, read):
    scan = tmp_path / "any.mat"
    with h5py.File(scan, "w") as file:
        stored = {"frames": measured.patterns.mT, "stage": measured.corners.T[::-1].astype(float), "stop": STOP.T}
        for name, value in stored.items():
            file[name] = np.uint8(value) if name == "stop" else value
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
    paths = {"data": "frames", "positions": "stage", "positions_unit": "pixel"}
    np.testing.assert_array_equal(read(scan, mask="stop", **paths)[0].mask, STOP)


@pytest.mark.parametrize("name", ["stop", "stop.npy", "stop.tif"])
@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (STOP.astype(np.float32), "must be a mask of booleans or integers, 0 where a pixel is good, found float32"),
        (STOP[:31], r"must have the patterns' shape \(32, 32\), found \(31, 32\)"),
        (np.ones((32, 32), bool), "leaves no pixel; a mask is 0 where the detector is good"),
        (np.stack([STOP, ~STOP]), "must be the same for all patterns, found 2 of which some differ"),
    ],
)
def test_what_is_no_mask_is_refused(write, refused, name, mask, sentence):
    scan = write("cxi")
    if mask.dtype == np.float32 and name == "stop.tif":
        tifffile.imwrite(scan.parent / name, mask)
        given = str(scan.parent / name)
    else:
        given = store(scan, name, mask)
    refused(scan, sentence, mask=given)


def test_a_mask_that_is_nowhere_is_refused_and_one_that_is_there_named(write, refused):
    scan = write("cxi")
    refused(scan, "'stopp' is not in the file; the mask may be .*'entry_1/instrument_1/detector_1/mask'", mask="stopp")
    refused(scan, "stop.npy does not exist", mask="stop.npy")
    refused(write("velociprobe"), "is no HDF5 file in which 'stop' could be the mask; .* .npy, .tif", mask="stop")
    (scan.parent / "broken.tif").write_bytes(b"II*")
    refused(scan, "broken.tif cannot be read", mask=str(scan.parent / "broken.tif"))


def test_a_mask_that_is_one_where_a_pixel_is_good_is_refused(write):
    scan = write("cxi")
    inverted = store(scan, "good", X > -16)
    expected = pytest.raises(InputError, match="it may be inverted: it must be 0 where the detector is good")
    with expected, open_prepared(scan, Reading(mask=inverted), Patterns()):
        pass
