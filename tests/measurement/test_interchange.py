"""Other people's programs read our files and come to our results."""

import cdtools
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ptychoformer.measurement.cxi import Optics, create_dataset, read_patterns
from ptychoformer.measurement.windows import windows

WINDOW, STEP, ROWS = 32, 5, 11
OPTICS = Optics(wavelength=1e-9, pixel_size=2e-8, distance=0.5)
SIZE = (ROWS - 1) * STEP + WINDOW


def make_object():
    """Smooth blobs, which look alike in no two orientations."""
    random = np.random.default_rng(0)
    amplitude, phase = (gaussian_filter(random.normal(size=(SIZE, SIZE)), 3.0) for _ in range(2))
    return (0.8 + 0.15 * amplitude / np.abs(amplitude).max()) * np.exp(0.6j * phase / np.abs(phase).max())


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A scan with a little jitter, against the raster's own symmetry, in whole pixels."""
    corners = np.indices((ROWS, ROWS)).reshape(2, -1).T * STEP
    corners = np.clip(corners + np.random.default_rng(1).integers(-1, 2, corners.shape), 0, SIZE - WINDOW)
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW / 2
    probe = 100 * np.exp(-(x**2 + y**2) / 70 + 0.02j * (x**2 + y**2))
    waves = probe * windows(make_object(), corners, (WINDOW, WINDOW))
    path = tmp_path_factory.mktemp("interchange") / "scan.cxi"
    with create_dataset(path, window=(WINDOW, WINDOW), positions=corners, probe=probe, optics=OPTICS) as patterns:
        patterns[:] = np.abs(np.fft.fftshift(np.fft.fft2(waves, norm="ortho"), axes=(1, 2))) ** 2
    return path, corners


def test_cdtools_reads_what_we_mean(scan):
    path, corners = scan
    dataset = cdtools.datasets.Ptycho2DDataset.from_cxi(path)
    np.testing.assert_allclose(dataset.patterns, read_patterns(path, np.arange(len(corners))), rtol=1e-6)
    # The probe's motion over the object, x and y in metres.
    np.testing.assert_allclose(dataset.translations[:, :2], corners[:, ::-1] * OPTICS.pixel_size, rtol=1e-5, atol=1e-15)
    assert float(dataset.wavelength) == pytest.approx(OPTICS.wavelength, rel=1e-6, abs=0)
    assert float(dataset.detector_geometry["distance"]) == pytest.approx(OPTICS.distance)
    sides = np.abs(dataset.detector_geometry["basis"]).max(axis=0)
    np.testing.assert_allclose(sides, OPTICS.detector_pixel_size(WINDOW), rtol=1e-5)


def test_cdtools_reconstructs_our_object(scan):
    path, _ = scan
    torch.manual_seed(0)
    dataset = cdtools.datasets.Ptycho2DDataset.from_cxi(path)
    model = cdtools.models.FancyPtycho.from_dataset(dataset, n_modes=1, obj_padding=8)
    errors = list(model.Adam_optimize(40, dataset, lr=0.02, batch_size=20, thread=False))
    assert errors[-1] < 0.05 * errors[0]
    found = np.squeeze(model.obj.detach().cpu().numpy())
    found = found[..., 0] + 1j * found[..., 1] if not np.iscomplexobj(found) else found
    assert similarity(found, make_object()) > 0.97


def similarity(found, truth, margin=20):
    """The greatest correlation of a part of the true object, without its mean, with any part of what was found; a phase ramp is allowed for."""
    part = truth[margin:-margin, margin:-margin]
    best = 0.0
    for y in range(found.shape[0] - len(part) + 1):
        for x in range(found.shape[1] - len(part) + 1):
            ratio = found[y : y + len(part), x : x + len(part)] * part.conj()
            slopes = [
                np.angle(np.sum(np.delete(ratio, 0, axis) * np.delete(ratio, -1, axis).conj())) for axis in (0, 1)
            ]
            rows, columns = np.ogrid[: len(part), : len(part)]
            flat = found[y : y + len(part), x : x + len(part)] * np.exp(-1j * (slopes[0] * rows + slopes[1] * columns))
            one, other = flat - flat.mean(), part - part.mean()
            best = max(best, np.abs(np.vdot(one, other)) / np.linalg.norm(one) / np.linalg.norm(other))
    return best
