"""Reconstruction: the updates are the published formulas, and perfect data give the object back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ptychoformer.errors import InputError, TrainingError
from ptychoformer.evaluation.scores import psnr
from ptychoformer.measurement.batches import disjoint_batches
from ptychoformer.measurement.cxi import Optics
from ptychoformer.measurement.gauge import fix_gauge, lit_pixels
from ptychoformer.measurement.iterative import Batch, Reconstruction, _moves
from ptychoformer.measurement.modes import first_modes
from ptychoformer.measurement.options import ReconstructionOptions
from ptychoformer.measurement.windows import windows
from ptychoformer.randomness import generator
from ptychoformer.simulation.probes import zone_plate
from ptychoformer.simulation.scan import raster

WINDOW = 16
GRID = np.indices((9, 9)).reshape(2, -1).T * 5.0
# None of these iterations is part of the mean, unless a test says so.
OPTIONS = ReconstructionOptions(
    engine="epie", regularisation=0.1, momentum=0.7, averaged=1, iterations=1000, probe_from=None, positions_from=None
)


def make_object(size=60, seed=0):
    """A smooth object, so that shifting it by parts of a pixel has a meaning."""
    random = np.random.default_rng(seed)
    spectrum = np.exp(-((8 * np.hypot(*np.meshgrid(*[np.fft.fftfreq(size)] * 2))) ** 2))
    smooth = [np.fft.ifft2(np.fft.fft2(random.normal(size=(size, size))) * spectrum).real for _ in range(2)]
    amplitude, phase = (part / np.abs(part).max() for part in smooth)
    return ((0.75 + 0.25 * amplitude) * np.exp(0.8j * phase)).astype(np.complex64)


def make_probe(photons=1e4):
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW / 2
    probe = np.exp(-(x**2 + y**2) / 30 + 0.02j * (x**2 + 2 * y**2))
    return (probe * np.sqrt(photons / np.sum(np.abs(probe) ** 2))).astype(np.complex64)


def shifted(probe, shift):
    """``probe`` moved by parts of a pixel, (n, h, w)."""
    frequency = np.fft.fftfreq(WINDOW)
    ramp = np.exp(-2j * np.pi * (shift[:, :1, None] * frequency[:, None] + shift[:, 1:, None] * frequency))
    return np.fft.ifft2(np.fft.fft2(probe) * ramp)


def amplitudes_of(transmission, probe, positions):
    corners = np.floor(positions + 0.5).astype(int)
    waves = shifted(probe, positions - corners) * windows(transmission, corners, (WINDOW, WINDOW))
    return torch.from_numpy(np.abs(np.fft.fft2(waves, norm="ortho")).astype(np.float32))


def start(positions=GRID, probe=None, recorded=None, good=None, seed=0, **options):
    """A reconstruction of ``make_object`` from perfect patterns at ``positions``."""
    amplitudes = amplitudes_of(make_object(), make_probe(), positions)
    probe = make_probe() if probe is None else probe
    modes = torch.from_numpy(probe.reshape(-1, *probe.shape[-2:]))
    good = torch.ones(WINDOW, WINDOW, dtype=torch.bool) if good is None else good
    return Reconstruction(
        amplitudes, good, positions if recorded is None else recorded, modes, replace(OPTIONS, **options), seed
    )


def finish(run, iterations):
    for _ in range(iterations):
        run.run_iteration()
    return run.finish()


def agreement(found, truth, part=np.s_[8:-8, 8:-8]):
    """PSNR of a complex object in dB, peak 1, whatever its constant phase."""
    found, truth = found[: truth.shape[0], : truth.shape[1]][part], truth[: found.shape[0], : found.shape[1]][part]
    turn = np.exp(-1j * np.angle(np.vdot(truth, found)))
    return psnr(np.mean(np.abs(found * turn - truth) ** 2))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(3, 40), st.integers(3, 40), st.floats(1, 400), st.integers(0, 9))
def test_windows_of_a_batch_share_no_pixel_and_all_are_used_once(count, height, width, extent, seed):
    random = np.random.default_rng(seed)
    corners = random.integers(-5, 1 + int(extent), (count, 2))
    batches = disjoint_batches(corners, (height, width), random)
    assert sorted(np.concatenate(batches)) == list(range(count))
    for batch in batches:
        apart = np.abs(corners[batch][:, None] - corners[batch]) >= (height, width)
        assert (apart.any(axis=2) | np.eye(len(batch), dtype=bool)).all()


def test_a_raster_makes_batches_as_large_as_disjoint_windows_allow():
    corners = np.indices((61, 61)).reshape(2, -1).T * 8
    assert len(disjoint_batches(corners, (32, 32), np.random.default_rng(0))) <= 49


@pytest.mark.parametrize(("engine", "weight"), [("epie", 1.0), ("rpie", 0.1)])
def test_a_batch_is_the_published_update_of_one_pattern_after_the_other(engine, weight):
    positions = np.array([[0.0, 0], [0, 20], [20, 0], [25, 25]])
    run = start(positions, engine=engine, momentum=0.0)
    finish(run, 1)
    probe, expected = make_probe().astype(complex), np.ones_like(run.finished_object(), complex)
    for (y, x), amplitude in zip(positions.astype(int), run.amplitudes.numpy(), strict=True):
        here = np.s_[y : y + WINDOW, x : x + WINDOW]
        spectrum = np.fft.fft2(probe * expected[here], norm="ortho")
        change = np.fft.ifft2(amplitude * np.exp(1j * np.angle(spectrum)), norm="ortho") - probe * expected[here]
        intensity = np.abs(probe) ** 2
        expected[here] += probe.conj() * change / ((1 - weight) * intensity + weight * intensity.max())
    np.testing.assert_allclose(run.finished_object(), expected, atol=2e-5)


@pytest.mark.parametrize(("engine", "weight"), [("epie", 1.0), ("rpie", 0.1), ("rpie", 0.8)])
def test_where_all_windows_overlap_object_and_probe_are_those_of_the_published_updates(engine, weight):
    """Maiden & Rodenburg 2009, Maiden et al. 2017, each from the object and the probe before the update."""
    positions = np.array([[0.0, 0], [0, 5], [3, 9], [7, 2], [10, 10]])
    guess = (np.abs(make_probe()) * 1.1).astype(np.complex64)
    run = start(positions, guess, engine=engine, regularisation=weight, momentum=0.0, probe_from=1)
    finish(run, 2)
    probe, expected = guess.astype(complex), np.ones_like(run.finished_object(), complex)
    for iteration in (1, 2):
        order = disjoint_batches(
            positions.astype(int), (WINDOW, WINDOW), generator(run.seed, "reconstruction", iteration)
        )
        for (pattern,) in order:
            y, x = positions[pattern].astype(int)
            here = np.s_[y : y + WINDOW, x : x + WINDOW]
            part, spectrum = expected[here].copy(), np.fft.fft2(probe * expected[here], norm="ortho")
            modulus = run.amplitudes[pattern].numpy() * np.exp(1j * np.angle(spectrum))
            change = np.fft.ifft2(modulus, norm="ortho") - probe * part
            light, passed = np.abs(probe) ** 2, np.abs(part) ** 2
            expected[here] += probe.conj() * change / ((1 - weight) * light + weight * light.max())
            probe = probe + part.conj() * change / ((1 - weight) * passed + weight * passed.max())
    np.testing.assert_allclose(run.finished_object(), expected, atol=1e-4)
    np.testing.assert_allclose(run.probe[0], probe, atol=1e-4 * np.abs(probe).max())


def test_the_probe_of_a_dense_scan_takes_whole_updates_first_and_sixteen_an_iteration_then(monkeypatch):
    positions, steps = np.indices((6, 7)).reshape(2, -1).T * 2.0, []  # all windows overlap: a batch is a pattern
    monkeypatch.setattr(Reconstruction, "_update_probe", lambda run, batch, change, step: steps.append(step))
    finish(start(positions, probe_from=2), 12)
    assert steps == pytest.approx([1.0] * 42 * 9 + [16 / 42] * 42 * 2)
    sparse = [[0.0, 0], [0, 5], [3, 9], [7, 2], [10, 10]]
    steps.clear()
    finish(start(np.array(sparse), probe_from=1), 12)
    assert set(steps) == {1.0}


def test_a_dense_scan_of_few_photons_is_hardly_worse_for_a_probe_that_is_refined():
    """Its error is 1.2 times that with the true probe; with whole updates it is 1.9 times that, and grows."""
    positions, random = np.indices((12, 12)).reshape(2, -1).T * 2.0, np.random.default_rng(0)
    counts = random.poisson(amplitudes_of(make_object(), make_probe(300), positions).numpy() ** 2)
    errors, truth, lit = {}, make_object()[:36, :36], np.s_[6:30, 6:30]
    for probe_from in (None, 2):
        run = start(positions, make_probe(300), engine="rpie", regularisation=0.8, momentum=0.0, probe_from=probe_from)
        run.amplitudes = torch.from_numpy(np.sqrt(counts).astype(np.float32))
        finish(run, 60)
        image = run.finished_object()[:36, :36]
        image = image * np.vdot(image[lit], truth[lit]) / np.vdot(image[lit], image[lit])
        errors[probe_from] = np.sqrt(np.mean(np.abs(image - truth)[lit] ** 2))
    assert errors[2] < 1.4 * errors[None]


@pytest.mark.parametrize(
    ("engine", "iterations", "full_resolution_from"), [("epie", 150, None), ("rpie", 40, None), ("rpie", 60, 15)]
)
def test_perfect_patterns_and_a_known_probe_give_the_object_back(engine, iterations, full_resolution_from):
    run = start(engine=engine, full_resolution_from=full_resolution_from)
    assert finish(run, iterations) < 0.003
    assert agreement(run.finished_object(), make_object()) > 45


def test_a_coarse_iteration_changes_low_frequencies_of_the_exit_wave_only():
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW / 2
    probe = (10 * np.exp(0.2j * (x**2 + y**2))).astype(np.complex64)  # as bright everywhere: ePIE takes all of a change
    run = start(GRID[:1], probe, full_resolution_from=6, momentum=0.0)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(WINDOW)] * 2)) / np.hypot(0.5, 0.5)
    for iteration in range(1, 7):
        before, reached = run.finished_object().copy(), 1 / 6 + 5 / 6 * (iteration - 1) / 5
        run.run_iteration()
        change = (run.finished_object() - before)[:WINDOW, :WINDOW]
        spectrum = np.abs(np.fft.fft2(probe * change))
        assert spectrum[frequency > reached].max(initial=0) < 1e-4 * spectrum.max()
        assert spectrum[(frequency <= reached) & (frequency > reached - 1 / 6)].max() > 1e-3 * spectrum.max()


def test_the_error_of_a_coarse_iteration_is_that_of_all_pixels():
    fine, coarse = start(GRID[:1]), start(GRID[:1], full_resolution_from=6)
    for run in (fine, coarse):
        run.run_iteration()
    assert fine.history[0]["r_factor"] == coarse.history[0]["r_factor"]


@pytest.mark.parametrize(
    ("full_resolution_from", "averaged", "coarse"), [(None, 1, 0), (1, 1, 0), (21, 1, 20), (21, 45, 15), (21, 60, 0)]
)
def test_the_mean_has_no_coarse_iteration(full_resolution_from, averaged, coarse):
    options = ReconstructionOptions(iterations=60, averaged=averaged, full_resolution_from=full_resolution_from)
    assert options.coarse_iterations == coarse


def test_positions_between_pixels_are_honoured():
    positions = GRID + np.random.default_rng(1).uniform(0, 1, GRID.shape) * (GRID < 40)
    run = start(positions)
    finish(run, 40)
    rounded = start(positions, recorded=np.floor(positions + 0.5))
    finish(rounded, 40)
    truth = make_object()
    assert agreement(run.finished_object(), truth) > 40
    assert agreement(run.finished_object(), truth) > agreement(rounded.finished_object(), truth) + 10


def test_an_unknown_probe_is_found_with_the_object():
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW / 2
    guess = (np.exp(-(x**2 + y**2) / 40) * 10).astype(np.complex64)
    run = start(
        GRID + np.random.default_rng(2).integers(0, 2, GRID.shape) * (GRID < 40),
        guess,
        engine="rpie",
        momentum=0.0,
        probe_from=2,
    )
    assert finish(run, 150) < 0.02
    light = run.light()
    found, probe = fix_gauge(run.finished_object(), run.probe.numpy(), light, probe_known=False)
    truth, true_probe = fix_gauge(
        make_object()[: len(light), : len(light)], make_probe()[None], light, probe_known=False
    )
    assert agreement(found, truth) > 25
    overlap = np.abs(np.vdot(probe, true_probe)) / np.linalg.norm(probe) / np.linalg.norm(true_probe)
    assert overlap > 0.98


def test_a_common_part_of_a_pixel_may_as_well_be_in_the_probe():
    """Windows that all lie 0.4 pixels further, or a probe that does, are one model, and ePIE updates both
    alike: its steps are no longer where an object or a probe is dim.
    """
    part = np.array([[0.4, -0.3]])
    options = dict(engine="epie", probe_from=1, momentum=0.3)
    run = start(GRID + 4, recorded=GRID + 4 + part, **options)
    moved = start(GRID + 4, shifted(make_probe(), part).astype(np.complex64), **options)
    for each in (run, moved):
        each.amplitudes[:] = start(GRID + 4 + part).amplitudes
        finish(each, 3)
    np.testing.assert_allclose(run.finished_object()[:60, :60], moved.finished_object()[:60, :60], atol=1e-4)
    found, expected = shifted(run.probe.numpy()[0], part), moved.probe.numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_change_that_is_a_shift_is_found_as_that_shift():
    """To first order, of the windows of a smooth object: neither half of it nor twice as much."""
    shift, corners = np.array([[0.1, -0.05]]), np.array([[10, 20], [30, 5]])
    frequency = 2j * np.pi * np.fft.fftfreq(60)
    further = np.exp(shift[0, 0] * frequency)[:, None] * np.exp(shift[0, 1] * frequency)
    here, there = (
        windows(image, corners, (WINDOW, WINDOW))
        for image in (make_object(), np.fft.ifft2(np.fft.fft2(make_object()) * further))
    )
    probe = torch.from_numpy(make_probe())
    batch = Batch(np.arange(2), torch.empty(0), torch.from_numpy(here), probe[None, None], None)
    change = probe * (torch.from_numpy(there.astype(np.complex64)) - batch.objects)
    np.testing.assert_allclose(_moves(batch, change[None]), np.repeat(shift, 2, axis=0), rtol=0.15)


def test_windows_at_the_border_may_move_beyond_it():
    """Where the object has a margin for them."""
    true = GRID + 2 + np.random.default_rng(3).integers(-1, 2, GRID.shape)
    run = start(true, recorded=np.clip(true, 2, 42) - 2, engine="rpie", momentum=0.0, positions_from=5)
    finish(run, 80)
    outwards = np.sign(true - np.clip(true, 2, 42))
    assert np.sum(outwards * (run.positions - run.recorded)) > 0.5 * np.abs(outwards).sum()


def test_the_seed_decides_the_order_of_patterns():
    first, same, other = (start(seed=seed) for seed in (1, 1, 2))
    for run in (first, same, other):
        finish(run, 2)
    np.testing.assert_array_equal(first.finished_object(), same.finished_object())
    assert (first.finished_object() != other.finished_object()).any()


def test_wrong_positions_are_found():
    random = np.random.default_rng(3)
    true = np.clip(GRID + random.integers(-1, 2, GRID.shape), 0, 44)
    run = start(true, recorded=GRID, engine="rpie", momentum=0.0, positions_from=5)
    finish(run, 80)
    before, after = (
        np.hypot(*(found - true - (found - true).mean(axis=0)).T).mean() for found in (GRID, run.positions)
    )
    assert after < 0.3 * before
    # A common shift of all windows is one of the object, and is left to that.
    np.testing.assert_allclose((run.positions - GRID).mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("factor", [2.0**-20, 2.0**30])
def test_however_dim_or_bright_the_light_is_positions_move_as_far(factor):
    true = GRID + np.random.default_rng(3).uniform(-0.4, 0.4, GRID.shape)
    runs = []
    for scale in (1.0, factor):
        run = start(true, recorded=GRID, engine="rpie", momentum=0.0, positions_from=1)
        run.amplitudes, run.probe = run.amplitudes * scale, run.probe * scale
        run.run_iteration()
        runs.append(run.positions)
    assert np.abs(runs[0] - GRID).max() > 0.05
    np.testing.assert_array_equal(*runs)


def test_masked_pixels_do_not_matter():
    good = torch.ones(WINDOW, WINDOW, dtype=torch.bool)
    good[3, 4] = good[0, 1] = False
    runs = []
    for garbage in (0.0, 1e4):
        run = start(good=good)
        run.amplitudes[:, ~good] = garbage
        run = replace(run)  # begun with it
        runs.append((finish(run, 10), run.finished_object()))
    (r_factor, found), (same_r_factor, same) = runs
    np.testing.assert_array_equal(found, same)
    assert r_factor == same_r_factor


def test_the_light_on_the_object_is_that_of_all_exposures():
    run = start()
    assert run.light().sum() == pytest.approx(1e4 * len(GRID), rel=1e-4)


def test_noise_is_averaged_out_over_the_last_iterations():
    found = []
    for averaged in (1, 20):
        run = start(iterations=40, averaged=averaged, momentum=0.0, engine="rpie")
        counts = np.random.default_rng(4).poisson(run.amplitudes.numpy() ** 2 / 2)
        run.amplitudes[:] = torch.from_numpy(np.sqrt(2 * counts.astype(np.float32)))
        finish(run, 40)
        found.append(agreement(run.finished_object(), make_object()))
    assert found[1] > found[0] + 1


class NoFloat64(TorchDispatchMode):
    """Refuses what Apple's GPUs refuse."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        for part in tree_leaves((args, kwargs, found)):
            assert not torch.is_tensor(part) or part.dtype not in (torch.float64, torch.complex128), function
        return found


