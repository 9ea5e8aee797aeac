"""Preparation: photons are kept, the zero frequency stays in its pixel, and the object in its place."""

import os
import re
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Optics, create_dataset
from ptychoformer.measurement.pixels import Filling, beam_centre, defects, survey
from ptychoformer.measurement.preparation import Preparation, prepare, rescaled_probe, write_patterns
from ptychoformer.measurement.readers import RawScan, open_scan
from ptychoformer.randomness import generator
from ptychoformer.simulation.diffraction import diffraction
from ptychoformer.simulation.probes import zone_plate

DATA = Path(os.environ.get("PTYCHOFORMER_DATA", "data"))
SIEMENS_STAR = DATA / "aps_siemens_star/siemens-star-small.npz.bz2"
NANOPROBE = DATA / "aps_26id/20191008_39_diff_sample.npy"


def raw_scan(patterns, positions=None, unit="frame pixels", **parts):
    """A scan in memory."""
    patterns = np.asarray(patterns, np.float32)
    positions = np.indices((len(patterns), 2)).sum(axis=0) * 3.0 if positions is None else positions

    def frames(size):
        for start in range(0, len(patterns), size):
            yield patterns[start : start + size].copy()

    return RawScan(Path("scan"), "cxi", patterns.shape[1:], np.asarray(positions, float), unit, frames, **parts)


def prepared(raw, *arguments, **options):
    scan = prepare(raw, Preparation(*arguments, **options))
    frames = np.concatenate(list(scan.frames(3)))
    assert frames.dtype == np.float32
    assert frames.shape == (len(raw.positions), *scan.window)
    return scan, frames


def disc(shape, centre, radius=9.0):
    y, x = np.indices(shape)
    return np.hypot(y - centre[0], x - centre[1]) < radius


# Zero frequency


