import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from ptychoformer.training.optimiser import Adam, Plateau


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4), nn.Linear(4, 4))


def gradients(model, step):
    model[:3](torch.randn(5, 8, generator=torch.Generator().manual_seed(step))).square().mean().backward()


def test_steps_are_those_of_the_library_to_the_last_bit():
    ours, theirs = network(), network()
    optimiser, reference = Adam(ours.parameters(), 1e-3), torch.optim.Adam(theirs.parameters(), lr=1e-3, fused=True)
    for step in range(30):
        if step == 20:
            optimiser.learning_rate = reference.param_groups[0]["lr"] = 2e-4
        optimiser.zero_grad()
        reference.zero_grad()
        gradients(ours, step), gradients(theirs, step)
        optimiser.step(), reference.step()
    for name, weights in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], weights), name
    assert torch.equal(ours[3].weight, network()[3].weight)  # never had a gradient
    assert not torch.equal(ours[0].weight, network()[0].weight)


def complex_network():
    torch.manual_seed(0)
    return nn.Conv2d(2, 3, 3, dtype=torch.complex64).to(memory_format=torch.channels_last)


def test_complex_parameters_are_adjusted_as_the_library_does():
    ours, theirs = complex_network(), complex_network()
    optimiser, reference = Adam(ours.parameters(), 1e-3), torch.optim.Adam(theirs.parameters(), lr=1e-3, foreach=False)
    for step in range(10):
        images = torch.randn(4, 2, 8, 8, dtype=torch.complex64, generator=torch.Generator().manual_seed(step))
        for model, adam in ((ours, optimiser), (theirs, reference)):
            adam.zero_grad()
            model(images).abs().square().mean().backward()
            if adam is optimiser:
                model.bias.grad = model.bias.grad.conj().resolve_conj().conj()  # waits to be conjugated
            adam.step()
    for one, other, start in zip(ours.parameters(), theirs.parameters(), complex_network().parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
        assert (one != start).all()


def test_a_restored_state_goes_on_as_if_nothing_had_happened():
    unbroken, broken = network(), network()
    straight, first = Adam(unbroken.parameters(), 1e-3), Adam(broken.parameters(), 1e-3)
    for step in range(6):
        if step == 3:
            second = Adam(broken.parameters(), 1.0)
            second.restore(first.state())
            first = second
        for optimiser, model in ((straight, unbroken), (first, broken)):
            optimiser.zero_grad()
            gradients(model, step)
            optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(unbroken.parameters(), broken.parameters(), strict=True))


def rates_of_the_callback(losses, patience, rate, floor):
    """Learning rate after each epoch, by the documented steps of Keras's ReduceLROnPlateau."""
    best, wait, rates = np.inf, 0, []
    for loss in losses:
        if loss < best - 1e-4:
            best, wait = loss, 0
        else:
            wait += 1
            if wait >= patience and rate > floor:
                rate, wait = max(rate * 0.5, floor), 0
        rates.append(rate)
    return rates


def rates_of_torch(losses, patience, rate, floor):
    optimiser = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=rate)
    options = dict(factor=0.5, patience=max(patience - 1, 0), min_lr=floor, threshold=1e-4, threshold_mode="abs")
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, **options)
    rates = []
    for loss in losses:
        schedule.step(loss)
        rates.append(optimiser.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("reference", [rates_of_the_callback, rates_of_torch])
@pytest.mark.parametrize("patience", [0, 1, 2, 3])
@pytest.mark.parametrize("floor", [1e-4, 1e-2])
def test_the_rate_falls_when_the_papers_callback_would_lower_it(patience, floor, reference):
    losses = 0.05 + np.cumsum(np.random.default_rng(patience).normal(-2e-5, 3e-4, 60))
    optimiser = Adam([nn.Parameter(torch.zeros(1))], 1e-3)
    schedule = Plateau(optimiser, factor=0.5, patience=patience, floor=floor)
    rates = []
    for loss in losses:
        schedule.step(loss)
        rates.append(optimiser.learning_rate)
    assert rates == pytest.approx(reference(losses, patience, 1e-3, floor))
    assert (rates[-1] < 1e-3) == (floor < 1e-3)


def test_training_does_not_wait_for_a_compiler_that_it_never_uses():
    code = (
        "import sys, torch; from ptychoformer.training.optimiser import Adam; import ptychoformer.training.fit\n"
        "weight = torch.nn.Parameter(torch.ones(2)); optimiser = Adam([weight], 1e-3); weight.sum().backward(); optimiser.step()\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