def test_no_tensor_is_of_a_type_that_some_devices_lack():
    with NoFloat64():
        run = start(probe_from=2, positions_from=2, probe=first_modes(make_probe(), 2))
        finish(run, 3)
        assert run.light().dtype == np.float64


@pytest.mark.parametrize("modes", [1, 3])
def test_an_interrupted_reconstruction_ends_like_an_unbroken_one(modes):
    options = dict(probe_from=2, positions_from=2, momentum=0.5, iterations=6, averaged=2, full_resolution_from=5)
    options |= dict(probe=first_modes(make_probe(), modes))
    whole, first, second = (start(**options) for _ in range(3))
    finish(whole, 6)
    for _ in range(3):
        first.run_iteration()
    second.restore(first.state())
    finish(second, 3)
    np.testing.assert_array_equal(whole.finished_object(), second.finished_object())
    np.testing.assert_array_equal(whole.probe, second.probe)
    np.testing.assert_array_equal(whole.positions, second.positions)
    assert [row["iteration"] for row in second.history] == [1, 2, 3, 4, 5, 6]


def test_a_gauge_moves_nothing_that_patterns_see():
    run = start()
    transmission, light = make_object()[:56, :56], run.light()
    y, x = np.ogrid[:56, :56]
    ramped = 3 * transmission * np.exp(1j * (0.05 * y - 0.03 * x + 1))
    found, (probe,) = fix_gauge(ramped, make_probe()[None] / 3, light, probe_known=False)
    expected, _ = fix_gauge(transmission, make_probe()[None], light, probe_known=False)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    before, after = (amplitudes_of(*pair, GRID) for pair in ((ramped, make_probe() / 3), (found, probe)))
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-2)


