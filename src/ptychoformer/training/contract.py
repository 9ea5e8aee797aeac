"""What training and prediction take for granted of networks and losses, tried on a few random
patterns before anything trains.

A breach is one sentence: what would otherwise fail after an hour, or train, predict and be scored
by broadcasting. The trial leaves no trace: all that it draws and builds is its own.
"""

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ptychoformer.errors import TrainingError
from ptychoformer.models import build, module_of, moved
from ptychoformer.outside import is_outside
from ptychoformer.plugins import loss_source, network_source
from ptychoformer.progress import say
from ptychoformer.provenance import unsigned
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import Loss
from ptychoformer.training.optimiser import Adam
from ptychoformer.training.precision import autocast, set_precision
from ptychoformer.training.trial import (
    SEED,
    Conditions,
    are_same,
    counted,
    drawing_from_torch,
    own_draws,
    seed_draws,
    shape,
    telling,
)

ROUNDING = 1e-6  # of a loss that is summed in another order
LEARNING_RATE = 1e-3


def check_network(model: NetworkEntry, conditions: Conditions) -> None:
    """Try what a training and a prediction ask of a network.

    Raises:
        InputError: the network cannot be built.
        TrainingError: one sentence about the first thing that it cannot do.
    """
    with own_draws(conditions.device):
        _NetworkTrial(model, conditions).run()
    _say_unsigned(
        f"The network '{model.kind}'", model.kind, "an edit there trains nothing again, and no checkpoint refuses it"
    )


def _say_unsigned(name: str, kind: str, consequence: str) -> None:
    """Say which files of users' own a network or loss imports that do not count as its code."""
    if is_outside(kind) and (files := unsigned(kind)):
        say(f"{name} also imports {', '.join(map(str, files))}, which is not signed with it: {consequence}.")


