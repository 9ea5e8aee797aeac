"""The floor is the best that can be said without looking, the ceiling is the truth."""

import h5py
import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.evaluation.metrics import measure, read_metrics
from ptychoformer.evaluation.patches import open_patches
from ptychoformer.evaluation.references import reference_patches
from ptychoformer.evaluation.stitch import stitch
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import grid_split, training_subset


def read(kind, dataset, tmp_path, n_train=50, seed=1, test=None):
    how = {"n_train": n_train, "seed": seed, "subset": "scattered"}
    reference_patches(
        kind, dataset, test or dataset, **how, transferred=test is not None, output=tmp_path / "patches.h5"
    )
    with open_patches(tmp_path / "patches.h5") as patches:
        return patches.amplitude[:], patches.phase[:], patches.index, patches.positions, patches.normalisation


def training_labels(dataset, n_train=50, seed=1):
    scan = read_scan(dataset)
    corners = scan.true_positions[training_subset(grid_split(scan), n_train, seed, "scattered")]
    return windows(scan.amplitude, corners, scan.window), windows(scan.phase, corners, scan.window)


@pytest.mark.parametrize("kind", ["floor", "ceiling"])
def test_normalisation_and_places_are_those_of_the_networks(kind, make_dataset, tmp_path):
    dataset = make_dataset(jitter=2)
    scan = read_scan(dataset)
    *_, index, positions, normalisation = read(kind, dataset, tmp_path)
    assert normalisation == Normalisation.of(*training_labels(dataset))
    np.testing.assert_array_equal(index, grid_split(scan).test)
    np.testing.assert_array_equal(positions, scan.positions[index])


def test_floor_is_the_constant_with_the_least_error_on_the_training_labels(make_dataset, tmp_path):
    dataset = make_dataset()
    amplitude, phase, *_, normalisation = read("floor", dataset, tmp_path)
    labels = training_labels(dataset)
    for patches, normalised in (
        (amplitude, normalisation.normalised("amplitude", labels[0])),
        (phase, normalisation.normalised("phase", labels[1])),
    ):
        constant = patches.flat[0]
        assert (patches == constant).all()
        best, lower, higher = (
            ((normalised - value) ** 2).mean(dtype=float) for value in (constant, constant - 1e-3, constant + 1e-3)
        )
        assert best < min(lower, higher)


def test_ceiling_is_the_object_where_the_windows_really_were(make_dataset, tmp_path):
    dataset = make_dataset(jitter=2)
    scan = read_scan(dataset)
    amplitude, phase, index, _, normalisation = read("ceiling", dataset, tmp_path)
    for patches, truth in (
        (amplitude, normalisation.normalised("amplitude", scan.amplitude)),
        (phase, normalisation.normalised("phase", scan.phase)),
    ):
        np.testing.assert_array_equal(patches, windows(truth, scan.true_positions[index], scan.window))


def test_one_pattern_tells_the_shape_and_nothing_of_its_constant(make_dataset, tmp_path):
    dataset = make_dataset(jitter=2)
    scan = read_scan(dataset)
    amplitude, phase, index, _, normalisation = read("one_pattern", dataset, tmp_path)
    np.testing.assert_array_equal(
        amplitude,
        windows(normalisation.normalised("amplitude", scan.amplitude), scan.true_positions[index], scan.window),
    )
    known = normalisation.normalised("phase", training_labels(dataset)[1]).mean(dtype=float)
    np.testing.assert_allclose(phase.mean(axis=(1, 2), dtype=float), known, atol=1e-6)
    error = phase - windows(normalisation.normalised("phase", scan.phase), scan.true_positions[index], scan.window)
    np.testing.assert_allclose(error - error.mean(axis=(1, 2), keepdims=True), 0, atol=1e-6)


@pytest.mark.parametrize("kind", ["floor", "ceiling"])
def test_on_another_dataset_the_whole_scan_is_test_and_the_scale_is_still_that_of_training(
    kind, make_dataset, tmp_path
):
    dataset, other = make_dataset(), make_dataset(rows=12, seed=5)
    scan = read_scan(other)
    amplitude, _, index, positions, normalisation = read(kind, dataset, tmp_path, test=other)
    own_floor = read("floor", dataset, tmp_path)[0].flat[0]
    assert normalisation == Normalisation.of(*training_labels(dataset))
    np.testing.assert_array_equal(index, np.arange(144))
    np.testing.assert_array_equal(positions, scan.positions)
    truth = windows(normalisation.normalised("amplitude", scan.amplitude), scan.true_positions, scan.window)
    np.testing.assert_array_equal(amplitude, truth if kind == "ceiling" else np.full_like(truth, own_floor))


def test_unknown_kind_is_refused(make_dataset, tmp_path):
    with pytest.raises(InputError, match="'roof' is unknown, allowed are floor, ceiling, one_pattern, epie"):
        read("roof", make_dataset(), tmp_path)


@pytest.mark.parametrize("offset", [0, -2])
def test_a_perfect_reconstruction_scores_as_perfect_whatever_its_constant_phase_and_the_jitter(
    offset, make_dataset, tmp_path
):
    """Also of an object whose phase goes beyond -pi, which no reconstruction does."""
    dataset = make_dataset(jitter=2)
    with h5py.File(dataset, "r+") as file:
        file["ptychography/object/phase"][:] += offset
    scan = read_scan(dataset)
    with h5py.File(tmp_path / "found.h5", "w") as file:
        file["object/amplitude"] = scan.amplitude
        file["object/phase"] = np.angle(np.exp(1j * (scan.phase + 1.3)))
    files = tmp_path / "patches.h5", tmp_path / "scene.h5"
    how = dict(n_train=50, seed=1, subset="scattered", transferred=False)
    reference_patches("epie", dataset, dataset, **how, reconstruction=tmp_path / "found.h5", output=files[0])
    stitch(files[0], "radial", files[1])
    identity = dict(dataset="d", test="d", model="epie", loss="none", n_train=50, seed=1)
    measure(dataset, dataset, *files, identity, tmp_path / "metrics.csv")
    scores = read_metrics(tmp_path / "metrics.csv").query("metric == 'mse'")
    assert set(scores.level) == {"scene", "synchronised", "pattern", "released"}
    assert (scores.value < 1e-9).all()