def test_with_a_known_probe_the_constant_phase_alone_is_fixed():
    run = start()
    transmission, light = make_object()[:56, :56], run.light()
    found, probe = fix_gauge(transmission * np.exp(0.7j), make_probe()[None], light, probe_known=True)
    np.testing.assert_allclose(np.abs(found), np.abs(transmission), atol=1e-6)
    np.testing.assert_allclose(np.abs(probe[0]), np.abs(make_probe()), rtol=1e-5)
    assert np.angle(found[lit_pixels(light)].mean()) == pytest.approx(0, abs=1e-6)


def half_clear():
    """An object (40, 50) of which a tenth is clear, dim noise where no light fell, and the light (40, 50)."""
    random, light = np.random.default_rng(5), np.ones((40, 50))
    transmission = np.full((40, 50), 0.5, np.complex64)
    transmission[::2, ::5] = 0.8
    light[:, 30:] = 0.05
    transmission[:, 30:] = 9 * np.exp(1j * (0.4 * np.arange(20) + random.uniform(0, 1, (40, 20))))
    return transmission, light


def test_what_is_clear_has_an_amplitude_of_one_and_no_object_in_the_dark_counts():
    transmission, light = half_clear()
    y, x = np.ogrid[:40, :50]
    ramped = 3 * transmission * np.exp(1j * (0.1 * y - 0.2 * x))
    found, _ = fix_gauge(ramped, make_probe()[None], light, probe_known=False)
    np.testing.assert_allclose(found[:, :30], transmission[:, :30] / 0.8, atol=1e-5)


