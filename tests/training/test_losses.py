"""Losses against their formulas, against the metrics that are reported, and against the simulation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from ptychoformer.evaluation.metrics import ssim_map
from ptychoformer.simulation.diffraction import diffraction, exit_waves
from ptychoformer.training.entries import LossEntry
from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import make_loss
from ptychoformer.training.normalisation import Normalisation

ENTRIES = [
    *(LossEntry(kind, {}) for kind in ("mse", "mae", "npcc", "nssim", "nssim_diffraction")),
    LossEntry("huber", {"delta": 0.1}),
    LossEntry("weighted", {"alpha": 0.9}),
]
WINDOW = 16


def names(entry):
    return entry.kind


@pytest.fixture
def forward():
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW / 2
    probe = 30 * np.exp(-(x**2 + y**2) / 40) * np.exp(0.02j * (x**2 + y**2))
    return Forward(
        torch.from_numpy(probe.astype(np.complex64))[None], 0.9, 0.8, Normalisation(0.5, 1.0, -0.7, 0.4), 8.0
    )


@pytest.fixture
def images():
    """Prediction and labels that resemble each other, (3, 2, WINDOW, WINDOW)."""
    random = np.random.default_rng(0)
    labels = random.random((3, 2, WINDOW, WINDOW))
    return torch.from_numpy(0.7 * labels + 0.3 * random.random(labels.shape)), torch.from_numpy(labels)


def detected(forward, images):
    """log(1 + photons) of images on the labels' scale, by the code that simulates datasets."""
    scales = forward.normalisation
    amplitude, phase = np.moveaxis(images.numpy(), 1, 0)
    amplitude = scales.amplitude_min + amplitude * (scales.amplitude_max - scales.amplitude_min)
    phase = scales.phase_min + phase * (scales.phase_max - scales.phase_min)
    patterns = forward.efficiency * diffraction(
        exit_waves(forward.probe[0].numpy(), amplitude * np.exp(1j * phase), forward.coherence)
    )
    return torch.from_numpy(np.log1p(patterns))[:, None]


def test_patterns_of_several_modes_add_up(images, forward):
    one, other = forward.probe, forward.probe.roll(3, -1) * 0.5
    patterns = [replace(forward, probe=modes).log_intensity(images[0]).expm1() for modes in (one, other)]
    together = replace(forward, probe=torch.cat([one, other])).log_intensity(images[0])
    assert together.shape == (3, 1, WINDOW, WINDOW)
    torch.testing.assert_close(together.expm1(), sum(patterns))


def test_mse_is_the_squared_error_of_amplitude_plus_that_of_phase(images, forward):
    error = (images[0] - images[1]).square()
    torch.testing.assert_close(
        make_loss(LossEntry("mse", {}), forward)(*images, None), error[:, 0].mean() + error[:, 1].mean()
    )


def test_mae_is_the_absolute_error_of_amplitude_plus_that_of_phase(images, forward):
    error = (images[0] - images[1]).abs()
    torch.testing.assert_close(
        make_loss(LossEntry("mae", {}), forward)(*images, None), error[:, 0].mean() + error[:, 1].mean()
    )


def test_huber_is_a_parabola_within_delta_and_a_line_beyond(forward):
    labels = torch.zeros(1, 2, 1, 1)
    value = {
        x: make_loss(LossEntry("huber", {"delta": 0.5}), forward)(torch.full_like(labels, x), labels, None).item()
        for x in (0.3, 2.0)
    }
    assert value == pytest.approx({0.3: 2 * 0.3**2 / 2, 2.0: 2 * 0.5 * (2 - 0.25)})


def test_npcc_is_the_mean_correlation_of_patches(images, forward):
    pairs = zip(images[0].flatten(0, 1).numpy(), images[1].flatten(0, 1).numpy(), strict=True)
    expected = -2 * np.mean([pearsonr(a.ravel(), b.ravel()).statistic for a, b in pairs])
    assert make_loss(LossEntry("npcc", {}), forward)(*images, None).item() == pytest.approx(expected)


def test_npcc_does_not_see_mean_and_contrast_and_survives_a_patch_without_any(images, forward):
    loss = make_loss(LossEntry("npcc", {}), forward)
    torch.testing.assert_close(loss(3 * images[0] - 1, images[1], None), loss(*images, None))
    flat = torch.ones_like(images[1])
    prediction = images[0].clone().requires_grad_()
    loss(prediction, flat, None).backward()
    assert loss(images[0], flat, None).item() == pytest.approx(0, abs=1e-9)
    assert prediction.grad.isfinite().all()


def test_nssim_is_the_ssim_that_is_reported(images, forward):
    expected = -2 * ssim_map(images[0].numpy(), images[1].numpy()).mean()
    assert make_loss(LossEntry("nssim", {}), forward)(*images, None).item() == pytest.approx(expected, abs=1e-9)


