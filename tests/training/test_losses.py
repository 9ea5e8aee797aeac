"""Losses against their formulas."""

import torch

from ptychoformer.training.losses import LOSSES


def test_mse_is_the_squared_error_of_amplitude_plus_that_of_phase():
    torch.manual_seed(0)
    prediction, labels = torch.rand(2, 3, 2, 4, 5)
    error = (prediction - labels).square()
    torch.testing.assert_close(LOSSES["mse"](prediction, labels), error[:, 0].mean() + error[:, 1].mean())
