"""Figure 1: radii, rings and likeness mean what the panels say."""

import re

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ptychoformer.errors import InputError
from ptychoformer.evaluation.spectra import BANDS
from ptychoformer.measurement.cxi import PATTERNS
from ptychoformer.publication.figures.fig1 import compose, draw
from ptychoformer.publication.figures.parts.rings import (
    azimuthal_means,
    intraclass_correlation,
    load_rings,
    radii,
    to_polar,
)
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style

MIDDLES, DISTANCES = np.arange(10.0, 23.0), np.arange(9.0)


def test_what_depends_on_the_ring_alone_is_its_own_azimuthal_mean():
    image = 1e4 / (1 + np.rint(radii(64))) ** 3
    np.testing.assert_allclose(azimuthal_means(image[None])[0], 1e4 / (1 + np.arange(33)) ** 3)


def test_azimuthal_means_keep_the_photons_of_a_disc():
    patterns = np.random.default_rng(0).random((3, 32, 32))
    ring = np.rint(radii(32)).astype(int)
    counts = np.bincount(ring[ring <= 16])
    np.testing.assert_allclose(azimuthal_means(patterns) @ counts, patterns[:, ring <= 16].sum(axis=1))


def test_rings_are_horizontal_lines_in_polar_coordinates():
    polar = to_polar(radii(64), 90)
    np.testing.assert_allclose(
        polar[:-2], np.broadcast_to(np.arange(len(polar))[:-2, None] / 2, polar[:-2].shape), atol=0.15
    )


def test_a_spoke_stands_at_its_azimuth():
    image = np.zeros((64, 64))
    image[33:, 32] = 1.0  # from the centre towards growing y: +90 degrees
    polar = to_polar(image, 360)
    brightest = polar[20:50].sum(axis=0).argmax()
    assert brightest + 0.5 - 180 == pytest.approx(90, abs=1)


def test_on_perfect_rings_only_ring_neighbours_are_alike():
    image = np.cos(2 * np.pi * radii(64) / 8)[None]
    along, across = (intraclass_correlation(image, MIDDLES, DISTANCES, way)[0] for way in ("along", "across"))
    assert along.min() > 0.95
    assert across[4] < -0.8  # half a period apart
    assert across[8] > 0.8


def test_on_spokes_only_radial_neighbours_are_alike():
    y, x = np.indices((64, 64)) - 32
    image = np.cos(8 * np.arctan2(y, x))[None]
    along, across = (intraclass_correlation(image, MIDDLES, DISTANCES, way)[0] for way in ("along", "across"))
    assert across[:5].min() > 0.9
    assert along[4] < across[4] - 0.5


def test_isotropic_noise_prefers_no_direction_and_follows_its_correlation():
    sigma = 2.0
    images = gaussian_filter(np.random.default_rng(1).standard_normal((200, 64, 64)), (0, sigma, sigma), mode="wrap")
    along, across = (
        intraclass_correlation(images, MIDDLES, DISTANCES, way).mean(axis=0) for way in ("along", "across")
    )
    # The autocorrelation of white noise under a Gaussian of width sigma is one of width sqrt(2) sigma.
    expected = np.exp(-(DISTANCES**2) / (4 * sigma**2))
    np.testing.assert_allclose(along, expected, atol=0.06)
    np.testing.assert_allclose(across, expected, atol=0.06)


def test_what_all_patterns_share_is_no_deviation(make_scan):
    decay = 1e4 / (1 + radii(32)) ** 3
    noise = np.random.default_rng(2).random((30, 32, 32))
    rings = load_rings(make_scan(patterns=decay * np.exp(0.3 * noise)))
    assert rings.alike["log"]["along"][1, 4] > 0.7
    assert rings.alike["log"]["across"][1, 4] < 0.3
    for way in ("along", "across"):
        assert abs(rings.alike["deviation"][way][1, 4]) < 0.15


def test_scans_are_sampled_the_same_every_time(make_scan):
    scan = make_scan(rows=24, columns=24, window=16, step=4)
    first, second = load_rings(scan), load_rings(scan)
    assert (first.count, first.total) == (512, 576)
    np.testing.assert_array_equal(first.mean, second.mean)
    with h5py.File(scan) as file:
        np.testing.assert_array_equal(first.typical, file[PATTERNS][first.index])


