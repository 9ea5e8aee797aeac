"""The two charts: each is drawn as its geometry says, and they differ in geometry alone."""

from functools import partial

import h5py
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Optics
from ptychoformer.randomness import generator
from ptychoformer.simulation import shapes
from ptychoformer.simulation.motifs import CURVED, LOOP, STRAIGHT, arc_distance, bar_distance
from ptychoformer.simulation.objects import make_object
from ptychoformer.simulation.shapes import Cell, cells, draw, transmitted

straight, curved = (partial(chart, transmission=0.5, phase_shift=-1.0) for chart in (shapes.straight, shapes.curved))
OPTICS = Optics(wavelength=2.508e-12, pixel_size=5e-9, distance=1.0)
SHAPES = [(128, 128), (131, 300), (256, 256), (700, 300), (512, 512)]
RINGS = dict(top=0, left=0, side=160, motif=0, width=6.0, thickness=1.0, turn=0.0)
BIN = 5  # degrees


def covered(phase: np.ndarray) -> np.ndarray:
    """Where there is material: at half of the thinnest lines' phase and more."""
    return phase < -0.2


def line_widths(lines: np.ndarray) -> np.ndarray:
    """Widths of the features of (H, W) bool, in pixels, at the ridges of the distance to the nearest edge."""
    distance = ndimage.distance_transform_edt(lines)
    return 2 * distance[lines & (distance == ndimage.maximum_filter(distance, 3))] - 1


