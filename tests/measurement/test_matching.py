"""A reconstruction, or published labels, are used with the scan that they belong to, and with no other."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.labelled import make_labelled
from ptychoformer.measurement.matching import label_step
from ptychoformer.measurement.options import Patterns, Reading, ReconstructionOptions
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.measurement.reconstruct import reconstruct
from ptychoformer.measurement.windows import windows

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ReconstructionOptions(
    engine="rpie", regularisation=0.3, iterations=2, momentum=0.0, averaged=1, probe_from=2, positions_from=None
)
TRANSLATION = "entry_1/sample_1/geometry_1/translation"
DETECTOR = "entry_1/instrument_1/detector_1"


@pytest.fixture
def path(write):
    return write("cxi")


@pytest.fixture
def object_of(tmp_path):
    def made(path, scan=None, **options):
        output = tmp_path / "object.h5"
        reconstruct(
            path,
            Reading.of(scan or {}),
            replace(OPTIONS, **options),
            output=output,
            convergence=tmp_path / "object.csv",
        )
        return output

    return made


def labelled(tmp_path, path, reconstruction=None, labels=None, scan=None, crop=16, bin=1):
    made = dict(output=tmp_path / "dataset.cxi", object_output=tmp_path / "labels.h5")
    make_labelled(
        path, Reading.of(scan or {}), Patterns(crop, bin), labels=labels, reconstruction=reconstruction, **made
    )
    return read_scan(made["output"])


@pytest.mark.parametrize("format", ["cxi", "nxcxi", "ptychodus", "ptychi", "ptyd", "velociprobe", "nanoprobe"])
@pytest.mark.parametrize("patterns", [dict(), dict(crop=24), dict(crop=30, bin=3), dict(crop=28, bin=2)])
def test_any_two_preparations_of_a_scan_belong_together(tmp_path, write, object_of, format, patterns):
    reconstruction = object_of(write(format), **patterns)
    for crop, bin in ((16, 1), (24, 3), (28, 2)):
        labelled(tmp_path, write(format), reconstruction, crop=crop, bin=bin)


def other_places(file):
    file[TRANSLATION][3, 0] += 2e-8


def mirrored(file):
    file[TRANSLATION][:, 0] *= -1


def other_patterns(file):
    file[f"{DETECTOR}/data"][...] = file[f"{DETECTOR}/data"][...] ** 1.1


def other_order(file):
    data = file[f"{DETECTOR}/data"]
    data[...] = data[...][::-1]


def frames(turned):
    def change(file):
        data = file[f"{DETECTOR}/data"]
        data[...] = turned(data[...])

    return change


AT_OTHER_PLACES = r"other patterns than those of .*: 12 of 12 count as much, but at other places of the detector"


@pytest.mark.parametrize(
    ("change", "scan", "sentence"),
    [
        (frames(lambda data: data.transpose(0, 2, 1)), {}, AT_OTHER_PLACES),
        (frames(lambda data: data[:, ::-1]), {}, AT_OTHER_PLACES),
        (frames(lambda data: data[:, :, ::-1]), {}, AT_OTHER_PLACES),
        (frames(lambda data: np.rot90(data, 1, (1, 2))), {}, AT_OTHER_PLACES),
        (frames(lambda data: np.rot90(data, 2, (1, 2))), {}, AT_OTHER_PLACES),
        (other_places, {}, r"other positions than those of .*scan.cxi, 2.\d* pixels apart"),
        (mirrored, {}, "other positions"),
        (other_patterns, {}, "other patterns than those of .*scan.cxi: 12 of 12 differ"),
        (other_order, {}, "other patterns"),
        (None, dict(geometry=dict(distance=1.0)), "other positions"),
        (
            None,
            dict(centre=(16, 15)),
            r"around detector pixel 16 16, .*scan.cxi is cut around another; give --centre 16 16\.",
        ),
    ],
)
def test_an_object_of_another_scan_is_refused(tmp_path, path, object_of, change, scan, sentence):
    reconstruction = object_of(path, scan=dict(centre=(16, 16)))
    labelled(tmp_path, path, reconstruction, scan=dict(centre=(16, 16)))
    if change:
        with h5py.File(path, "r+") as file:
            change(file)
    with pytest.raises(InputError, match=sentence):
        labelled(tmp_path, path, reconstruction, scan=dict(centre=(16, 16)) | scan)


def test_lengths_that_positions_in_pixels_do_not_tell_are_compared(tmp_path, write, object_of):
    lengths = dict(wavelength=1.4e-10, distance=2.0, detector_pixel=5e-5)
    reconstruction = object_of(write("velociprobe"), scan=dict(geometry=lengths))
    assert labelled(tmp_path, write("velociprobe"), reconstruction).pixel_size is None
    labelled(tmp_path, write("velociprobe"), reconstruction, scan=dict(geometry=lengths))
    with pytest.raises(InputError, match=r"pixels of 1.75e-07 m, the geometry of .* makes them 8.75e-08 m"):
        labelled(tmp_path, write("velociprobe"), reconstruction, scan=dict(geometry=lengths | dict(distance=1.0)))


@pytest.mark.parametrize("step", [3.0, 4.04])
def test_a_raster_is_read_with_the_step_that_its_object_was_made_with(tmp_path, write, object_of, step):
    reconstruction = object_of(write("nanoprobe"))
    with pytest.raises(InputError, match="other positions"):
        labelled(tmp_path, write("nanoprobe"), reconstruction, scan=dict(step=step))


def cut(file, name):
    values, attributes = file[name][1:], dict(file[name].attrs)
    del file[name]
    file[name] = values
    file[name].attrs.update(attributes)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda file: file.attrs.update({"crop": 16}),
            r"a probe of \(32, 32\) pixels does not fit a crop of 16 and a bin of 1",
        ),
        (lambda file: file.attrs.update({"crop": "all"}), "is no reconstruction of this project"),
        (lambda file: file.attrs.update({"bin": 0}), "is no reconstruction of this project"),
        (lambda file: file.attrs.pop("centre"), "is no reconstruction of this project"),
        (lambda file: file.pop("counts"), "holds no dataset 'counts'"),
        (lambda file: file.pop("part_counts"), "holds no dataset 'part_counts'"),
        (lambda file: file["positions"].__setitem__((3, 0), np.nan), "hold NaN or infinity"),
        (lambda file: file["part_counts"].__setitem__((3, 0, 0), np.nan), r"part_counts must be \(12, 4, 4\) finite"),
        (lambda file: cut(file, "part_counts"), r"part_counts must be \(12, 4, 4\) finite numbers"),
        (lambda file: cut(file, "counts"), r"counts must be \(12,\) finite numbers"),
        (
            lambda file: file["recorded_positions"].__setitem__((3, 0), 1e3),
            r"have windows beyond the object of \(\d+, \d+\) pixels",
        ),
    ],
)
def test_a_damaged_reconstruction_is_named(tmp_path, path, object_of, change, sentence):
    reconstruction = object_of(path)
    with h5py.File(reconstruction, "r+") as file:
        change(file)
    with pytest.raises(InputError, match=rf"object\.h5.* {sentence}"):
        labelled(tmp_path, path, reconstruction)


def test_patterns_are_the_same_when_a_few_pixels_are_masked_or_another_energy_scales_them(tmp_path, path, object_of):
    reconstruction = object_of(path)
    with h5py.File(path, "r+") as file:
        data, mask = file[f"{DETECTOR}/data"][...], file[f"{DETECTOR}/mask"][...]
        del file[f"{DETECTOR}/data"]
        mask[np.unravel_index(np.argsort(data.sum(axis=0), axis=None)[:10], mask.shape)] = 1
        file[f"{DETECTOR}/data"], file[f"{DETECTOR}/mask"][...] = np.where(mask, 0, 1.0005 * data), mask
    labelled(tmp_path, path, reconstruction)


# Published labels


def patches(tmp_path, whole, step, grid=(3, 4), side=16):
    corners = np.rint(step * np.indices(grid).reshape(2, -1).T).astype(int)
    np.save(
        tmp_path / "labels.npy", windows(whole, corners, (side, side)).reshape(*grid, side, side).astype(np.complex64)
    )
    return tmp_path / "labels.npy"


@pytest.mark.parametrize("step", [4.0, 5.0, 3.7])
def test_published_labels_lie_where_their_patches_were(tmp_path, write, simulate, step):
    whole = simulate(grid=(6, 8)).object
    labels = patches(tmp_path, whole, step / 2)
    found = labelled(tmp_path, write("nanoprobe"), labels=labels, scan=dict(step=step))
    published = np.load(labels).reshape(-1, 16, 16)
    np.testing.assert_allclose(windows(found.amplitude, found.positions, (16, 16)), np.abs(published), rtol=1e-5)
    np.testing.assert_allclose(windows(found.phase, found.positions, (16, 16)), np.angle(published), atol=1e-5)


def test_labels_of_another_raster_are_refused_even_where_they_make_as_large_an_object(tmp_path, write, simulate):
    whole = simulate(grid=(6, 8)).object
    for grid, side in (((3, 4), 14), ((4, 5), 14), ((4, 3), 16)):
        labels = patches(tmp_path, whole, 2.0, grid, side)
        with pytest.raises(
            InputError,
            match=rf"{grid[0]} x {grid[1]} patches of {side} pixels, .*a raster of 3 x 4, with windows of 16",
        ):
            labelled(tmp_path, write("nanoprobe"), labels=labels)


def test_labels_want_a_raster(tmp_path, write, simulate, path):
    labels = patches(tmp_path, simulate(grid=(6, 8)).object, 2.0)
    with pytest.raises(InputError, match=r"scan.cxi is no raster, with windows of 16 pixels"):
        labelled(tmp_path, path, labels=labels)
    offgrid = write("cxi", name="dataset.cxi")
    with open_prepared(offgrid, Reading(), Patterns(16)) as prepared:
        jittered = replace(prepared, raster=(3, 4))
    with pytest.raises(
        InputError, match=r"are patches on a raster, from which positions of scan.cxi lie up to 1\.\d+ pixels away"
    ):
        label_step(labels, "scan.cxi", jittered)


def test_the_papers_raster_has_a_step_of_three_pixels_of_its_labels(tmp_path):
    """161 x 161 frames of 256 x 256 pixels, as its reader sees them; here a few."""
    entry = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text(encoding="utf-8"))["datasets"]["measured"]
    frames = np.zeros((3, 4, 256, 256), np.uint16)
    frames[:, :, 120:136, 120:136] = 100
    np.save(tmp_path / "scan.npy", frames)
    side = entry["patterns"]["crop"] // entry["patterns"]["bin"]
    np.save(tmp_path / "labels.npy", np.ones((3, 4, side, side), np.complex64))
    read = {name: entry[name] for name in ("format", "step", "centre")}
    found = labelled(tmp_path, tmp_path / "scan.npy", labels=tmp_path / "labels.npy", scan=read, **entry["patterns"])
    np.testing.assert_array_equal(found.positions, 3 * np.indices((3, 4)).reshape(2, -1).T)
