"""Objects as files: what is read is what was drawn, and what cannot be read is named."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Optics
from ptychoformer.simulation.objects import make_object, mapped

OPTICS = Optics(wavelength=2.508e-12, pixel_size=5e-9, distance=1.0)
SHAPE = (20, 24)
FILM = {"thickness": 10e-9, "induction": 1.0, "mean_inner_potential": 26.0, "absorption_length": 100e-9}
CONTRAST = {"amplitude_range": None, "phase_scale": 1.0}
TIFF = {"kind": "tiff", "shape": list(SHAPE), **CONTRAST}
PERMALLOY = {"kind": "permalloy", "shape": [64, 96], "seed": 0, **FILM, **CONTRAST}


@pytest.fixture
def images(tmp_path):
    """Two TIFF files with the arrays they hold."""
    rng = np.random.default_rng(0)
    arrays = {
        "amplitude": rng.uniform(0.6, 0.9, SHAPE).astype(np.float32),
        "phase": rng.normal(size=SHAPE).astype(np.float32),
    }
    files = {name: tmp_path / f"{name}.tiff" for name in arrays}
    for name, array in arrays.items():
        tifffile.imwrite(files[name], array)
    return files, arrays


def test_tiff_images_come_back_unchanged_and_described(images, tmp_path):
    files, arrays = images
    make_object(TIFF, OPTICS, files, tmp_path / "object.h5")
    with h5py.File(tmp_path / "object.h5") as file:
        assert dict(file["object"].attrs) == {"kind": "tiff", "pixel_size": 5e-9}
        for name, array in arrays.items():
            np.testing.assert_array_equal(file[f"object/{name}"], array)
            assert file[f"object/{name}"].dtype == np.float32
        assert dict(file["object/phase"].attrs) == {"units": "rad", "axes": "y,x"}
        assert dict(file["object/amplitude"].attrs) == {"units": "", "axes": "y,x"}


def test_contrast_is_mapped_linearly(images, tmp_path):
    files, arrays = images
    make_object(TIFF | {"amplitude_range": [0.5, 1.0], "phase_scale": -1 / 6}, OPTICS, files, tmp_path / "object.h5")
    with h5py.File(tmp_path / "object.h5") as file:
        amplitude, phase = file["object/amplitude"][:], file["object/phase"][:]
    assert (amplitude.min(), amplitude.max()) == (0.5, 1.0)
    assert np.corrcoef(amplitude.ravel(), arrays["amplitude"].ravel())[0, 1] == pytest.approx(1)
    np.testing.assert_allclose(phase, -arrays["phase"] / 6, rtol=1e-6)


def test_permalloy_keeps_its_two_amplitudes_when_mapped(tmp_path):
    make_object(PERMALLOY | {"amplitude_range": [0.5, 1.0]}, OPTICS, {}, tmp_path / "object.h5")
    with h5py.File(tmp_path / "object.h5") as file:
        assert file["object/amplitude"].shape == (64, 96)
        assert set(np.unique(file["object/amplitude"])) == {0.5, 1.0}
        assert file["object"].attrs["kind"] == "permalloy"


def test_an_amplitude_without_contrast_cannot_be_mapped():
    with pytest.raises(InputError, match=r"0\.7 everywhere cannot be mapped to \[0\.5, 1\.0\]; it must be null"):
        mapped(np.full((4, 4), 0.7), 0.5, 1.0)


def test_an_unknown_kind_is_named(tmp_path):
    with pytest.raises(InputError, match="no kind 'moon'"):
        make_object(TIFF | {"kind": "moon"}, OPTICS, {}, tmp_path / "object.h5")


def missing(path: Path) -> None:
    path.unlink()


def not_a_tiff(path: Path) -> None:
    path.write_text("an HTML page, say")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:700])


def with_nan(path: Path) -> None:
    tifffile.imwrite(path, np.full(SHAPE, np.nan, np.float32))


def in_colour(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((*SHAPE, 3), np.uint8), photometric="rgb")


def complex_valued(path: Path) -> None:
    tifffile.imwrite(path, np.zeros(SHAPE, np.complex64))


def of_another_shape(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((20, 25), np.float32))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (missing, "does not exist"),
        (not_a_tiff, "cannot be read as TIFF"),
        (empty, "cannot be read as TIFF"),
        (truncated, "cannot be read as TIFF"),
        (with_nan, "holds NaN or infinity"),
        (in_colour, r"one grey-scale image of real numbers, found shape \(20, 24, 3\) of uint8"),
        (complex_valued, r"real numbers, found shape \(20, 24\) of complex64"),
        (of_another_shape, r"has the shape \(20, 25\), but the config declares \(20, 24\)"),
    ],
)
def test_a_bad_tiff_is_named_and_nothing_is_written(images, tmp_path, spoil, reason):
    files, _ = images
    spoil(files["phase"])
    with pytest.raises(InputError, match=rf"phase\.tiff .*{reason}"):
        make_object(TIFF, OPTICS, files, tmp_path / "results" / "object.h5")
    assert not (tmp_path / "results").exists()