def test_nssim_hardly_tells_an_image_from_its_negative_and_with_some_mse_it_does(images, forward):
    """Of a negative, luminance and structure both change their signs."""
    _, labels, *_ = images
    nssim, weighted = (
        make_loss(LossEntry(kind, options), forward) for kind, options in (("nssim", {}), ("weighted", {"alpha": 0.2}))
    )
    assert nssim(labels, labels, None).item() == pytest.approx(-2)
    assert nssim(-labels, labels, None) < -1.9
    assert nssim(-labels, labels, None) < nssim(labels.flip(-1), labels, None) - 1
    assert weighted(-labels, labels, None) > weighted(labels, labels, None) + 0.2


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.9, 1.0])
def test_weighted_lies_between_mse_and_nssim(alpha, images, forward):
    mse, nssim = (make_loss(LossEntry(kind, {}), forward)(*images, None) for kind in ("mse", "nssim"))
    torch.testing.assert_close(
        make_loss(LossEntry("weighted", {"alpha": alpha}), forward)(*images, None), alpha * mse + (1 - alpha) * nssim
    )


def test_diffraction_of_a_prediction_is_what_the_simulation_makes_of_it(images, forward):
    torch.testing.assert_close(
        forward.log_intensity(images[0].float()), detected(forward, images[0]).float(), rtol=1e-4, atol=1e-4
    )


def test_nssim_of_diffraction_is_least_for_the_object_that_made_the_pattern(images, forward):
    loss = make_loss(LossEntry("nssim_diffraction", {}), forward)
    pattern = detected(forward, images[1])
    assert loss(images[1], None, pattern).item() == pytest.approx(-1, abs=1e-6)
    assert loss(images[0], None, pattern).item() > -0.99


@pytest.mark.parametrize("entry", ENTRIES, ids=names)
def test_a_step_down_the_gradient_lowers_every_loss(entry, images, forward):
    loss, pattern = make_loss(entry, forward), detected(forward, images[1])
    prediction = images[0].clone().requires_grad_()
    before = loss(prediction, images[1], pattern)
    before.backward()
    step = 1e-3 * prediction.grad / prediction.grad.abs().max()
    assert loss(prediction.detach() - step, images[1], pattern).item() < before.item()


@pytest.mark.parametrize("entry", ENTRIES, ids=names)
def test_gradients_are_those_of_finite_differences(entry, images, forward):
    loss, pattern = make_loss(entry, forward), detected(forward, images[1])
    direction = torch.from_numpy(np.random.default_rng(1).standard_normal(images[0].shape))
    prediction = images[0].clone().requires_grad_()
    loss(prediction, images[1], pattern).backward()
    ahead, behind = (loss(images[0] + sign * 1e-5 * direction, images[1], pattern) for sign in (1, -1))
    assert (prediction.grad * direction).sum().item() == pytest.approx(((ahead - behind) / 2e-5).item(), rel=1e-3)


def test_a_channel_without_contrast_still_has_a_gradient(images, forward):
    """Its labels are all zero and stand for one value; what a network says instead shifts that value."""
    flat = replace(forward, normalisation=Normalisation(0.7, 0.7, -0.7, 0.4))
    prediction = images[0].clone().requires_grad_()
    make_loss(LossEntry("nssim_diffraction", {}), flat)(prediction, None, detected(forward, images[1])).backward()
    assert prediction.grad[:, 0].abs().max() > 0


@pytest.mark.parametrize("photons", [1e-3, 0.1, 1.0, 30.0])
def test_nssim_of_diffraction_is_finite_in_the_dark(forward, photons):
    """Patterns of single photons, some of none, and predictions whose light is less than one."""
    random = np.random.default_rng(0)
    probe = forward.probe * np.sqrt(photons / forward.probe.abs().square().sum().item())
    counts = random.poisson(photons / WINDOW**2, (4, 1, WINDOW, WINDOW)).astype(np.float32)
    counts[0] = 0
    counts[1, 0, 3, 4] += 1
    patterns = torch.from_numpy(np.log1p(counts))
    dim = replace(forward, probe=probe, peak=patterns.max().item())
    loss = make_loss(LossEntry("nssim_diffraction", {}), dim)
    for start in (torch.zeros, torch.ones, torch.rand):
        prediction = start(4, 2, WINDOW, WINDOW).requires_grad_()
        value = loss(prediction, None, patterns)
        value.backward()
        assert -1 - 1e-6 <= value.item() <= 1 + 1e-6
        assert prediction.grad.isfinite().all()
        assert (prediction.grad.abs().amax(dim=(1, 2, 3)) > 0).all()
    inverted = replace(dim, normalisation=Normalisation(0.0, 1.0, -0.7, 0.4))  # an amplitude of zero emits nothing
    prediction = torch.zeros(4, 2, WINDOW, WINDOW, requires_grad=True)
    value = make_loss(LossEntry("nssim_diffraction", {}), inverted)(prediction, None, patterns)
    value.backward()
    assert value.isfinite()
    assert prediction.grad.isfinite().all()
