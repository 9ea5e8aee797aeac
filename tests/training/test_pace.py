"""Batch size and epochs by the number of patterns."""

import pytest

from ptychoformer.training.pace import STEPS, batches, pace


@pytest.mark.parametrize("patterns", [2782, 2900, 3100, 50_000])
def test_the_papers_patterns_and_more_get_its_batches_and_epochs(patterns):
    assert pace(patterns) == (32, 25)


def test_three_hundred_patterns_get_those_of_the_laptop_scale():
    assert pace(298) == (4, 29)  # its config says 30


@pytest.mark.parametrize("patterns", [1, 2, 3, 4, 10, 50, 99, 298, 700, 1500, 2000, 10_000])
def test_every_number_of_patterns_gets_as_many_steps_as_the_papers(patterns):
    batch_size, epochs = pace(patterns)
    assert 4 <= batch_size <= 32
    assert epochs >= 25
    assert epochs * batches(patterns, batch_size) >= STEPS
    assert (epochs - 1) * batches(patterns, batch_size) < STEPS or epochs == 25


def test_what_is_given_is_kept_and_the_rest_fits_it():
    assert pace(298, batch_size=32) == (32, 218)
    assert pace(298, epochs=3) == (4, 3)
    assert pace(298, 7, 9) == (7, 9)