@pytest.mark.parametrize("known", [True, False])
def test_a_gauge_leaves_the_exit_wave_of_a_window_as_it_is(known):
    transmission, light = half_clear()
    transmission, probe = transmission * np.complex64(2 * np.exp(0.7j)), make_probe()
    found, (moved,) = fix_gauge(transmission, probe[None], light, probe_known=known)
    here = np.s_[:WINDOW, :WINDOW]  # anywhere else the ramp that the probe takes has another phase
    np.testing.assert_allclose(moved * found[here], probe * transmission[here], rtol=1e-3, atol=1e-3)


def test_a_part_of_the_light_that_lights_a_pixel_finds_more_of_them():
    light = np.ones((10, 10))
    light[:5] = 0.06
    np.testing.assert_array_equal(lit_pixels(light), light == 1)
    assert lit_pixels(light, 0.5).all()


@pytest.mark.parametrize("exposures", [20, len(GRID)])
def test_a_place_that_is_exposed_often_moves_no_gauge(exposures):
    once, often = (start(places).light() for places in (GRID, np.append(GRID, GRID[:1].repeat(exposures, axis=0), 0)))
    assert (lit_pixels(often) & lit_pixels(once)).sum() > 0.8 * lit_pixels(once).sum()
    y, x = np.ogrid[:56, :56]
    ramped = 3 * make_object()[:56, :56] * np.exp(1j * (0.05 * y - 0.03 * x))
    found, expected = (fix_gauge(ramped, make_probe()[None], light, probe_known=False)[0] for light in (often, once))
    assert np.abs(found - expected)[lit_pixels(once)].max() < 0.1