@pytest.mark.parametrize("bin", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("blocks", [None, 6, 7])
@pytest.mark.parametrize("centre", [(64, 64), (57, 71)])
def test_the_zero_frequency_stays_at_the_centre(bin, blocks, centre):
    patterns = np.ones((2, 128, 128))
    patterns[:, centre[0], centre[1]] = 5
    crop = blocks and blocks * bin
    scan, frames = prepared(raw_scan(patterns), centre=centre, crop=crop, bin=bin)
    side = scan.window[0]
    assert np.unravel_index(frames[0].argmax(), scan.window) == (side // 2, side // 2)
    assert (scan.crop, scan.centre) == (side * bin, centre)
    assert crop is not None or side % 2 == 0


def test_the_middle_of_a_block_is_at_most_half_a_detector_pixel_from_the_zero_frequency():
    """A block's centre of mass for each bin: on the zero frequency if bin is odd, half a pixel behind it if it is even."""
    ramp = np.indices((1, 128, 128))[1] + 1.0
    for bin in range(1, 7):
        scan, frames = prepared(raw_scan(np.repeat(ramp, 2, axis=0)), centre=(64, 64), crop=10 * bin, bin=bin)
        middle = frames[0, scan.window[0] // 2, 0] / bin**2 - 1
        assert middle == pytest.approx(64 + (0.5 if bin % 2 == 0 else 0.0))


def test_the_largest_crop_is_as_large_as_fits():
    patterns = np.ones((2, 100, 128))
    for centre, bin, crop in (
        ((50, 64), 1, 100),
        ((50, 64), 2, 100),
        ((50, 64), 4, 96),
        ((40, 64), 1, 80),
        ((50, 100), 1, 56),
        ((50, 100), 3, 60),
    ):
        assert prepared(raw_scan(patterns), centre=centre, bin=bin)[0].crop == crop


def test_a_whole_frame_can_be_binned_by_any_power_of_two():
    for bin in (2, 4, 8):
        scan, frames = prepared(raw_scan(np.ones((2, 128, 128)), centred=True), bin=bin)
        assert scan.window == (128 // bin, 128 // bin)
        np.testing.assert_allclose(frames, bin**2)
        assert np.argwhere(scan.mask).tolist() == (
            [[0, 0]] if bin == 8 else []
        )  # of which 25 of 64 pixels are in the frame


def test_a_crop_that_does_not_fit_names_one_that_does():
    raw = raw_scan(np.ones((2, 64, 64)))
    sentence = "scan: a crop of 40 pixels around (15, 32) does not fit in the frame of 64 x 64 pixels; 30 would."
    with pytest.raises(InputError, match=re.escape(sentence)):
        prepare(raw, Preparation(centre=(15, 32), crop=40))
    assert prepare(raw, Preparation(centre=(15, 32), crop=30)).window == (30, 30)
    for wrong in (dict(centre=(64, 0)), dict(centre=(1, 32)), dict(crop=66)):
        with pytest.raises(InputError, match=r"does not lie in the frame|does not fit in the frame"):
            prepare(raw, Preparation(**wrong))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (dict(bin=0), "bin must be at least 1, found 0"),
        (dict(crop=33, bin=2), "crop must be a multiple of bin, 2, and at least 8, found 33"),
        (dict(crop=4, bin=2), "crop must be a multiple of bin, 2, and at least 8, found 4"),
        (dict(wavelength=0.0), r"wavelength must be 1e-15 to 1e\+15 metres, found 0.0"),
        (dict(distance=np.nan), r"distance must be 1e-15 to 1e\+15 metres, found nan"),
        (dict(detector_pixel=-1e-5), r"detector_pixel must be 1e-15 to 1e\+15 metres, found -1e-05"),
    ],
)
def test_preparations_that_cannot_be_are_refused(wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        Preparation(**wrong)


@pytest.mark.parametrize("centre", [(64, 64), (50, 81)])
def test_the_centre_is_where_the_beam_falls(measured, centre):
    """Patterns somewhere in a larger frame, with a background, hot and dead pixels, come out as they were."""
    random = generator(1, "centre")
    large = random.poisson(0.5, (12, 128, 128)).astype(np.float32)
    rows, columns = (slice(at - 16, at + 16) for at in centre)
    large[:, rows, columns] += measured.patterns
    broken = large.copy()
    broken[:, 3, 100], broken[:, 120, 5:7], broken[:, centre[0] + 2, centre[1] - 1] = 1e7, 1e6, 0
    scan, frames = prepared(raw_scan(broken), crop=32)
    assert scan.centre == centre
    whole = np.ones((32, 32), bool)
    whole[18, 15] = False
    np.testing.assert_array_equal(scan.mask, ~whole)
    np.testing.assert_array_equal(frames[:, whole], large[:, rows, columns][:, whole])


def test_a_file_or_a_person_that_knows_the_centre_is_believed(measured):
    patterns = np.roll(measured.patterns, (3, -2), axis=(1, 2))
    assert prepare(raw_scan(patterns)).centre == (19, 14)
    assert prepare(raw_scan(patterns, centred=True)).centre == (16, 16)
    assert prepare(raw_scan(patterns, centred=True), Preparation(centre=(18, 15))).centre == (18, 15)


@pytest.mark.parametrize("known", [{}, {"centred": True}, {"centre": (16, 16)}])
@pytest.mark.parametrize("background", [0.0, 300.0])
def test_a_zero_frequency_in_the_corners_is_refused_whoever_says_that_it_is_in_the_middle(measured, known, background):
    random = generator(3, "corners")
    patterns = measured.patterns + random.poisson(background, measured.patterns.shape)
    assert prepare(raw_scan(patterns, **known)).centre == (16, 16)
    patterns[:, 5, 20] = random.poisson(1e6, len(patterns))
    assert prepare(raw_scan(patterns, **known)).mask.sum() == 1
    swapped = np.fft.ifftshift(patterns, axes=(1, 2))
    with pytest.raises(
        InputError, match=r"scan: the light lies in the four corners .* in the middle; .*\.fftshift\(.* give --centre"
    ):
        prepare(raw_scan(swapped, **known))
    warnings = prepare(raw_scan(swapped, **known), Preparation(centre=(16, 16))).warnings
    assert any("four corners" in warning for warning in warnings)
    with pytest.raises(InputError, match=r"four corners .*; the counts are square roots of counts besides, undo that"):
        prepare(raw_scan(np.sqrt(swapped), **known))


def test_of_a_format_that_begins_at_the_zero_frequency_the_middle_is_told(measured):
    read = raw_scan(np.fft.fftshift(measured.patterns, axes=(1, 2)), centred=True, corner_first=True)
    with pytest.raises(
        InputError,
        match=r"scan: the light lies in the middle of the patterns in the file, .* at \[0, 0\]; .*\.ifftshift\(patterns, axes=\(-2, -1\)\)\.$",
    ):
        prepare(read)


def test_a_beam_that_is_not_where_its_format_has_it_is_told(measured):
    for moved, told in (((3, -2), False), ((4, 0), True), ((0, -5), True)):
        scan = prepare(raw_scan(np.roll(measured.patterns, moved, axis=(1, 2)), centred=True))
        assert any("puts the beam at detector pixel (16, 16), its" in warning for warning in scan.warnings) == told


def test_a_beam_beside_the_middle_is_not_taken_for_one_in_the_corners(measured):
    large = generator(4, "beside").poisson(0.5, (12, 96, 96)).astype(np.float32)
    for y, x in ((2, 2), (62, 3), (62, 62), (32, 0)):  # of a peak, in one corner, or at an edge
        beside = large.copy()
        beside[:, y : y + 32, x : x + 32] += measured.patterns
        scan = prepare(raw_scan(beside), Preparation(crop=28))
        assert np.abs(np.subtract(scan.centre, (y + 16, x + 16))).max() <= 1
        assert scan.warnings == ("scan records no wavelength, distance, detector pixel: lengths are in pixels.",)


def test_a_crop_beside_the_light_is_told_and_one_without_any_refused(measured):
    large = np.zeros((12, 96, 96), np.float32)
    large[:, 50:82, 50:82] = measured.patterns
    told = "the crop of 30 pixels around (42, 42) holds"
    assert any(told in warning for warning in prepare(raw_scan(large), Preparation(centre=(42, 42), crop=30)).warnings)
    for centre, crop in (((66, 66), 8), ((60, 60), 30)):
        assert not any(
            "holds" in each for each in prepare(raw_scan(large), Preparation(centre=centre, crop=crop)).warnings
        )
    with pytest.raises(InputError, match=r"scan: the crop of 16 pixels around \(20, 20\) holds no light"):
        prepare(raw_scan(large), Preparation(centre=(20, 20), crop=16))


def test_no_beam_is_in_the_middle():
    assert beam_centre(np.ones((20, 30))) == (10, 15)


# Pixels


def test_hot_and_dead_pixels_are_found_and_filled():
    random = generator(0, "defects")
    expected = 3 + 100 * disc((64, 64), (30, 33))
    patterns = random.poisson(expected, (20, 64, 64)).astype(np.float32)
    whole = patterns.copy()
    hot, dead = [(5, 5), (5, 6), (30, 30), (63, 63), (0, 20)], [(31, 35), (28, 30), (50, 50)]
    for y, x in hot:
        patterns[:, y, x] = 40 * expected[y, x] + random.poisson(100, 20)
    for y, x in dead:
        patterns[:, y, x] = 0
    scan, frames = prepared(raw_scan(patterns), centre=(32, 32))
    assert sorted(map(tuple, np.argwhere(scan.mask))) == sorted(hot + dead)
    assert "scan: 5 hot and 3 dead detector pixels are masked." in scan.warnings
    good = ~scan.mask
    np.testing.assert_array_equal(frames[:, good], whole[:, good])
    np.testing.assert_allclose(
        frames[:, 30, 30], whole[:, [29, 29, 29, 30, 30, 31, 31, 31], [29, 30, 31, 29, 31, 29, 30, 31]].mean(axis=1)
    )
    filled, truth = frames[:, ~good].mean(axis=0), expected[~good]
    np.testing.assert_allclose(filled, truth, rtol=0.4)


@pytest.mark.parametrize(
    ("outer", "defocus"), [(0.1, 0.0), (0.3, 0.0), (0.8, 0.0), (0.1, 6.3e-3), (0.3, 6.3e-3), (0.8, 2e-3)]
)
def test_no_pixel_of_a_simulated_detector_is_bad(outer, defocus, measured):
    optics = Optics(wavelength=2.508e-12, pixel_size=5e-9, distance=1.0)
    probe = zone_plate(32, outer, 0.012, defocus, optics)
    crops = np.lib.stride_tricks.sliding_window_view(measured.object, (32, 32))[::3, ::3].reshape(-1, 32, 32)
    patterns = 1e5 * diffraction(probe * crops)
    scan, frames = prepared(raw_scan(patterns, centred=True))
    assert not scan.mask.any()
    np.testing.assert_allclose(frames, patterns, rtol=1e-6)


def test_bad_pixels_of_the_file_are_filled_however_many_they_are():
    mask = np.zeros((64, 64), bool)
    mask[20:29] = mask[:, 40] = True  # a gap between modules, and a column
    y, _ = np.indices((64, 64))
    patterns = np.where(mask, 1e9, 10.0 + y) * np.ones((3, 1, 1))
    scan, frames = prepared(raw_scan(patterns, mask=mask), centre=(32, 32))
    np.testing.assert_array_equal(scan.mask, mask)
    np.testing.assert_allclose(frames[:, 50, 40], 60)
    np.testing.assert_allclose(frames[:, 20:29, 7], [[29, 29, 29, 29, 29, 39, 39, 39, 39]] * 3, atol=5)
    assert frames.max() <= 73


def test_filling_is_a_mean():
    random = generator(0, "filling")
    bad = random.random((40, 50)) < 0.6
    np.testing.assert_allclose(Filling(bad)(np.full((2, 40, 50), 7.0)), 7.0)
    patterns = random.random((2, 40, 50))
    filled = Filling(bad)(patterns.copy())
    np.testing.assert_array_equal(filled[:, ~bad], patterns[:, ~bad])
    changed = np.where(bad, np.nan, patterns)
    np.testing.assert_array_equal(Filling(bad)(changed), filled)
    with pytest.raises(InputError, match="No pixel of the detector is good"):
        Filling(np.ones((3, 3), bool))


@pytest.mark.parametrize(("marker", "largest"), [(2.0**32 - 1, 2.0**32 - 1), (65535.0, 65535.0), (-1.0, 2.0**31 - 1)])
def test_gaps_that_a_detector_marks_with_an_impossible_count_are_masked(marker, largest):
    patterns = generator(0, "gaps").poisson(20, (4, 32, 32)).astype(np.float32)
    patterns[:, 10:14] = marker
    patterns[0, 20, 20] = largest
    scan, frames = prepared(raw_scan(patterns, saturation=largest), centre=(16, 16))
    np.testing.assert_array_equal(
        scan.mask,
        np.isin(np.arange(32), range(10, 14))[:, None] & np.ones(32, bool)
        | (scan.mask & (frames.max(axis=0) < largest)),
    )
    assert scan.mask[10:14].all()
    assert frames[:, 10:14].max() < 60


def test_single_overexposed_and_negative_counts_are_told():
    patterns = np.full((4, 32, 32), 60000.0)
    patterns[1, 4, 4], patterns[2, 5, 5], patterns[3] = 65535, -7, 0
    scan, frames = prepared(raw_scan(patterns, saturation=65535.0), centre=(16, 16), keep_frames=True)
    assert not scan.mask.any()
    assert scan.warnings[:-1] == (
        "scan: some patterns are overexposed, pixels that reach 65535: 1.",
        "scan: counts below zero, down to -7, are set to zero.",
        "scan: 1 of 4 patterns hold no light, they are used, as was asked for: 3.",
    )
    assert frames.min() == 0


def test_a_scan_without_light_or_without_good_pixels_is_refused():
    with pytest.raises(InputError, match="no pixel of any pattern counts a photon"):
        prepare(raw_scan(np.zeros((3, 16, 16))))
    with pytest.raises(InputError, match="no detector pixel is good, all are masked, blind or overexposed"):
        prepare(raw_scan(np.full((3, 16, 16), 255), saturation=255.0))
    mask = np.zeros((32, 32), bool)
    mask[8:24] = True
    with pytest.raises(InputError, match=r"no detector pixel is good in the crop of 16 pixels around \(16, 16\)"):
        prepare(raw_scan(np.ones((3, 32, 32)), mask=mask), Preparation(centre=(16, 16), crop=16))


UNUSABLE = {
    "empty": lambda patterns: np.zeros_like(patterns[:3]),
    "repeated": lambda patterns: patterns[:3],
    "dim": lambda patterns: (patterns[:3] > 200).astype(np.float32),
    "bright": lambda patterns: 50 * patterns[:1] + 1,
}


@pytest.mark.parametrize("reason", UNUSABLE)
def test_a_scan_whose_usable_patterns_all_lie_at_one_place_is_refused(reason):
    """Those that are left out moved; an object cannot be made of the others."""
    still = np.random.default_rng(0).poisson(200, (12, 16, 16)).astype(np.float32)
    others = UNUSABLE[reason](still)
    positions = [*np.zeros((12, 2)), *(3.0 * np.arange(1, len(others) + 1)[:, None] * [1, 1])]
    raw = raw_scan(np.concatenate([still, others]), positions, centred=True)
    sentence = "scan: all patterns that can be used have the same position; a scan moves the sample."
    with pytest.raises(InputError, match=re.escape(sentence)):
        prepare(raw)
    kept = prepare(raw, Preparation(keep_frames=True))
    assert len(kept.unusable[reason]) == len(others)
    assert np.ptp(kept.positions, axis=0).all()
    moved = prepare(replace(raw, positions=np.concatenate([[[9.0, 0.0]], raw.positions[1:]])))
    assert np.ptp(moved.positions, axis=0).tolist() == [9.0, 0.0]


def test_a_lone_peak_as_wide_as_oversampling_makes_it_is_no_defect():
    """The narrowest diffraction peak of a probe in half its window has the next zero two pixels away."""
    peak = np.sinc((np.arange(32) - 16) / 2) ** 2
    mean = 1e6 * np.outer(peak, peak)
    hot, dead = defects(
        survey([np.repeat(mean[None].astype(np.float32), 10, axis=0)], np.ones(10, bool), np.ones((32, 32), bool)), mean
    )
    assert not hot.any()
    assert not dead.any()


# Photons and coordinates


@pytest.mark.parametrize("bin", [2, 3, 4])
def test_binning_keeps_photons(measured, bin):
    raw = raw_scan(measured.patterns, measured.corners, centred=True)
    crop = 24
    scan, binned = prepared(raw, crop=crop, bin=bin)
    assert scan.window == (crop // bin, crop // bin)
    before = 16 - (bin - 1) // 2 - bin * (crop // bin // 2)
    region = measured.patterns[:, before : before + crop, before : before + crop]
    np.testing.assert_allclose(binned.sum(axis=(1, 2)), region.sum(axis=(1, 2)), rtol=1e-6)


def smooth_object(y, x):
    """A complex transmission that any sampling resolves, at coordinates in pixels of the whole frame's object."""
    bumps = ((30, 40, 9, 0.8), (55, 52, 7, 0.5), (48, 25, 8, -0.9))
    phase = sum(
        height * np.exp(-((y - top) ** 2 + (x - left) ** 2) / (2 * width**2)) for top, left, width, height in bumps
    )
    return np.exp(1j * phase) * (1 - 0.2 * np.exp(-((y - 40) ** 2 + (x - 60) ** 2) / 100))


def smooth_probe(side, radius):
    y, x = np.indices((side, side)) - side // 2
    return (100 * np.exp(-(y**2 + x**2) / (2 * radius**2)) * np.exp(0.003j * (y**2 - 2 * x**2))).astype(np.complex64)


@pytest.mark.parametrize(("crop", "bin"), [(64, 1), (48, 1), (40, 1), (64, 2), (48, 2), (48, 3), (60, 3)])
def test_any_preparation_images_the_same_object_in_the_same_place(crop, bin):
    """Patterns of an analytic object, cropped and binned, are those of the object resampled where the coordinates say it is."""
    corners = np.indices((3, 4)).reshape(2, -1).T * 8
    probe = smooth_probe(64, 3.5)
    patterns = diffraction(probe * smooth_object(*np.moveaxis(np.indices((64, 64)) + corners[:, :, None, None], 1, 0)))
    scan, frames = prepared(raw_scan(patterns, corners - 17.5, centred=True, probe=probe), crop=crop, bin=bin)
    pixels = np.moveaxis(np.indices(scan.window) + scan.positions[:, :, None, None], 1, 0)
    waves = scan.probe * smooth_object(*(pixels * 64 / crop))
    # A block is a sum over detector pixels beside the zero frequency, each of which sees the wave with a ramp.
    y, x = (np.indices(scan.window) - scan.window[0] // 2) / crop
    offsets = np.arange(bin) - (bin - 1) // 2
    expected = (
        sum(diffraction(waves * np.exp(-2j * np.pi * (dy * y + dx * x))) for dy in offsets for dx in offsets) / bin**2
    )
    np.testing.assert_allclose(frames, expected, atol=1e-2 * expected.max())


def test_corners_share_an_origin_and_none_is_negative(measured):
    raw = raw_scan(np.ones((12, 32, 33)), measured.corners - 100.0)
    centres = []
    for crop, bin in ((32, 1), (16, 1), (20, 2), (25, 5), (24, 3), (27, 3)):
        scan, _ = prepared(raw, centre=(16, 16), crop=crop, bin=bin)
        assert scan.positions.min() >= 0
        centres.append((scan.positions + scan.window[0] // 2) / crop)
    np.testing.assert_allclose(centres, [(measured.corners + np.array([16, 17])) / [32, 33]] * 6)


def test_a_probe_keeps_what_the_detector_sees_of_it():
    probe = smooth_probe(64, 5.0)
    same = rescaled_probe(probe, 64, 64)
    np.testing.assert_allclose(same, probe, atol=1e-5)
    cropped = rescaled_probe(probe, 32, 32)
    whole = diffraction(probe[None])[0]
    np.testing.assert_allclose(diffraction(cropped[None])[0], whole[16:48, 16:48], atol=1e-4 * whole.max())
    np.testing.assert_allclose(rescaled_probe(probe, 64, 32), probe[16:48, 16:48], atol=1e-5)


def test_a_probe_of_an_odd_side_stays_in_its_place():
    probe = smooth_probe(33, 5.0)
    np.testing.assert_allclose(rescaled_probe(probe, 33, 33), probe, atol=1e-4)
    # Half of the detector sees pixels twice as wide, and the middle stays the middle.
    peak = np.unravel_index(np.abs(rescaled_probe(probe, 17, 17)).argmax(), (17, 17))
    assert np.abs(probe).argmax() == np.ravel_multi_index((16, 16), probe.shape)
    assert peak == (8, 8)


def test_positions_in_metres_become_pixels(measured):
    pixel = measured.optics.detector_pixel_size(32)
    metres = measured.corners * measured.optics.pixel_size - 3e-5
    lengths = dict(wavelength=1.4e-10, distance=2.0, detector_pixel=(pixel, pixel))
    in_metres, _ = prepared(raw_scan(measured.patterns, metres, "metres", centred=True, **lengths), crop=24, bin=2)
    in_pixels, _ = prepared(raw_scan(measured.patterns, measured.corners, centred=True), crop=24, bin=2)
    np.testing.assert_allclose(in_metres.positions, in_pixels.positions, atol=1e-6)
    assert in_pixels.optics is None
    assert in_metres.optics.pixel_size == pytest.approx(measured.optics.pixel_size * 32 / 24)
    # The detector that the optics describe has blocks of two pixels for pixels.
    assert in_metres.optics.detector_pixel_size(12) == pytest.approx(2 * pixel)


def test_a_frame_need_not_be_square_but_its_pixels_must(measured):
    optics, pixel = measured.optics, measured.optics.detector_pixel_size(32)
    metres = measured.corners * optics.pixel_size
    wide = np.pad(measured.patterns, ((0, 0), (0, 0), (10, 20)))
    lengths = dict(wavelength=1.4e-10, distance=2.0, centred=False)
    scan, frames = prepared(raw_scan(wide, metres, "metres", detector_pixel=(pixel, pixel), **lengths), centre=(16, 26))
    np.testing.assert_array_equal(frames, measured.patterns)
    assert scan.optics.pixel_size == pytest.approx(optics.pixel_size)
    np.testing.assert_allclose(scan.positions - scan.positions.min(axis=0), measured.corners, atol=1e-6)
    with pytest.raises(InputError, match="a detector pixel must be square, found"):
        prepare(
            raw_scan(wide, metres, "metres", detector_pixel=(pixel, 1.02 * pixel), **lengths),
            Preparation(centre=(16, 26)),
        )


def test_lengths_that_nobody_recorded_must_be_given(measured):
    raw = raw_scan(measured.patterns, measured.corners * 1e-8, "metres", distance=2.0, centred=True)
    sentence = "no wavelength and no detector pixel, so that .*; give --wavelength and --detector-pixel in metres"
    with pytest.raises(InputError, match=sentence):
        prepare(raw)
    scan = prepare(raw, Preparation(wavelength=1.4e-10, detector_pixel=measured.optics.detector_pixel_size(32)))
    np.testing.assert_allclose(scan.positions, measured.corners * 1e-8 / measured.optics.pixel_size, atol=1e-6)
    with pytest.raises(InputError, match=r"span an object of .* pixels, at most 65536 can be; check its lengths"):
        prepare(raw, Preparation(wavelength=1e-15, detector_pixel=1e-4))


@pytest.mark.parametrize("step", [2.0, 2.5])
def test_a_raster_is_as_long_whatever_is_made_of_its_patterns(write, step):
    lengths = dict(wavelength=1.4e-10, distance=2.0, detector_pixel=5e-5)
    whole_frame = 1.4e-10 * 2.0 / (32 * 5e-5)
    corners = {}
    for crop, bin in ((32, 1), (16, 1), (24, 3), (32, 2)):
        with open_scan(write("nanoprobe"), step=step) as raw:
            scan = prepare(raw, Preparation(centre=(16, 16), crop=crop, bin=bin, **lengths))
        assert scan.grid == (3, 4)
        corners[crop, bin] = scan.positions
        metres = (scan.positions - scan.positions[0]) * scan.optics.pixel_size
        np.testing.assert_allclose(metres, step * whole_frame * np.indices((3, 4)).reshape(2, -1).T, atol=1e-15)
    np.testing.assert_array_equal(corners[16, 1] - corners[16, 1][0], (corners[32, 1] - corners[32, 1][0]) / 2)


def test_a_raster_is_as_long_in_both_directions_of_a_frame_that_is_no_square(write, simulate, tmp_path):
    np.save(
        tmp_path / "scan.npy",
        np.pad(simulate().patterns.reshape(3, 4, 32, 32), [(0, 0), (0, 0), (0, 0), (8, 24)]).astype(np.uint16),
    )
    with open_scan(tmp_path / "scan.npy", step=2.0) as raw:
        scan = prepare(raw, Preparation(centre=(16, 24), crop=32))
    np.testing.assert_allclose(scan.positions - scan.positions[0], 2 * np.indices((3, 4)).reshape(2, -1).T)


# Datasets


def import_scan(path, preparation, output):
    """Write a scan as a dataset of this project, some patterns at a time; returns what was prepared."""
    with open_scan(path) as raw:
        scan = prepare(raw, preparation)
        parts = {name: getattr(scan, name) for name in ("probe", "optics", "mask", "grid", "numbers")}
        with create_dataset(output, window=scan.window, positions=scan.positions, **parts) as patterns:
            write_patterns(scan, patterns)
    return scan


@pytest.mark.parametrize("format", ["cxi", "nxcxi", "ptychodus", "ptychi", "ptyd", "velociprobe", "nanoprobe"])
@pytest.mark.parametrize("preparation", [Preparation(), Preparation(crop=24, bin=2)])
def test_what_is_imported_is_what_was_prepared(tmp_path, write, format, preparation):
    path = write(format)
    import_scan(path, preparation, tmp_path / "imported.cxi")
    with open_scan(path) as raw, open_scan(tmp_path / "imported.cxi") as again:
        scan = prepare(raw, preparation)
        frames = np.concatenate(list(scan.frames(4)))
        np.testing.assert_array_equal(np.concatenate(list(again.frames(5))), frames)
        np.testing.assert_array_equal(again.positions, scan.positions)
        np.testing.assert_array_equal(again.mask, scan.mask)
        assert (again.grid, again.frame, again.centred) == (scan.grid, scan.window, True)
        if scan.probe is not None:
            np.testing.assert_array_equal(again.probe, scan.probe)
        # Prepared once more it is the same, but for where the object begins.
        once_more = prepare(again)
        np.testing.assert_array_equal(np.concatenate(list(once_more.frames(9))), frames)
        np.testing.assert_allclose(np.diff(once_more.positions, axis=0), np.diff(scan.positions, axis=0), atol=1e-6)
        if scan.optics:
            assert once_more.optics.pixel_size == pytest.approx(scan.optics.pixel_size)
    with h5py.File(tmp_path / "imported.cxi") as file:
        assert file["ptychography/numbers"][:].tolist() == list(range(12))


def test_a_failed_import_leaves_no_file(tmp_path, write, measured):
    patterns = measured.patterns.copy()
    patterns[11, 0, 0] = np.nan
    path = write("cxi", patterns=patterns)
    with pytest.raises(InputError, match="pattern 11 holds NaN"):
        import_scan(path, Preparation(), tmp_path / "imported.cxi")
    assert [file.name for file in tmp_path.iterdir()] == ["scan.cxi"]


def test_a_scan_larger_than_memory_is_imported(tmp_path):
    """420 MB of frames in less than a third of that."""
    path = tmp_path / "scan.npz"
    header = {"descr": "<u2", "fortran_order": False, "shape": (80, 40, 256, 256)}
    frame = (100 * disc((256, 256), (128, 128), 40)).astype(np.uint16)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("arr_0.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for _ in range(80):
            stream.write(np.broadcast_to(frame, (40, 256, 256)).tobytes())
    tracemalloc.start()
    try:
        import_scan(path, Preparation(crop=192, bin=6), tmp_path / "imported.cxi")
        assert tracemalloc.get_traced_memory()[1] < 1.4e8
    finally:
        tracemalloc.stop()
    with open_scan(tmp_path / "imported.cxi") as raw:
        block = next(raw.frames(10))
    assert block.shape == (10, 32, 32)
    np.testing.assert_allclose(block.sum(axis=(1, 2)), frame.sum())


# Published files


@pytest.mark.skipif(not SIEMENS_STAR.is_file(), reason="PTYCHOFORMER_DATA does not point to it")
def test_the_siemens_star_keeps_its_photons():
    with open_scan(SIEMENS_STAR) as raw:
        whole, _ = prepared(raw)
        scan, frames = prepared(raw, crop=128, bin=4)
        photons = sum(block.sum(dtype=float) for block in raw.frames(100))
    assert scan.window == (32, 32)
    assert frames.sum(dtype=float) == pytest.approx(photons, rel=1e-4)
    np.testing.assert_allclose(scan.positions + 16, whole.positions + 64)
    assert not scan.mask.any()


@pytest.mark.skipif(not NANOPROBE.is_file(), reason="PTYCHOFORMER_DATA does not point to it")
def test_the_nanoprobe_sample_becomes_the_published_windows():
    with open_scan(NANOPROBE) as raw:
        scan, frames = prepared(raw, crop=192, bin=3)
    assert scan.window == (64, 64)
    assert scan.centre == (128, 133)
    assert "0 hot and 7 dead" in scan.warnings[0]
    ring = frames.mean(axis=0)
    assert ring[32, 32] < 0.5 * ring[[28, 32, 32, 36], [32, 28, 36, 32]].min()  # the shadow of the central stop
