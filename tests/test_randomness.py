"""One stream for every (seed, purpose), each its own."""

from itertools import pairwise, product

import numpy as np
import pytest

from ptychoformer.randomness import generator, integer_seed, seed_sequence

PURPOSES = [("noise",), ("jitter",), ("weights",), ("epoch", 0), ("epoch", 1), ("epoch", 1, "flip")]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_same_seed_and_purpose_give_the_same_numbers(purpose):
    np.testing.assert_array_equal(generator(3, *purpose).random(10), generator(3, *purpose).random(10))


def test_other_seeds_and_purposes_give_independent_numbers():
    draws = np.array([generator(seed, *purpose).normal(size=4000) for seed, purpose in product(range(3), PURPOSES)])
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)


def test_a_purpose_is_not_the_sum_of_its_parts():
    states = {tuple(seed_sequence(seed, *purpose).generate_state(4)) for seed, purpose in product(range(50), PURPOSES)}
    assert len(states) == 50 * len(PURPOSES)


def test_integer_seeds_fit_other_libraries_and_differ():
    seeds = sorted(integer_seed(seed, "weights") for seed in range(200))
    assert seeds[0] >= 0
    assert seeds[-1] < 2**63
    assert all(a < b for a, b in pairwise(seeds))
