"""Spectra: energy is conserved, a wave lands where it belongs, and ring correlation tells signal from noise."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal.windows import hann

from ptychoformer.errors import InputError
from ptychoformer.evaluation.spectra import (
    BAND_ENERGIES,
    BANDS,
    MAX_FREQUENCY,
    SPECTRA,
    band_shares,
    crossing,
    diagonal,
    half_bit,
    power_spectrum,
    ring_correlation,
    spectra,
    windowed,
)
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.storage import create_hdf5, write
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import grid_split

PLACE = {"block": "lower_right", "level": "scene"}


@pytest.fixture
def random() -> np.random.Generator:
    """Its own for every test, so that what one draws does not depend on those before it."""
    return np.random.default_rng(0)


def wave(cycles_y: float, cycles_x: float, size: int = 96) -> np.ndarray:
    y, x = np.indices((size, size))
    return np.cos(2 * np.pi * (cycles_y * y + cycles_x * x) + 0.3)


def low_passed(image: np.ndarray, cut_off: float) -> np.ndarray:
    radius = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1]))
    return np.fft.ifft2(np.fft.fft2(image) * (radius <= cut_off)).real


@pytest.mark.parametrize("shape", [(64, 64), (40, 61)])
def test_parseval(shape, random):
    image = random.standard_normal(shape) + 3
    window = np.outer(hann(shape[0], sym=False), hann(shape[1], sym=False))
    weighted = (window**2 * image**2).sum() / (window**2).sum()
    assert power_spectrum(image).mean() == pytest.approx(weighted)


def test_white_noise_has_its_variance_at_every_frequency(random):
    spectrum = np.mean([power_spectrum(2 * random.standard_normal((32, 32))) for _ in range(400)], axis=0)
    np.testing.assert_allclose(spectrum, 4, rtol=0.3)
    frequency, section = diagonal(spectrum)
    assert frequency[[0, -1]] == pytest.approx([0, MAX_FREQUENCY])
    assert section.mean() == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(("radius", "band"), [(0.1, "low"), (0.3, "mid"), (0.6, "high")])
def test_a_wave_lies_in_its_band_and_on_the_diagonal(radius, band):
    spectrum = power_spectrum(wave(radius / np.sqrt(2), radius / np.sqrt(2)))
    assert dict(zip(BANDS, band_shares(spectrum)))[band] > 0.999
    frequency, section = diagonal(spectrum)
    assert frequency[section.argmax()] == pytest.approx(radius, abs=np.sqrt(2) / 96)


def test_both_diagonals_count():
    """Waves that run down and up to the right are mirror images, and so are their spectra."""
    sections = [diagonal(power_spectrum(wave(0.2, cycles_x)))[1] for cycles_x in (0.2, -0.2)]
    np.testing.assert_allclose(sections[0], sections[1], atol=1e-6 * sections[0].max())


def test_what_is_correlated_has_no_mean_left(random):
    """Else an object that is brighter on one side would correlate in the first ring by its mean alone."""
    image = random.standard_normal((40, 61)) + np.linspace(0, 9, 61)
    assert windowed(image).sum() == pytest.approx(0, abs=1e-9)


def test_the_mean_counts_as_low():
    assert band_shares(power_spectrum(np.full((24, 24), 0.7))) == pytest.approx((1, 0, 0))
    shares = band_shares(power_spectrum(3 + wave(0.4, 0.4)))
    # Powers 9 and 1/2; the window weighs the wave by its own mean square.
    assert shares[2] == pytest.approx(0.5 / 9.5, rel=0.01)


def test_an_image_without_energy_is_refused():
    with pytest.raises(InputError, match="zero everywhere"):
        band_shares(power_spectrum(np.zeros((16, 16))))


@pytest.mark.parametrize("shape", [(64, 64), (48, 80)])
def test_identical_images_correlate_and_opposite_ones_anticorrelate(shape, random):
    image = random.standard_normal(shape)
    frequency, correlation, _ = ring_correlation(image, 2 * image + 1)
    np.testing.assert_allclose(correlation, 1)
    assert frequency[[0, -1]] == pytest.approx([1 / min(shape), 0.5])
    np.testing.assert_allclose(ring_correlation(image, -image)[1], -1)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_independent_noise_stays_below_the_threshold_with_the_spread_that_its_counts_say(kind, random):
    def noise():
        image = random.standard_normal((64, 64))
        return image if kind == "real" else image + 1j * random.standard_normal((64, 64))

    found = [ring_correlation(noise(), noise()) for _ in range(60)]
    frequency, _, independent = found[0]
    correlations = np.array([correlation for _, correlation, _ in found])
    assert (correlations > half_bit(independent))[:, frequency > 0.1].mean() < 3e-3
    assert abs(correlations.mean()) < 0.01
    # Re(F1 conj(F2)) has half of the variance of the complex product.
    spread = correlations.var(axis=0)[frequency > 0.1] * 2 * independent[frequency > 0.1]
    assert 0.8 < spread.mean() < 1.1


def test_a_low_passed_copy_crosses_at_the_cut_off(random):
    image = random.standard_normal((128, 128))
    frequency, correlation, independent = ring_correlation(low_passed(image, 0.25), image)
    assert crossing(frequency, correlation, half_bit(independent))[0] == pytest.approx(0.25, abs=1.5 / 128)


def test_crossing_is_interpolated_and_has_ends():
    frequency, threshold = np.array([0.1, 0.2, 0.3, 0.4]), np.full(4, 0.5)
    assert crossing(frequency, np.array([0.2, 0.9, 0.7, 0.3]), threshold) == pytest.approx((0.35, 0.5))
    assert crossing(frequency, np.zeros(4), threshold) == (0, 0.5)
    assert crossing(frequency, np.ones(4), threshold) == (0.4, 0.5)


def test_half_bit_has_its_limits():
    # For many coefficients the signal to noise ratio alone decides, 2^(1/2) - 1 = 2 x 0.2071; for one, nothing passes.
    assert half_bit(np.array(1e12)) == pytest.approx((np.sqrt(2) - 1) / 2 / (1 + (np.sqrt(2) - 1) / 2), abs=1e-4)
    assert half_bit(np.array(1.0)) == pytest.approx(1)
    assert (np.diff(half_bit(np.arange(1.0, 99))) < 0).all()


def write_scene(path, scan, estimate, normalisation, hole=0):
    block = grid_split(scan).rectangle(PLACE["block"])
    with create_hdf5(path) as file:
        group = file.create_group(PLACE["block"])
        group.attrs.update({"origin": [part.start for part in block], **normalisation.as_attributes()})
        for channel, image in zip(("amplitude", "phase"), estimate):
            labels = normalisation.normalised(channel, image)[block]
            labels[:hole] = np.nan
            write(group, channel, labels.astype(np.float32), "", "y,x")
    return path


def run(seed=0, model="any"):
    return {"dataset": "one", "test": "one", "model": model, "loss": "mse", "n_train": 7, "seed": seed}


@pytest.fixture
def files(tmp_path):
    return {"output_spectra_csv": tmp_path / "spectra.csv", "output_bands_csv": tmp_path / "bands.csv"}


@pytest.mark.parametrize("hole", [0, 3])
def test_a_perfect_scene_is_resolved_and_keeps_all_energy(tmp_path, make_dataset, files, hole):
    dataset = make_dataset()
    scan = read_scan(dataset)
    # Constants that the object exceeds: spectra are of the object's own units, whatever the labels were.
    scene = write_scene(
        tmp_path / "scene.h5", scan, (scan.amplitude, scan.phase), Normalisation(0.6, 0.9, -2.5, 1.0), hole
    )
    spectra({0: dataset}, [(scene, run())], **PLACE, **files)
    bands, curves = pd.read_csv(files["output_bands_csv"]), pd.read_csv(files["output_spectra_csv"])
    assert list(bands) == list(BAND_ENERGIES)
    assert list(curves) == list(SPECTRA)
    np.testing.assert_allclose(bands["estimate"], bands["truth"], rtol=1e-4)
    np.testing.assert_allclose(bands.groupby("channel")[["estimate", "truth"]].sum(), 1)
    assert set(curves["channel"]) == {"amplitude", "phase", "object"}
    np.testing.assert_allclose(curves.loc[curves["quantity"] == "frc", "value"], 1, atol=1e-5)
    assert (curves.loc[curves["quantity"] == "crossing", "frequency"] == 0.5).all()
    kinds = {
        quantity: rows["value"].to_numpy()
        for quantity, rows in curves[curves["channel"] == "phase"].groupby("quantity")
    }
    np.testing.assert_allclose(kinds["psd_diagonal"], kinds["psd_diagonal_truth"], rtol=1e-3)
    if not hole:
        truth = power_spectrum(scan.phase[grid_split(scan).rectangle(PLACE["block"])].astype(float))
        np.testing.assert_allclose(kinds["psd_diagonal_truth"], diagonal(truth)[1], rtol=1e-5)


def test_runs_follow_one_another_and_the_same_input_gives_the_same_bytes(tmp_path, make_dataset, files):
    datasets = {seed: make_dataset(seed=seed) for seed in (0, 1)}
    scenes = []
    for seed, dataset in datasets.items():
        scan = read_scan(dataset)
        smooth = tuple(low_passed(image, 0.2) for image in (scan.amplitude, scan.phase))
        scenes.append((write_scene(tmp_path / f"{seed}.h5", scan, smooth, Normalisation(0.5, 1, -3, 1)), run(seed)))
    spectra(datasets, scenes, **PLACE, **files)
    first = [path.read_bytes() for path in files.values()]
    spectra(datasets, scenes, **PLACE, **files)
    assert [path.read_bytes() for path in files.values()] == first
    bands = pd.read_csv(files["output_bands_csv"])
    assert list(bands["seed"].unique()) == [0, 1]
    high = bands[bands["band"] == "high"]
    assert (high["estimate"] < 0.2 * high["truth"]).all()


def test_what_does_not_belong_together_is_refused(tmp_path, make_dataset, files):
    dataset, small = make_dataset(), make_dataset(rows=10)
    scan = read_scan(dataset)
    scene = write_scene(tmp_path / "scene.h5", scan, (scan.amplitude, scan.phase), Normalisation(0, 1, 0, 1))
    with pytest.raises(InputError, match="seed 3, for which no dataset"):
        spectra({0: dataset}, [(scene, run(3))], **PLACE, **files)
    with pytest.raises(InputError, match="does not lie on its object"):
        spectra({0: small}, [(scene, run())], **PLACE, **files)
    with pytest.raises(InputError, match="no scenes"):
        spectra({0: dataset}, [], **PLACE, **files)
    empty = write_scene(tmp_path / "empty.h5", scan, (scan.amplitude, scan.phase), Normalisation(0, 1, 0, 1), hole=999)
    with pytest.raises(InputError, match="nothing was stitched"):
        spectra({0: dataset}, [(empty, run())], **PLACE, **files)