class _NetworkTrial:
    """A network of its own that is tried, and what it is tried on."""

    def __init__(self, model: NetworkEntry, conditions: Conditions):
        self.model, self.conditions, self.name = model, conditions, f"The network '{model.kind}'"
        module_of(model.kind)  # which may draw while it is imported
        seed_draws()
        self.network = self.made(model.initialisation)
        self.patterns = conditions.patterns()

    def made(self, initialisation: str | None) -> nn.Module:
        """Build a network before any training."""
        model = self.model
        network = build(model.kind, self.conditions.window, model.options, initialisation, model.batch_norm)
        if lazy := [
            name
            for name, part in network.state_dict(keep_vars=True).items()
            if isinstance(part, Tensor) and is_lazy(part)
        ]:
            raise TrainingError(
                f"{self.name} leaves the shape of {lazy[0]} to the first pattern; its layers must be given their sizes."
            )
        if (numbers := torch.get_default_dtype()) != torch.float32:
            torch.set_default_dtype(torch.float32)
            raise TrainingError(
                f"{self.name} sets torch's default type of numbers to {numbers}; it must stay float32, which all else"
                " is made of."
            )
        with self._telling("cannot be moved to the device of the training"):
            return moved(network, self.conditions.device)

    def run(self) -> None:
        """Try everything."""
        if not any(parameter.requires_grad for parameter in self.network.parameters()):
            raise TrainingError(f"{self.name} has no parameter that can be trained; expected is one at least.")
        self._check_start()
        set_precision(self.network, self.conditions.precision, self.conditions.device)
        whole, *last = self.conditions.sizes()
        self._step(self._fitted(whole))
        for size in last:
            self._fitted(size)
        # Predictions are in float32, whatever trained.
        set_precision(self.network, "float32", self.conditions.device)
        # Before anything is kept that was made in inference mode, which no training meets.
        self._check_going_on(self._restored(), whole)
        self.network.eval()
        restored = self._restored()
        with torch.inference_mode():
            self._check_predictions(restored)

    def _check_start(self) -> None:
        """Try whether initial weights depend on what torch draws with its seed, and on nothing
        else.
        """
        seed_draws()
        with drawing_from_torch(f"{self.name} when it is built"):
            again = self.made(self.model.initialisation).state_dict()
        if torch.initial_seed() != SEED:
            raise TrainingError(
                f"{self.name} seeds torch's random numbers when it is built, so that runs of all seeds would start from"
                " the same weights; it must leave that to the training."
            )
        for name, part in self.network.state_dict().items():
            if isinstance(part, Tensor) and name in again and not _are_equal(part, again[name]):
                raise TrainingError(
                    f"{self.name} starts from another {name} at every call of 'build', with the same seed; what it"
                    " draws must come from torch's random numbers."
                )

    def _fitted(self, size: int) -> Tensor:
        """Find what the network says of a batch in training."""
        self.network.train()
        how = f"on a batch of {counted(size)} of {shape(self.conditions.window)} pixels in training"
        advice, count, batch_size = "", self.conditions.count, self.conditions.batch_size
        if size == 1:
            which, other = "all there is", "larger batches"
            if count > 1 and batch_size > 1:
                which, other = (
                    f"the last of {count} patterns in batches of {batch_size}",
                    "another number of patterns or batch size",
                )
            advice = f", which is {which}; {other} would do, and so would a norm that does not count over the batch"
        return self._answer(self.patterns[:size], how, advice, precision=self.conditions.precision)

    def _step(self, prediction: Tensor) -> None:
        """Fit a batch; the network is then as it could be after a training."""
        if not prediction.requires_grad:
            raise TrainingError(
                f"{self.name} returns a tensor that no gradient leads back from; it must not be detached."
            )
        optimiser = Adam(self.network.parameters(), LEARNING_RATE)
        with self._telling("cannot be fitted"):
            (prediction.float() - torch.rand_like(prediction.float())).square().mean().backward()
        trained = {name: part for name, part in self.network.named_parameters() if part.requires_grad}
        reached = {name: part.grad for name, part in trained.items() if part.grad is not None}
        if not reached:
            raise TrainingError(
                f"{self.name} has no parameter that a gradient reaches; its output must depend on one at least."
            )
        if wild := [name for name, gradient in reached.items() if not gradient.sum().isfinite()]:
            raise TrainingError(
                f"{self.name} has a gradient of {wild[0]} that is NaN or infinite; expected are finite ones."
            )
        if not any(gradient.any() for gradient in reached.values()):
            raise TrainingError(
                f"{self.name} has a gradient that is zero throughout; its output must depend on its parameters."
            )
        if idle := sorted(set(trained) - set(reached)):
            more = f" and {len(idle) - 3} more" if len(idle) > 3 else ""
            say(
                f"{self.name} has parameters that no gradient reaches in its first step, and that stay as they are if"
                f" none ever does: {', '.join(idle[:3])}{more}."
            )
        with self._telling("has parameters that Adam cannot adjust"):
            optimiser.step()

    def _check_predictions(self, restored: nn.Module) -> None:
        """Try a network as predictions use it, and what its saved weights make of another."""
        one = self.patterns[:1]
        together, alone = (
            self._answer(self.patterns, "in evaluation"),
            self._answer(one, "on a batch of one pattern in evaluation"),
        )
        if not are_same(together[:1], alone):
            if not are_same(self._answer(one, "in evaluation"), alone):
                raise TrainingError(
                    f"{self.name} answers a pattern differently from call to call in evaluation; nothing may be drawn"
                    " there."
                )
            raise TrainingError(
                f"{self.name} answers a pattern differently when others are beside it in its batch in evaluation;"
                " expected is an answer to each alone."
            )
        if not are_same(self._answer(one, "with its saved weights", network=restored), alone):
            raise TrainingError(
                f"{self.name} answers differently once its weights are saved and loaded;"
                f" {_unsaved(self.network) or 'all that it learns or draws must be parameters or buffers'}."
            )

    def _check_going_on(self, restored: nn.Module, size: int) -> None:
        """Try whether a training goes on from saved weights as it would have without a break."""
        answers = []
        for network in (self.network, restored):
            network.train()
            torch.manual_seed(SEED + 1)  # with SEED the next network would draw what the first did
            answers.append(self._answer(self.patterns[:size], "in training", network=network))
        if not are_same(*answers):
            raise TrainingError(
                f"{self.name} answers differently in training once its weights are saved and loaded, so that an"
                " interrupted training would go on as another;"
                f" {_unsaved(self.network) or 'what it counts or keeps must be a buffer'}."
            )

    def _restored(self) -> nn.Module:
        """Build the network again as a checkpoint brings it back."""
        weights = self.network.state_dict()
        if strange := [name for name, part in weights.items() if not isinstance(part, Tensor)]:
            raise TrainingError(
                f"{self.name} keeps {strange[0]} among its weights, which is no tensor; a checkpoint holds nothing"
                " else."
            )
        restored = self.made("torch")
        trained, again = (
            {id(part) for part in net.parameters() if part.requires_grad} for net in (self.network, restored)
        )
        if trained & again:
            raise TrainingError(
                f"{self.name} is the same at every call of 'build', which must make a new one; runs would share its"
                " weights."
            )
        set_precision(restored, "float32", self.conditions.device)
        with self._telling("cannot load its own weights, all of which its constructor must make, with their shapes"):
            restored.load_state_dict(weights)
        return restored.eval()

    def _answer(
        self, patterns: Tensor, how: str, advice: str = "", precision: str = "float32", network: nn.Module | None = None
    ) -> Tensor:
        """Find what a network says of patterns, and check it."""
        given = patterns.clone()
        with (
            drawing_from_torch(self.name),
            self._telling(f"fails {how}{advice}"),
            autocast(precision, self.conditions.device),
        ):
            output = (self.network if network is None else network)(given)
        if not isinstance(output, Tensor):
            raise TrainingError(f"{self.name} returns {type(output).__name__} {how}; expected is a tensor.")
        expected = (len(patterns), 2, *self.conditions.window)
        if tuple(output.shape) != expected:
            found, wanted = shape(output.shape), shape(expected)
            raise TrainingError(
                f"{self.name} returns a tensor of {found} {how}; expected is (batch, amplitude and phase, h, w),"
                f" {wanted}."
            )
        if not output.is_floating_point():
            raise TrainingError(f"{self.name} returns {output.dtype} {how}; expected are real floating-point numbers.")
        if output.device != patterns.device:
            raise TrainingError(
                f"{self.name} returns a tensor on {output.device} {how}; expected is one on {patterns.device}, as its"
                " input."
            )
        if not output.isfinite().all():
            raise TrainingError(f"{self.name} returns NaN or infinity {how}; expected are finite numbers.")
        if not torch.equal(given, patterns):
            raise TrainingError(f"{self.name} changes its input {how}; it must work on a copy.")
        return output

    def _telling(self, what: str) -> AbstractContextManager:
        return telling(f"{self.name} {what}", network_source(self.model.kind))