def test_page_is_of_the_journal_and_the_same_every_time(tmp_path, dataset):
    files = [{"pdf": tmp_path / f"{name}.pdf", "png": tmp_path / f"{name}.png"} for name in ("one", "two")]
    for pair in files:
        draw(dataset, condition="Noise-free", **pair)
    assert files[0]["pdf"].read_bytes() == files[1]["pdf"].read_bytes()
    assert files[0]["png"].read_bytes() == files[1]["png"].read_bytes()
    width = float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", files[0]["pdf"].read_bytes()).group(1))
    assert width == pytest.approx(DOUBLE_COLUMN * 72)


def test_axes_have_units_and_every_word_can_be_read(dataset, experiment):
    with house_style():
        figure = compose(load_rings(dataset), "Noise-free")
        figure.draw_without_rendering()
        texts = figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))
        assert not experiment.illegible(figure)
    words = " ".join(text.get_text() for text in texts)
    for unit in ("cycles/pixel", "1/nm", "photons per pixel", "degrees"):
        assert unit in words
    decay = next(
        axes
        for axes in figure.findobj(lambda artist: hasattr(artist, "get_xlim"))
        if "azimuthal mean" in axes.get_ylabel()
    )
    # Pixels of 5 nm: half a cycle per pixel is 0.1 / nm.
    assert decay.child_axes[0].get_xlim()[1] == pytest.approx(0.1)


def test_q_y_goes_up_as_y_does_on_the_object(make_scan):
    """A spot above the centre of the picture, at a small row, has a positive frequency and an azimuth of 90 degrees."""
    patterns = np.full((30, 32, 32), 1e-3)
    patterns[:, 6, 16] = 1e3
    with house_style():
        figure = compose(load_rings(make_scan(patterns=patterns)), "Spot")
    pattern, polar = (
        next(axes for axes in figure.axes if axes.images and axes.get_ylabel().startswith(name))
        for name in ("$q_y$", "$|q|$")
    )
    for axes, expected, step in ((pattern, (0, 10 / 32), 1 / 32), (polar, (90, 10 / 32), 6)):
        image = axes.images[0]
        (row, column), (rows, columns) = (
            np.unravel_index(image.get_array().argmax(), image.get_size()),
            image.get_size(),
        )
        left, right, bottom, top = image.get_extent()
        x = left + (column + 0.5) * (right - left) / columns
        y = top + (row + 0.5) * (bottom - top) / rows
        assert x == pytest.approx(expected[0], abs=step / 2)
        assert y == pytest.approx(expected[1], abs=1 / 64)
    assert pattern.get_ylim()[0] < pattern.get_ylim()[1]


def test_thirds_are_not_called_as_the_bands_of_figure_9(dataset):
    with house_style():
        figure = compose(load_rings(dataset), "Noise-free")
    words = {text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))}
    assert {"inner third", "middle third", "outer third"} <= words
    assert not words & set(BANDS)


def test_scans_without_a_photon_can_be_drawn(tmp_path, make_scan):
    draw(
        make_scan(patterns=np.full((30, 32, 32), -0.5)),
        condition="Dark",
        pdf=tmp_path / "dark.pdf",
        png=tmp_path / "dark.png",
    )
    assert (tmp_path / "dark.png").stat().st_size > 10_000


def test_patterns_that_hold_no_rings_are_refused(make_scan):
    with pytest.raises(InputError, match="found 8 x 8"):
        load_rings(make_scan(window=8, step=4))


def test_the_decay_is_shown_as_it_is_measured(dataset):
    rings = load_rings(dataset)
    with house_style():
        figure = compose(rings, "Noise-free")
    decay = next(
        axes
        for axes in figure.findobj(lambda artist: hasattr(artist, "get_xlim"))
        if "azimuthal mean" in axes.get_ylabel()
    )
    frequency, median = decay.lines[0].get_data()
    np.testing.assert_array_equal(median, rings.decay[1])
    np.testing.assert_allclose(frequency, np.arange(9) / 16)
    band = decay.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(rings.decay[0].min())
    assert decay.get_ylim()[0] < rings.decay.min()
