"""The scores of images are those of the literature, and nothing outside of a region counts."""

from math import inf

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from skimage.metrics import structural_similarity

from ptychoformer.evaluation.scores import Images, Region, psnr, scores, scores_by_region, ssim_map


def noisy_images(*shape):
    rng = np.random.default_rng(0)
    truth = rng.random(shape).cumsum(-1) / shape[-1]
    return truth, truth + 0.2 * rng.normal(size=shape)


def test_a_constant_error_has_its_square_as_mse():
    found = scores(np.full((20, 30), 0.6), np.full((20, 30), 0.5), np.full((20, 30), True))
    assert found["mse"] == pytest.approx(0.01)
    assert found["psnr"] == pytest.approx(20.0)
    assert psnr(np.array(0.0)) == inf


def test_identical_images_are_perfect():
    image, _ = noisy_images(3, 24, 24)
    found = scores(image, image, np.full((24, 24), True))
    assert (found["mse"] == 0).all()
    assert (found["psnr"] == inf).all()
    np.testing.assert_allclose(found["ssim"], 1)


@pytest.mark.parametrize("shape", [(5, 32, 32), (2, 40, 17)])
def test_ssim_of_a_stack_is_that_of_skimage(shape):
    truth, estimate = noisy_images(*shape)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0, "full": True}
    means, maps = zip(
        *(structural_similarity(a, b, **settings) for a, b in zip(truth, estimate, strict=True)), strict=True
    )
    np.testing.assert_allclose(ssim_map(estimate, truth), maps, atol=1e-6)
    np.testing.assert_allclose(scores(estimate, truth, np.full(shape[1:], True))["ssim"], means, atol=1e-6)


def test_pixels_outside_of_the_region_do_not_count():
    truth, estimate = noisy_images(30, 30)
    region = np.zeros((30, 30), bool)
    region[8:, 3:28] = True
    scrambled = np.where(region, estimate, 100.0)
    assert scores(scrambled, truth, region) == scores(estimate, truth, region)


def test_a_region_too_small_for_a_window_has_no_ssim_and_an_empty_one_nothing():
    truth, estimate = noisy_images(30, 30)
    region = np.zeros((30, 30), bool)
    assert np.isnan(list(scores(estimate, truth, region).values())).all()
    region[4:14, :] = True
    found = scores(estimate, truth, region)
    assert np.isfinite(found["psnr"])
    assert np.isnan(found["ssim"])


def test_regions_scored_together_have_the_scores_that_they_have_alone():
    truth, estimate = noisy_images(30, 40)
    parts = [
        np.full(truth.shape, True),
        np.random.default_rng(1).random(truth.shape) < 0.999,
        np.zeros(truth.shape, bool),
    ]
    together = scores_by_region(Images.of(estimate), Images.of(truth), [Region(part) for part in parts])
    for part, found in zip(parts, together, strict=True):
        np.testing.assert_equal(found, scores(estimate, truth, part))


def test_a_whole_window_holds_no_pixel_outside_of_the_region():
    pixels = np.random.default_rng(2).random((60, 50)) < 0.995
    np.testing.assert_array_equal(Region(pixels).whole_windows, binary_erosion(pixels, np.ones((11, 11))))