def _unsaved(network: nn.Module) -> str:
    """Name the first attribute of a network's modules that holds layers or tensors which torch does
    not know of, and say what they must be; empty if there is none.
    """
    torchs = vars(nn.Module())
    known = {id(part) for part in (*network.modules(), *network.parameters(), *network.buffers())}
    for module in network.modules():
        # Norms of weights keep what they make of their parameters, such as weight of weight_orig.
        made = {name.rpartition("_")[0] for name, _ in module.named_parameters(recurse=False)}
        own = {name: value for name, value in vars(module).items() if name not in torchs and name not in made}
        for name, value in own.items():
            parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
            unknown = [part for part in parts if id(part) not in known]
            if any(isinstance(part, nn.Module) for part in unknown):
                container = "nn.ModuleDict" if isinstance(value, dict) else "nn.ModuleList"
                return f"'{name}' holds layers that nothing trains or saves; they must be in an {container}"
            if any(isinstance(part, Tensor) for part in unknown):
                return (
                    f"'{name}' holds what nothing trains or saves; it must be an nn.Parameter if it is to be trained,"
                    " and else a buffer (register_buffer)"
                )
    return ""


def _are_equal(one: Tensor, other: object) -> bool:
    """Say whether two parts of networks are equal, NaN for NaN."""
    return isinstance(other, Tensor) and torch.equal(one.nan_to_num(), other.nan_to_num())


def check_loss(entry: LossEntry, loss: Loss, forward: Forward, conditions: Conditions) -> None:
    """Try what a training asks of a loss.

    Args:
        entry: of the catalogue.
        loss: made of it.
        forward: from labels to their patterns.

    Raises:
        TrainingError: one sentence about the first thing that is wrong.
    """
    with own_draws(conditions.device):
        _LossTrial(entry, loss, forward, conditions).run()
    _say_unsigned(f"The loss '{entry.kind}'", entry.kind, "an edit there trains nothing again")