def directions(image: np.ndarray) -> np.ndarray:
    """Share of the gradient's energy in each 5 degrees of its direction in the structure tensor, (36,), the first around level."""
    slope_y, slope_x = (ndimage.gaussian_filter(image, 1, order=order) for order in ((1, 0), (0, 1)))
    yy, xx, xy = (ndimage.gaussian_filter(product, 2) for product in (slope_y**2, slope_x**2, slope_y * slope_x))
    angle = np.degrees(np.arctan2(2 * xy, xx - yy)) / 2
    energy, _ = np.histogram((angle + BIN / 2) % 180, 180 // BIN, (0, 180), weights=xx + yy)
    return energy / energy.sum()


@pytest.mark.parametrize("chart", [straight, curved])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_chart_has_its_shape_and_stays_between_its_bounds(chart, shape):
    amplitude, phase = chart(shape, 3, transmission=0.3, phase_shift=-2.0)
    assert amplitude.shape == phase.shape == shape
    assert amplitude.dtype == phase.dtype == np.float64
    assert (amplitude.min(), amplitude.max()) == (pytest.approx(0.3), 1)
    assert (phase.min(), phase.max()) == (-2, 0)


@pytest.mark.parametrize("chart", [straight, curved])
def test_a_seed_is_a_chart(chart):
    first, second, other = chart((256, 256), 5), chart((256, 256), 5), chart((256, 256), 6)
    np.testing.assert_array_equal(first, second)
    assert np.mean(first[0] != other[0]) > 0.3


def test_both_channels_follow_from_the_thickness():
    amplitude, phase = curved((128, 128), 0, transmission=0.4, phase_shift=-3.0)
    np.testing.assert_allclose(np.log(amplitude) / np.log(0.4), phase / -3.0, atol=1e-12)


@pytest.mark.parametrize("transmission", [0, -0.5, 1.01, float("nan")])
def test_an_impossible_transmission_is_refused(transmission):
    with pytest.raises(InputError, match="must be above 0 and at most 1"):
        transmitted(np.zeros((2, 2)), transmission, -1.0)


@pytest.mark.parametrize("chart", [straight, curved])
def test_too_small_a_chart_is_refused(chart):
    with pytest.raises(InputError, match="each side must have at least 128 pixels"):
        chart((127, 500), 0)


@pytest.mark.parametrize(("shape", "tolerance"), [((128, 128), 0.06), ((256, 256), 0.04), ((512, 512), 0.03)])
@pytest.mark.parametrize("seed", range(3))
def test_half_of_either_chart_is_covered_and_their_histograms_agree(shape, tolerance, seed):
    charts = straight(shape, seed), curved(shape, seed)
    shares = [covered(phase).mean() for _, phase in charts]
    assert shares == pytest.approx([0.53, 0.53], abs=0.05)
    assert abs(shares[0] - shares[1]) < tolerance
    for one, other in zip(*charts):
        histograms = [np.histogram(image, 50, (-1, 1))[0] / image.size for image in (one, other)]
        assert np.abs(np.cumsum(histograms[0] - histograms[1])).max() < tolerance
        assert one.std() == pytest.approx(other.std(), rel=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_lines_and_gaps_are_as_wide_on_either_chart(seed):
    phases = [chart((512, 512), seed)[1] for chart in (straight, curved)]
    widths = [line_widths(covered(phase)) for phase in phases]
    for width in widths:
        assert np.percentile(width, 5) >= 3
        assert 6 <= np.percentile(width, 95) <= 13
    # In whole pixels, level lines can only have odd widths here and others any.
    np.testing.assert_allclose(
        np.percentile(widths[0], [25, 50, 75, 95]), np.percentile(widths[1], [25, 50, 75, 95]), atol=2.5
    )
    gaps = [np.median(line_widths(~covered(phase))) for phase in phases]
    assert gaps[0] == pytest.approx(gaps[1], abs=1)


@pytest.mark.parametrize("shape", [(256, 256), (512, 512)])
@pytest.mark.parametrize("seed", range(3))
def test_edges_have_few_directions_on_the_straight_chart_and_all_on_the_curved_one(shape, seed):
    axes_and_diagonals = np.arange(0, 180 // BIN, 45 // BIN)
    even = BIN / 180
    on_straight, on_curved = (directions(chart(shape, seed)[0]) for chart in (straight, curved))
    assert on_straight[axes_and_diagonals].sum() > 0.5
    assert on_straight.min() < 0.25 * even
    assert on_curved[axes_and_diagonals].sum() < 1.25 * len(axes_and_diagonals) * even
    assert 0.5 * even < on_curved.min() < on_curved.max() < 1.75 * even


@pytest.mark.parametrize("shape", SHAPES)
def test_partners_hold_the_same_material_in_every_cell_and_nothing_between(shape):
    between = [np.full(shape, True), np.full(shape, True)]
    phases = [chart(shape, 1)[1] for chart in (straight, curved)]
    for cell in cells(shape, generator(1, "chart")):
        box = np.s_[cell.top : cell.top + cell.side, cell.left : cell.left + cell.side]
        thickest = [phase[box].min() for phase in phases]
        assert thickest == pytest.approx([-cell.thickness if cell.letter is None else -1.0] * 2)
        for free, phase in zip(between, phases):
            assert free[box].all(), "cells overlap"
            free[box] = False
            border = np.concatenate([phase[box][0], phase[box][-1], phase[box][:, 0], phase[box][:, -1]])
            assert border.mean() > -0.15 * cell.thickness
    for free, phase in zip(between, phases):
        assert not phase[free].any()


@pytest.mark.parametrize(("shape", "words"), [((128, 128), 1), ((700, 300), 2), ((512, 1100), 2), ((1024, 1024), 4)])
def test_every_fourth_row_of_cells_holds_whole_words(shape, words):
    letters = [cell for cell in cells(shape, generator(2, "chart")) if cell.letter is not None]
    assert [cell.letter for cell in letters] == [0, 1, 2, 3] * words
    for place in range(0, len(letters), 4):
        word = letters[place : place + 4]
        assert len({cell.top for cell in word}) == 1
        lefts = np.diff([cell.left for cell in word])
        assert np.ptp(lefts) <= 1
        assert (lefts > 0).all()


def test_all_motifs_and_thicknesses_come_equally_often():
    found = cells((1024, 1024), generator(0, "chart"))
    for values in ([cell.motif for cell in found], [cell.thickness for cell in found]):
        _, counts = np.unique(values, return_counts=True)
        assert len(counts) in (4, len(STRAIGHT.motifs), len(CURVED.motifs))
        assert np.ptp(counts) <= 1


def crossings(profile: np.ndarray) -> np.ndarray:
    """Where a profile crosses one half, in samples."""
    before = np.flatnonzero(np.diff(profile > 0.5))
    return before + (0.5 - profile[before]) / (profile[before + 1] - profile[before])


@pytest.mark.parametrize("geometry", [STRAIGHT, CURVED])
def test_a_square_or_ring_is_where_it_should_be(geometry):
    picture = draw(Cell(**RINGS), geometry)
    middle = 79.5
    # Of 160 pixels 4.5 % on each side are free: the outermost edge is 72.8 from the middle. 14 lines have a pitch of 145.6 / (13 + 0.57).
    pitch = 145.6 / 13.57
    edges = np.sort([edge for turn in range(7) for edge in (72.8 - turn * pitch, 72.8 - turn * pitch - 0.57 * pitch)])
    distance = np.arange(0, 76, 0.05)
    for degrees in (0, 90, 180, 270) if geometry is STRAIGHT else (0, 20, 37, 90, 135, 200, 270, 300):
        angle = np.radians(degrees)
        profile = ndimage.map_coordinates(
            picture, [middle + distance * np.sin(angle), middle + distance * np.cos(angle)], order=1
        )
        # Rings meet the diagonal of pixels, where bilinear interpolation is coarser, and beyond the outermost begin the next ones.
        found = crossings(profile)[: len(edges)] * 0.05
        np.testing.assert_allclose(found, edges, atol=0.2)


def test_a_ring_has_its_area():
    picture = draw(Cell(**RINGS), CURVED)
    y, x = np.indices(picture.shape) - 79.5
    pitch = 145.6 / 13.57
    outer, inner = 72.8 - pitch, 72.8 - 1.57 * pitch  # of the second ring
    within = np.abs(np.hypot(y, x) - (outer + inner) / 2) < pitch / 2
    assert picture[within].sum() == pytest.approx(np.pi * (outer**2 - inner**2), rel=0.003)


@pytest.mark.parametrize("points", [stroke for strokes in LOOP.values() for stroke in strokes])
def test_the_distance_to_an_arc_is_the_one_to_its_nearest_point(points):
    first, middle, last = np.reshape(points, (3, 2))
    # The circle through three points from its perpendicular bisectors, walked from the first by way of the middle to the last.
    centre = np.linalg.lstsq(
        2 * np.array([middle - first, last - first]),
        [middle @ middle - first @ first, last @ last - first @ first],
        rcond=None,
    )[0]
    angles = np.unwrap([np.arctan2(*(point - centre)) for point in (first, middle, last)])
    assert np.all(np.diff(angles) > 0) or np.all(np.diff(angles) < 0)
    walked = np.linspace(angles[0], angles[2], 4001)
    arc = centre + np.hypot(*(first - centre)) * np.stack([np.sin(walked), np.cos(walked)], axis=1)
    y, x = np.linspace(-1.5, 1.5, 41)[:, None], np.linspace(-1.5, 1.5, 43)[None, :]
    nearest, _ = cKDTree(arc).query(np.stack(np.broadcast_arrays(y, x), axis=-1))
    np.testing.assert_allclose(arc_distance(y, x, points), nearest, atol=2e-3)


def test_the_distance_to_a_bar_grows_to_its_sides_and_beyond_its_ends():
    y, x = np.array([[0.0], [3.0], [5.0]]), np.array([[0.0, 2.0]])
    np.testing.assert_allclose(bar_distance(y, x, (-4, 0, 4, 0)), [[0, 2], [0, 2], [1, 2]])
    assert bar_distance(np.array(0.0), np.array(1.0), (-4, -4, 4, 4)) == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize(("kind", "chart"), [("straight", straight), ("curved", curved)])
def test_a_chart_becomes_an_object(kind, chart, tmp_path):
    options = {
        "kind": kind,
        "shape": [128, 160],
        "seed": 4,
        "transmission": 0.6,
        "phase_shift": -0.5,
        "phase_scale": 2.0,
    }
    amplitude, phase = chart((128, 160), 4, transmission=0.6, phase_shift=-0.5)
    make_object(options | {"amplitude_range": None}, OPTICS, {}, tmp_path / "object.h5")
    with h5py.File(tmp_path / "object.h5") as file:
        np.testing.assert_array_equal(file["object/amplitude"], amplitude.astype(np.float32))
        np.testing.assert_array_equal(file["object/phase"], (2 * phase).astype(np.float32))
        assert file["object"].attrs["kind"] == kind
    make_object(options | {"amplitude_range": [0.2, 0.9]}, OPTICS, {}, tmp_path / "mapped.h5")
    with h5py.File(tmp_path / "mapped.h5") as file:
        assert np.ptp(file["object/amplitude"]) == pytest.approx(0.7)
