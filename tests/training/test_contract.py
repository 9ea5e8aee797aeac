"""What a network or a loss must not do is one sentence before anything trains; what it may do is let through."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from ptychoformer.errors import InputError, TrainingError
from ptychoformer.plugins import loss_kinds, loss_options, network_kinds
from ptychoformer.training.contract import check_loss, check_network
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import make_loss
from ptychoformer.training.losses.parts.similarity import ssim
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.trial import Conditions

CONDITIONS = Conditions((16, 16), 8.0, 20, 8, "mixed", torch.device("cpu"))
FORWARD = Forward(torch.full((16, 16), 5.0, dtype=torch.complex64), 0.9, 0.8, Normalisation(0.5, 1.0, -0.7, 0.4), 8.0)
HEAD = """
import math, random
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 3, padding=1)
        self.extra()

    def extra(self): ...

    def forward(self, x):
        return self.layer(x)

def build(window):
    return Net()
"""
NET = HEAD.count("\n") + 1  # the line that a network's own part begins on


@pytest.fixture
def tried(tmp_path):
    """Try a network that is ``Net`` with other methods; by their source."""

    def attempt(methods, conditions=CONDITIONS, name="net.py", build="", **entry):
        source = HEAD + "class Own(Net):\n" + "".join(f"    {line}\n" for line in (methods or "...").splitlines())
        source += build or "def build(window):\n    return Own()\n"
        (tmp_path / name).write_text(source)
        check_network(NetworkEntry(str(tmp_path / name), **{"options": {}} | entry), conditions)

    return attempt


def forward(*lines):
    return "def forward(self, x):\n" + "\n".join(f"    {line}" for line in lines)


def extra(*lines):
    return "def extra(self):\n" + "\n".join(f"    {line}" for line in lines) + "\n"


BREACHES = {
    "one number a channel": (
        forward("return self.layer(x).mean((2, 3), keepdim=True)"),
        r"returns a tensor of 2 x 2 x 1 x 1 on a batch of 2 patterns of 16 x 16 pixels in training; expected is \(batch, amplitude and phase, "
        r"h, w\), 2 x 2 x 16 x 16",
    ),
    "one channel": (forward("return self.layer(x)[:, :1]"), r"returns a tensor of 2 x 1 x 16 x 16"),
    "three channels": (forward("return torch.cat([self.layer(x), x], 1)"), r"returns a tensor of 2 x 3 x 16 x 16"),
    "half of the window": (forward("return self.layer(x)[..., ::2, ::2]"), r"returns a tensor of 2 x 2 x 8 x 8"),
    "no batch": (forward("return self.layer(x)[0]"), r"returns a tensor of 2 x 16 x 16"),
    "a pair": (
        forward("return self.layer(x).unbind(1)"),
        "returns tuple on a batch of 2 patterns .*; expected is a tensor",
    ),
    "complex": (
        forward("return self.layer(x).to(torch.complex64)"),
        "returns torch.complex64 .*; expected are real floating-point numbers",
    ),
    "integers": (forward("return self.layer(x).long()"), "returns torch.int64 .*; expected are real"),
    "NaN": (forward("return self.layer(x).log() + math.nan"), "returns NaN or infinity"),
    "infinite in training": (
        forward("return self.layer(x) / (0 if self.training else 1)"),
        "returns NaN or infinity .* in training",
    ),
    "infinite in evaluation": (
        forward("return self.layer(x) / (1 if self.training else 0)"),
        "returns NaN or infinity in evaluation",
    ),
    "shape of evaluation": (
        forward("return self.layer(x) if self.training else self.layer(x)[:, :1]"),
        "2 x 1 x 16 x 16 in evaluation",
    ),
    "an error": (
        forward("y = x", "return self.layers(y)"),
        rf"fails on .*: AttributeError: .* \(net\.py, line {NET + 3}\)\.$",
    ),
    "another size": (
        extra("self.line = nn.Linear(64, 2)") + forward("return self.line(x.flatten(1))"),
        "RuntimeError: mat1 and mat2",
    ),
    "its input": (forward("x -= x.mean()", "return self.layer(x)"), "changes its input .*; it must work on a copy"),
    "its input in evaluation": (
        forward("return self.layer(x if self.training else x.mul_(2))"),
        "changes its input in evaluation",
    ),
    "no parameters": (extra("self.layer.requires_grad_(False)"), "has no parameter that can be trained"),
    "detached": (forward("return self.layer(x).detach()"), "returns a tensor that no gradient leads back from"),
    "detached weights": (
        forward("return x.clone().requires_grad_().expand(-1, 2, -1, -1)"),
        "has no parameter that a gradient reaches",
    ),
    "a wild gradient": (
        forward("return (0 * self.layer(x)).abs().sqrt()"),
        "has a gradient of layer.weight that is NaN or infinite",
    ),
    "sizes to come": (
        extra("self.layer = nn.LazyConv2d(2, 3, padding=1)"),
        "leaves the shape of layer.weight to the first pattern",
    ),
    "a count that is no buffer": (
        extra("self.steps = 0")
        + forward("self.steps += self.training", "return self.layer(x) * (1 if not self.training else self.steps)"),
        "would go on as another; what it counts or keeps must be a buffer.",
    ),
    "a count beside what a norm of weights keeps": (
        extra("self.layer, self.steps = nn.utils.spectral_norm(self.layer), 0")
        + forward("self.steps += self.training", "return self.layer(x) * (1 if not self.training else self.steps)"),
        "would go on as another; what it counts or keeps must be a buffer.",
    ),
    "layers in a dictionary": (
        extra("self.more = {'a': nn.Conv2d(2, 2, 1)}") + forward("return self.more['a'](self.layer(x))"),
        "'more' holds layers that nothing trains or saves; they must be in an nn.ModuleDict",
    ),
    "dropout that stays": (
        forward("return F.dropout(self.layer(x), 0.2)"),
        "answers a pattern differently from call to call in evaluation",
    ),
    "noise": (forward("return self.layer(x) + torch.rand(1)"), "answers a pattern differently from call to call"),
    "statistics of the batch": (
        extra("self.norm = nn.BatchNorm2d(2, track_running_stats=False)") + forward("return self.norm(self.layer(x))"),
        "answers a pattern differently when others are beside it",
    ),
    "attention over the batch": (
        forward("return self.layer(x).softmax(0)"),
        "answers a pattern differently when others are beside it",
    ),
    "NumPy's numbers in training": (
        forward("return self.layer(x) * (np.random.rand() if self.training else 1)"),
        "draws from NumPy's random numbers, which a training does not seed; it must draw from torch's",
    ),
    "Python's numbers in training": (
        forward("return self.layer(x) * (random.random() if self.training else 1)"),
        "draws from Python's random numbers",
    ),
    "NumPy's numbers at first": (
        extra("self.layer.weight.data *= np.random.rand()"),
        "when it is built draws from NumPy's random numbers",
    ),
    "NumPy's numbers of one seed": (
        extra("np.random.seed(42)", "self.layer.weight.data *= np.random.rand()"),
        "when it is built draws from NumPy's random numbers",
    ),
    "Python's numbers at first": (
        extra("nn.init.constant_(self.layer.weight, random.random())"),
        "when it is built draws from Python's random numbers",
    ),
    "a generator that nobody seeds": (
        extra("nn.init.constant_(self.layer.weight, np.random.default_rng().random())"),
        "starts from another layer.weight at every call of 'build', with the same seed",
    ),
    "a seed of its own": (
        extra("torch.manual_seed(42)", "self.layer.reset_parameters()"),
        "seeds torch's random numbers when it is built, so that runs of all seeds would start from the same weights",
    ),
    "a seed that nobody knows": (extra("torch.seed()"), "seeds torch's random numbers when it is built"),
    "features that are no buffer": (
        extra("self.phases = torch.randn(1, 1, 16, 16)") + forward("return self.layer(x * self.phases)"),
        "would go on as another; 'phases' holds what nothing trains or saves; it must be an nn.Parameter if it is",
    ),
    "features that are no buffer, in evaluation": (
        extra("self.phases = torch.randn(1, 1, 16, 16)")
        + forward("return self.layer(x if self.training else x * self.phases)"),
        "answers differently once its weights are saved and loaded; 'phases' holds what",
    ),
    "layers in a list": (
        extra("self.more = [nn.Conv2d(2, 2, 1)]") + forward("return self.more[0](self.layer(x))"),
        "would go on as another; 'more' holds layers that nothing trains or saves; they must be in an nn.ModuleList",
    ),
    "statistics that are no buffer": (
        extra("self.mean = 0")
        + forward("if self.training:", "    self.mean = x.mean().item()", "return self.layer(x - self.mean)"),
        "answers differently once its weights are saved",
    ),
    "a state of its own": (
        "def get_extra_state(self):\n    return {'a': 1}\ndef set_extra_state(self, state): ...",
        "keeps _extra_state among its weights, which is no tensor",
    ),
    "weights that do not load": (
        "count = 0\n" + extra("Own.count += 1", "setattr(self, f'line{Own.count}', nn.Linear(1, 1))"),
        "cannot load its own weights, all of which its constructor must make, with their shapes: RuntimeError: .* Missing"
        r" key\(s\) in state_dict: .line\d.weight",
    ),
    "weights that are made when they are used": (
        forward("if not hasattr(self, 'late'): self.late = nn.Conv2d(2, 2, 1)", "return self.late(self.layer(x))"),
        "cannot load its own weights, .*: RuntimeError: .* Unexpected key.* in state_dict: .late.weight",
    ),
    "weights that do not matter": (forward("return 0 * self.layer(x) + 0.5"), "has a gradient that is zero throughout"),
    "an end of the process": (forward("raise SystemExit(3)"), r"fails on .* in training: SystemExit: 3 \(net\.py"),
    "double throughout": (
        extra("torch.set_default_dtype(torch.float64)"),
        "sets torch's default type of numbers to torch.float64; it must stay float32",
    ),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_network_that_training_or_prediction_cannot_use_is_one_sentence(tried, breach):
    methods, words = BREACHES[breach]
    with pytest.raises(TrainingError, match=words) as caught:
        tried(methods)
    assert str(caught.value).startswith("The network '")
    assert "net.py' " in str(caught.value)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("scaled", ["x / x.max()", "x - x.min()", "(x - x.min()) / (x.max() - x.min())"])
def test_a_scale_of_the_whole_batch_is_found_on_patterns_of_many_pixels_too(tried, scaled):
    with pytest.raises(TrainingError, match="answers a pattern differently when others are beside it"):
        tried(forward(f"return self.layer({scaled})"), replace(CONDITIONS, window=(64, 64)))


def test_one_network_for_all_runs_is_one_sentence(tried):
    with pytest.raises(TrainingError, match="is the same at every call of 'build', which must make a new one"):
        tried("", build="NET = Own()\ndef build(window):\n    return NET\n")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (
            "def build(window):\n    return 3\n",
            "'build' of the network '.*' returns int; expected is a torch.nn.Module",
        ),
        ("def build(window):\n    return Own\n", "returns type; expected"),
        ("def build(window):\n    return Own(4)\n", rf"cannot be built: TypeError: .* \(net\.py, line {NET + 3}\)\.$"),
        (
            "def build(window):\n    raise SystemExit(3)\n",
            r"cannot be built: SystemExit: 3 \(net\.py, line \d+\)\.$",
        ),
        ("def build():\n    return Own()\n", "cannot be built: TypeError: build"),
    ],
)
def test_a_network_that_cannot_be_built_is_one_sentence(tried, build, words):
    with pytest.raises(InputError, match=words):
        tried("", build=build)


NORM = extra("self.norm = nn.BatchNorm2d(2)") + forward(
    "return self.norm(self.layer(x).mean((2, 3), keepdim=True)) + self.layer(x)"
)


def test_a_norm_over_a_last_batch_of_one_pattern_says_what_would_help(tried):
    with pytest.raises(TrainingError) as caught:
        tried(NORM, replace(CONDITIONS, count=17))
    text = str(caught.value)
    assert (
        "fails on a batch of one pattern of 16 x 16 pixels in training, which is the last of 17 patterns in batches of 8"
        in text
    )
    assert (
        "another number of patterns or batch size would do, and so would a norm that does not count over the batch"
        in text
    )
    assert "ValueError: Expected more than 1 value per channel when training" in text
    for conditions in (replace(CONDITIONS, batch_size=1), replace(CONDITIONS, count=1)):
        with pytest.raises(TrainingError, match="larger batches would do"):
            tried(NORM, conditions)


@pytest.mark.parametrize("count", [16, 18])
def test_a_norm_over_batches_is_let_through_where_none_is_of_one_pattern(tried, count):
    tried(NORM, replace(CONDITIONS, count=count))


ALLOWED = {
    "plain": "",
    "starts from nothing": extra("nn.init.zeros_(self.layer.weight)", "nn.init.zeros_(self.layer.bias)"),
    "a scale of each pattern": forward("return self.layer(x / x.amax((1, 2, 3), keepdim=True))"),
    "features of one seed": extra(
        "self.register_buffer('phases', torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(42)))",
        "with torch.random.fork_rng([]):",
        "    torch.manual_seed(42)",
        "    self.register_buffer('others', torch.rand(1, 16, 16))",
    )
    + forward("return self.layer(x * self.phases * self.others)"),
    "complex weights": extra("self.w = nn.Parameter(torch.ones(1, dtype=torch.complex64))")
    + forward("return self.layer(x) * (self.w * 1j).abs()"),
    "complex weights that are conjugated": extra("self.w = nn.Parameter(torch.ones(16, 16, dtype=torch.complex64))")
    + forward("return self.layer((torch.fft.fft2(x) * self.w.conj()).abs())"),
    "a grid made at the first call": extra("self.grid = None")
    + forward(
        "self.grid = torch.linspace(0, 1, 16) if self.grid is None else self.grid", "return self.layer(x * self.grid)"
    ),
    "a volume": extra("self.volume = nn.Conv3d(1, 2, (1, 3, 3), padding=(0, 1, 1))")
    + forward("return self.volume(x[:, :, None])[:, :, 0]"),
    "coordinates": extra(
        "y, x = torch.meshgrid(torch.linspace(-1, 1, 16), torch.linspace(-1, 1, 16), indexing='ij')",
        "self.y, self.wide = nn.Parameter(y), nn.Parameter(torch.zeros(2, 32, 32)[:, :16, :16])",
        "self.register_buffer('x', x)",
    )
    + forward("return self.layer(x * self.x + self.y) + self.wide"),
    "weights that are nowhere random": extra("nn.init.ones_(self.layer.weight)", "nn.init.zeros_(self.layer.bias)"),
    "parts that are not set": extra("self.register_buffer('more', torch.full((2,), math.nan))"),
    "dropout": forward("return F.dropout(self.layer(x), 0.5, self.training)"),
    "running statistics": extra("self.norm = nn.BatchNorm2d(2)") + forward("return self.norm(self.layer(x))"),
    "parts that are frozen": extra("self.layer.weight.requires_grad_(False)"),
    "transforms of Fourier": forward("return self.layer(torch.fft.fft2(x.float()).abs())"),
    "buffers": extra("self.register_buffer('phases', torch.randn(1, 1, 16, 16))")
    + forward("return self.layer(x * self.phases)"),
    "double": forward("return self.layer(x).double()"),
    "a spectral norm": extra("self.layer = nn.utils.parametrizations.spectral_norm(self.layer)"),
}


@pytest.mark.parametrize("precision", ["float32", "mixed", "bfloat16"])
@pytest.mark.parametrize("network", ALLOWED)
def test_what_a_network_may_do_is_let_through(tried, network, precision):
    tried(ALLOWED[network], replace(CONDITIONS, precision=precision, count=17))


def test_a_network_that_has_no_truth_value_is_let_through(tried):
    """As torch.compile returns, of which Python asks the length."""
    tried("def __bool__(self):\n    raise TypeError('Own does not support len()')")


def test_what_fails_in_the_precision_of_the_training_alone_is_found(tried):
    methods = forward("return torch.complex(self.layer(x), self.layer(x)).real")
    tried(methods)
    with pytest.raises(TrainingError, match=r"fails on a batch of 2 patterns .* in training: RuntimeError: .*BFloat16"):
        tried(methods, replace(CONDITIONS, precision="bfloat16"))


def test_parameters_without_a_gradient_are_named_and_trained_around(tried, capsys):
    tried(extra("self.spare = nn.Linear(3, 4)"))
    assert (
        "has parameters that no gradient reaches in its first step, and that stay as they are if none ever does:"
        " spare.bias, spare.weight." in capsys.readouterr().err
    )


@pytest.mark.parametrize("precision", ["mixed", "bfloat16"])
@pytest.mark.parametrize("kind", network_kinds())
def test_every_network_of_the_package_is_let_through_without_a_word(kind, precision, capsys):
    window = replace(CONDITIONS, window=(32, 32), precision=precision, count=17)
    check_network(NetworkEntry(kind, {}), window)
    assert capsys.readouterr().err == ""


def squares(prediction, labels):
    return (prediction - labels).square()


LOSSES = {
    "a map": (lambda p, t, _: squares(p, t), "is a tensor of 2 x 2 x 16 x 16; expected is one number"),
    "one a pattern": (
        lambda p, t, _: squares(p, t).mean((1, 2, 3)),
        "of a batch of 2 patterns is a tensor of 2; expected",
    ),
    "an axis too many": (lambda p, t, _: squares(p, t).mean()[None], "is a tensor of 1; expected is one number"),
    "a number": (lambda p, t, _: squares(p, t).mean().item(), "is float; expected is a tensor that holds one number"),
    "nothing": (lambda p, t, _: None, "is NoneType; expected"),
    "complex": (
        lambda p, t, _: (1j * squares(p, t)).mean(),
        "is torch.complex64; expected is a real floating-point number",
    ),
    "NaN": (lambda p, t, _: squares(p, t).mean() * torch.nan, "is nan; expected is a finite number"),
    "infinity": (lambda p, t, _: 1 / (0 * squares(p, t).mean()), "is inf; expected is a finite number"),
    "a wild gradient": (
        lambda p, t, _: (p - p).abs().sqrt().mean() + squares(p, t).mean(),
        "has a gradient that is NaN or infinite",
    ),
    "detached": (lambda p, t, _: squares(p.detach(), t).mean(), "is a number that no gradient leads back from"),
    "blind": (lambda p, t, _: (0 * p).mean() + squares(t, 1).mean(), "does not depend on the prediction"),
    "its labels": (lambda p, t, _: squares(p, t.mul_(2)).mean(), "changes what it is given"),
    "its patterns": (lambda p, t, i: squares(p, t).mean() + 0 * i.sub_(i.mean()).mean(), "changes what it is given"),
    "a sum": (
        lambda p, t, _: squares(p, t).sum(),
        "of a batch in which every pattern comes twice is .*; expected is a mean over the batch",
    ),
    "broadcasting": (
        lambda p, t, _: squares(p[:, None], t[None]).mean(),
        "is the same whichever label belongs to which prediction; expected is one that compares each with its own",
    ),
    "broadcasting of numbers": (
        lambda p, t, _: squares(p.mean((1, 2, 3))[:, None], t.mean((1, 2, 3))).mean(),
        "is the same whichever label belongs to which prediction",
    ),
    "its sign": (lambda p, t, _: -squares(p, t).mean(), "expected is one that falls as a prediction nears its labels"),
    "a sign within": (lambda p, t, _: squares(p, -t).mean(), "nears its labels: its sign may be wrong"),
    "transposed labels": (
        lambda p, t, _: squares(p, t.transpose(2, 3)).mean(),
        "(of the same with x and y exchanged|it exchanges axes or channels)",
    ),
    "mirrored labels": (
        lambda p, t, _: squares(p, t.flip(3)).mean(),
        "(of the same mirrored|it exchanges axes or channels)",
    ),
    "labels upside down": (
        lambda p, t, _: squares(p, t.flip(2)).mean(),
        "(of the same upside down|it exchanges axes or channels)",
    ),
    "exchanged channels": (
        lambda p, t, _: squares(p, t.flip(1)).mean(),
        "(amplitude and phase exchanged|it exchanges axes or channels)",
    ),
    "a similarity": (lambda p, t, _: ssim(p, t), "nears its labels: its sign may be wrong"),
    "an error": (lambda p, t, _: p @ torch.ones(3), r"fails on a batch of 2 patterns: RuntimeError: size mismatch"),
    "one pattern": (
        lambda p, t, _: squares(p, t).mean() * (1 if len(p) > 1 else torch.nan),
        "of a batch of one pattern is nan",
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_that_training_cannot_use_is_one_sentence(loss):
    function, words = LOSSES[loss]
    with pytest.raises(TrainingError, match=rf"^The loss 'mine' .*{words}"):
        check_loss(LossEntry("mine", {}), function, FORWARD, CONDITIONS)


@pytest.mark.parametrize("side", [16, 64])
@pytest.mark.parametrize("kind", loss_kinds())
def test_every_loss_of_the_package_is_let_through_without_a_word(kind, side, capsys):
    entry = LossEntry(kind, {name: option.get("default", 0.5) for name, option in loss_options(kind).items()})
    model = replace(FORWARD, probe=torch.full((side, side), 5.0, dtype=torch.complex64))
    check_loss(entry, make_loss(entry, model), model, replace(CONDITIONS, window=(side, side)))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "loss",
    [
        lambda p, t, _: squares(p, t).mean().sqrt(),
        lambda p, t, _: squares(torch.fft.fft2(p).abs(), torch.fft.fft2(t).abs()).mean(),
        lambda p, t, _: squares(p, t).amax(),
        lambda p, t, _: squares(p, t).flatten(1).median(1).values.mean(),
        lambda p, t, _: squares(p, t).mean().log(),
        lambda p, t, _: 1 - ssim(p, t),
        lambda p, t, _: (squares(p, t) - 1e-3).relu().mean(),
        lambda p, t, _: squares(p, t).mean() + p.diff(dim=-1).abs().mean() + p.diff(dim=-2).abs().mean(),
        lambda p, t, i: (FORWARD.log_intensity(p) - i).abs().mean(),
    ],
)
def test_what_a_loss_may_be_is_let_through(loss):
    check_loss(LossEntry("mine", {}), loss, FORWARD, CONDITIONS)


def test_a_loss_of_one_channel_says_which_stays_untrained(capsys):
    check_loss(LossEntry("mine", {}), lambda p, t, _: squares(p, t)[:, 1].mean(), FORWARD, CONDITIONS)
    assert (
        capsys.readouterr().err.strip()
        == "The loss 'mine' does not depend on the predicted amplitude, which stays untrained."
    )


def test_what_a_module_draws_while_it_is_imported_is_let_through(tried, tmp_path):
    (tmp_path / "net.py").write_text(HEAD + "torch.manual_seed(42)\nnp.random.seed(42)\nrandom.random()\n")
    check_network(NetworkEntry(str(tmp_path / "net.py"), {}), CONDITIONS)


def test_a_loss_that_draws_from_pythons_numbers_is_one_sentence():
    with pytest.raises(TrainingError, match=r"^The loss 'mine' draws from Python's random numbers"):
        check_loss(LossEntry("mine", {}), lambda p, t, _: squares(p, t).mean() * random.random(), FORWARD, CONDITIONS)


def test_the_trial_draws_nothing_that_somebody_else_would_have_drawn(tried):
    def drawn():
        return torch.rand(4).tolist(), np.random.rand(), random.random()  # noqa: NPY002

    states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    expected = drawn()
    for restore, state in zip((torch.set_rng_state, np.random.set_state, random.setstate), states, strict=True):
        restore(state)
    tried(ALLOWED["dropout"])
    check_loss(LossEntry("mine", {}), lambda p, t, _: squares(p, t).mean(), FORWARD, CONDITIONS)
    assert drawn() == expected
