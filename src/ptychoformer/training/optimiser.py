"""Adam and its schedule, without the compiler that ``torch.optim`` brings along.

``torch.optim.Adam`` imports ``torch._dynamo`` at its first step, two seconds of every training job.
The update itself is the library's own function; here is only what it keeps from one step to the
next, and the rule that lowers the learning rate.
"""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.adam import adam

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
MIN_IMPROVEMENT = 1e-4


class Adam:
    """Adam (Kingma & Ba 2015, Algorithm 1) with the authors' constants, as ``torch.optim.Adam``.

    Args:
        parameters: to be updated in place; those without a gradient are left alone.
        learning_rate: of the next step.
    """

    def __init__(self, parameters: Iterable[Parameter], learning_rate: float):
        self._parameters = list(parameters)
        on_cuda = any(parameter.device.type == "cuda" for parameter in self._parameters)
        # A captured step reads the rate from the device, so that it can fall between replays.
        self._rate = torch.tensor(learning_rate, device=self._parameters[0].device) if on_cuda else learning_rate
        self.learning_rate = learning_rate
        self._first, self._second = (
            [torch.zeros_like(_real(parameter.detach())) for parameter in self._parameters] for _ in range(2)
        )
        self._steps = [torch.zeros((), dtype=torch.float32, device=parameter.device) for parameter in self._parameters]

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._learning_rate = rate
        if isinstance(self._rate, Tensor):
            self._rate.fill_(rate)
        else:
            self._rate = rate

    def zero_grad(self) -> None:
        """Drop the gradients of the batch before."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        state = zip(self._parameters, self._first, self._second, self._steps, strict=True)
        moved = [parts for parts in state if parts[0].grad is not None]
        parameters, first, second, steps = (list(column) for column in zip(*moved, strict=True))
        adam(
            [_real(parameter) for parameter in parameters],
            [_real(parameter.grad) for parameter in parameters],
            first,
            second,
            [],
            steps,
            # With small batches on a CPU the plain update took a tenth of all time.
            fused=True,
            foreach=False,
            amsgrad=False,
            beta1=BETA_1,
            beta2=BETA_2,
            lr=self._rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on, but the parameters."""
        return {"learning_rate": self.learning_rate, "first": self._first, "second": self._second, "steps": self._steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        self.learning_rate = state["learning_rate"]
        for name, own in (("first", self._first), ("second", self._second), ("steps", self._steps)):
            for target, source in zip(own, state[name], strict=True):
                target.copy_(source)


def _real(numbers: Tensor) -> Tensor:
    """View complex numbers as pairs of real ones, each of which Adam adjusts: in the same memory,
    unless they wait to be conjugated, as a gradient may. Real ones stay as they are.
    """
    return torch.view_as_real(numbers.resolve_conj()) if numbers.is_complex() else numbers


class Plateau:
    """Keras's ReduceLROnPlateau, which the paper names: the rate falls at the ``patience``-th epoch
    in a row that does not improve by more than 1e-4, absolutely. (torch's counts one epoch more,
    and improvements relatively.)

    Args:
        optimiser: whose rate falls.
        factor: the rate is multiplied with it.
        patience: in epochs.
        floor: the rate never falls below it.
    """

    def __init__(self, optimiser: Adam, *, factor: float, patience: int, floor: float):
        self._optimiser, self._factor, self._patience, self._floor = optimiser, factor, patience, floor
        self._best, self._waited = inf, 0

    def step(self, loss: float) -> None:
        """Take note of an epoch's loss."""
        if loss < self._best - MIN_IMPROVEMENT:
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited >= self._patience and self._optimiser.learning_rate > self._floor:
            self._waited = 0
            self._optimiser.learning_rate = max(self._optimiser.learning_rate * self._factor, self._floor)

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        return {"best": self._best, "waited": self._waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        self._best, self._waited = state["best"], state["waited"]
