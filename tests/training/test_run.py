"""An epoch: every pattern once in an order of its own, and a validation part that is only watched."""

import copy

import pytest
import torch
from torch import nn

from ptychoformer.training.examples import Examples
from ptychoformer.training.losses.mse import mean_squared_error
from ptychoformer.training.options import TrainingOptions
from ptychoformer.training.run import Training, run_epoch

STILL = dict(epochs=3, learning_rate=1e-30, min_learning_rate=0.0)


def examples(count, label=None):
    random = torch.Generator().manual_seed(count)
    inputs, labels = (torch.rand(count, channels, 8, 8, generator=random) for channels in (1, 2))
    return Examples(inputs, inputs, labels if label is None else torch.full_like(labels, label))


def training(network, seed=0, fitted=None, watched=None, **options):
    """A training of a network whose initial weights are the same every time."""
    torch.manual_seed(3)
    options = TrainingOptions(**STILL | options)
    return Training(network(), mean_squared_error, options, seed, fitted or examples(20), watched or examples(11))


def layer():
    return nn.Conv2d(1, 2, 1)


def forgetful():
    return nn.Sequential(nn.Dropout(0.5), layer())


def losses_of_batches(run):
    assert run_epoch([run]) == [None]
    return run.losses()[0].clone()


def test_an_epoch_shows_every_pattern_once_in_an_order_of_its_seed_and_its_own():
    first, same, other = (training(layer, seed, batch_size=1) for seed in (1, 1, 2))
    found, again, others = ([losses_of_batches(run) for _ in range(2)] for run in (first, same, other))
    for orders in zip(found, again, strict=True):
        assert torch.equal(*orders)
    seen = [found[0], found[1], others[0]]
    for place, losses in enumerate(seen):
        torch.testing.assert_close(losses.sort().values, seen[0].sort().values)
        assert all(not torch.allclose(losses, before) for before in seen[:place])


def test_an_epoch_draws_its_own_dropout():
    one = examples(20).part(torch.zeros(20, dtype=torch.long))  # whose order makes no difference
    first, other = (training(forgetful, seed, fitted=one, batch_size=20) for seed in (1, 2))
    seen = [*(losses_of_batches(first) for _ in range(2)), losses_of_batches(other)]
    assert len({loss.item() for loss in seen}) == 3


@pytest.mark.parametrize("batch_size", [4, 11, 32])
def test_the_validation_loss_is_that_of_all_its_patterns_without_dropout(batch_size):
    watched = examples(11)
    run = training(forgetful, watched=watched, batch_size=batch_size)
    run_epoch([run])
    with torch.no_grad():
        expected = mean_squared_error(run.model.eval()(watched.inputs), watched.labels, watched.patterns)
    assert run.history[0]["validation_loss"] == pytest.approx(expected.item(), rel=1e-6)


def test_the_rate_falls_with_a_validation_loss_that_rises_while_the_training_loss_falls():
    options = dict(learning_rate=1e-2, batch_size=20, patience=1, factor=0.5)
    run = training(layer, fitted=examples(20, 1.0), watched=examples(11, -9.0), **options)
    for _ in range(3):
        run_epoch([run])
    fitted, watched, rates = (
        [row[name] for row in run.history] for name in ("train_loss", "validation_loss", "learning_rate")
    )
    assert fitted == sorted(fitted, reverse=True)
    assert watched == sorted(watched)
    assert rates == [1e-2, 1e-2, 5e-3]


def test_a_restored_run_keeps_waiting_for_the_rate_to_fall_and_has_its_best_weights():
    """The first epoch is the best, the rate falls after three more: of which one was before it was broken off."""
    options = dict(learning_rate=1e-2, batch_size=8, patience=3, factor=0.5, weights="best")
    whole, first, second = (
        training(forgetful, fitted=examples(20, 1.0), watched=examples(11, -9.0), **options) for _ in range(3)
    )
    for run, epochs in ((whole, 6), (first, 2)):
        for _ in range(epochs):
            run_epoch([run])
    second.restore(copy.deepcopy(first.state()))
    for _ in range(4):
        run_epoch([second])
    for run in (whole, second):
        assert [row["learning_rate"] for row in run.history] == [1e-2] * 4 + [5e-3] * 2
    for name in ("train_loss", "validation_loss"):
        assert [row[name] for row in second.history] == [row[name] for row in whole.history]
    for name, weights in whole.final_weights().items():
        assert torch.equal(second.final_weights()[name], weights), name