class _LossTrial:
    """A loss that is tried, and predictions, labels and patterns that it is tried on."""

    def __init__(self, entry: LossEntry, loss: Loss, forward: Forward, conditions: Conditions):
        self.loss, self.name, self.source = loss, f"The loss '{entry.kind}'", loss_source(entry.kind)
        self.labels = conditions.images(2)
        # Half right, so that it matters which label is whose.
        self.prediction = 0.5 * self.labels + 0.5 * conditions.images(2)
        self.patterns = forward.log_intensity(self.labels)

    def run(self) -> None:
        """Try everything."""
        self._check_gradient()
        self._check_batches()
        self._check_sign()

    def _check_gradient(self) -> None:
        """Check that a loss leads back to the predictions that it is of."""
        prediction = self.prediction.clone().requires_grad_()
        value = self._value(prediction, self.labels, self.patterns)
        if not value.requires_grad:
            raise TrainingError(
                f"{self.name} is a number that no gradient leads back from; it must not be detached from the"
                " prediction."
            )
        with telling(f"{self.name} cannot be differentiated", self.source):
            (gradient,) = torch.autograd.grad(value, prediction, allow_unused=True)
        if gradient is None or not gradient.any():
            raise TrainingError(
                f"{self.name} does not depend on the prediction; expected is one that falls as it nears the labels."
            )
        if not gradient.isfinite().all():
            raise TrainingError(f"{self.name} has a gradient that is NaN or infinite; expected is a finite one.")
        for channel, part in zip(("amplitude", "phase"), gradient.unbind(1), strict=True):
            if not part.any():
                say(f"{self.name} does not depend on the predicted {channel}, which stays untrained.")

    def _check_batches(self) -> None:
        """Check that a loss compares predictions with their own labels, and averages over the
        batch.
        """
        images = (self.prediction, self.labels, self.patterns)
        one = self._value(*images)
        other = self._value(self.prediction, self.labels.roll(1, 0), self.patterns.roll(1, 0))
        if torch.isclose(one, other, rtol=ROUNDING, atol=0):
            raise TrainingError(
                f"{self.name} is the same whichever label belongs to which prediction; expected is one that compares"
                " each with its own, and shapes that are not broadcast over the batch."
            )
        twice = self._value(*(part.repeat(2, 1, 1, 1) for part in images))
        if not are_same(one, twice):
            raise TrainingError(
                f"{self.name} of a batch in which every pattern comes twice is {twice.item():.6g}, and"
                f" {one.item():.6g} of that in which it comes once; expected is a mean over the batch."
            )
        self._value(*(part[:1] for part in images))

    def _check_sign(self) -> None:
        """Check that a loss is lower for predictions that are nearly their labels than for the same
        ones in turn, each of which is nearly another's label: a term of the prediction alone is
        equal in both. And that it is not lower still where their axes or channels are exchanged.
        """
        # Not the labels themselves, of which the logarithm of an error is infinite.
        nearly = 0.99 * self.labels + 0.01 * self.labels.roll(1, 0)
        own, others = (self._value(part, self.labels, self.patterns) for part in (nearly, nearly.roll(1, 0)))
        if own >= others:
            raise TrainingError(
                f"{self.name} is {own.item():.6g} of predictions that are nearly their labels, and"
                f" {others.item():.6g} of some that are nearly those of other patterns; expected is one that falls as a"
                " prediction nears its labels: its sign may be wrong, or it exchanges axes or channels."
            )
        exchanged = {
            "with x and y exchanged": nearly.transpose(2, 3),
            "upside down": nearly.flip(2),
            "mirrored": nearly.flip(3),
            "with amplitude and phase exchanged": nearly.flip(1),
        }
        values = {
            what: self._value(part, self.labels, self.patterns)
            for what, part in exchanged.items()
            if part.shape == self.labels.shape
        }
        least = min(values, key=values.__getitem__)
        if own - values[least] > 1e-3 * own.abs():  # more than rounding, as of a spectrum, which is that of both
            raise TrainingError(
                f"{self.name} is {own.item():.6g} of predictions that are nearly their labels, and"
                f" {values[least].item():.6g} of the same {least}; expected is one that falls as a prediction nears its"
                " labels."
            )

    def _value(self, *images: Tensor) -> Tensor:
        """Compute the loss of prediction, labels and patterns, and check it."""
        batch, given = f"a batch of {counted(len(images[0]))}", [part.clone() for part in images]
        with drawing_from_torch(self.name), telling(f"{self.name} fails on {batch}", self.source):
            value = self.loss(*given)
        name = f"{self.name} of {batch}"
        if not isinstance(value, Tensor):
            raise TrainingError(f"{name} is {type(value).__name__}; expected is a tensor that holds one number.")
        if value.shape != ():
            raise TrainingError(f"{name} is a tensor of {shape(value.shape)}; expected is one number, a mean.")
        if not value.is_floating_point():
            raise TrainingError(f"{name} is {value.dtype}; expected is a real floating-point number.")
        if not value.isfinite():
            raise TrainingError(f"{name} is {value.item()}; expected is a finite number.")
        if not all(map(torch.equal, given, images)):
            raise TrainingError(f"{self.name} changes what it is given; it must work on a copy.")
        return value