def test_a_dense_middle_leaves_the_rest_of_a_spiral_lit():
    turn = 0.55 * np.arange(220)
    spiral = 60 + 0.18 * np.arange(220)[:, None] * np.stack([np.sin(turn), np.cos(turn)], axis=1)
    light = light_of(np.abs(make_probe()) ** 2, spiral - spiral.min(axis=0))
    middle = np.array(light.shape) // 2
    near = np.hypot(*(np.indices(light.shape) - middle[:, None, None])) < 30
    assert lit_pixels(light)[near].mean() > 0.95


@pytest.mark.parametrize("overlap", [0.75, 0.5, 0.25, 0])
def test_where_a_scan_is_even_a_tenth_of_its_greatest_light_is_lit(overlap):
    intensity = np.abs(zone_plate(32, 0.3, 0.012, 6.3e-3, Optics(2.508e-12, 5e-9, 1.0))) ** 2
    light = light_of(intensity, raster((192, 192), 32, overlap))
    np.testing.assert_array_equal(lit_pixels(light), light > 0.1 * light.max())


def light_of(intensity, positions):
    """Photons (H, W) of a probe's ``intensity`` (h, w) at ``positions`` (n, 2), in whole pixels."""
    corners, (height, width) = np.rint(positions).astype(int), intensity.shape
    light = np.zeros(corners.max(axis=0) + intensity.shape)
    for y, x in corners:
        light[y : y + height, x : x + width] += intensity
    return light


def test_what_cannot_be_reconstructed_is_one_sentence():
    with pytest.raises(InputError, match=r"A probe of \(8, 8\) pixels does not fit patterns of \(16, 16\) pixels"):
        start(probe=np.ones((8, 8), np.complex64))
    with pytest.raises(InputError, match="zero everywhere"):
        start(probe=np.zeros((WINDOW, WINDOW), np.complex64))
    run = start()
    run.object[:] = np.nan
    with pytest.raises(TrainingError, match="diverged in iteration 1"):
        run.run_iteration()
