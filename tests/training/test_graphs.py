"""Steps that are launched as a whole, or whose kernels are fused, are the steps that are launched kernel by kernel."""

from contextlib import contextmanager, nullcontext
from copy import deepcopy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ptychoformer.models import build
from ptychoformer.training import run as run_module
from ptychoformer.training.examples import Examples
from ptychoformer.training.graphs import WARM_UPS, Graphs, missed_by_replays
from ptychoformer.training.losses.mse import mean_squared_error
from ptychoformer.training.options import TrainingOptions
from ptychoformer.training.run import Training, run_epoch

OPTIONS = TrainingOptions(epochs=4, batch_size=8, patience=0)


class Pretended(Graphs):
    """Graphs that keep the work itself and do it again when they are launched."""

    def __init__(self, device):
        self.possible, self._stream, self._graphs = True, None, {}

    def stream(self):
        return nullcontext()

    def capture(self, works):
        for name, work in works.items():
            for _ in range(WARM_UPS + 1):
                work()
            self._graphs[name] = work
        return True

    def replay(self, name):
        self._graphs[name]()


def examples(count, device="cpu"):
    random = torch.Generator().manual_seed(count)
    inputs = torch.rand(count, 1, 32, 32, generator=random)
    return Examples(inputs, inputs, torch.rand(count, 2, 32, 32, generator=random)).to(torch.device(device))


def ptynet():
    return build("ptynet", (32, 32), {})


def training(count, build_network=ptynet, device="cpu", seed=0):
    """A training whose initial weights are the same whatever was drawn before."""
    torch.manual_seed(3)
    network = build_network().to(device)
    return Training(network, mean_squared_error, OPTIONS, seed, examples(count, device), examples(11, device))


@pytest.mark.parametrize("count", [5, 8, 24, 29])  # one batch that is not whole, whole ones, and both
def test_captured_steps_leave_the_weights_losses_and_rates_of_others(monkeypatch, count):
    plain = training(count)
    monkeypatch.setattr(run_module, "Graphs", Pretended)
    captured = training(count)
    captured.capture()
    assert all(
        torch.equal(one, other)
        for one, other in zip(plain.model.parameters(), captured.model.parameters(), strict=True)
    )
    for _ in range(4):
        assert run_epoch([plain]) == run_epoch([captured]) == [None]
    for name, weights in plain.model.state_dict().items():
        assert torch.equal(weights, captured.model.state_dict()[name]), name
    names = ("epoch", "learning_rate", "train_loss", "validation_loss")
    assert [[row[name] for name in names] for row in plain.history] == [
        [row[name] for name in names] for row in captured.history
    ]


class Averaging(nn.Module):
    """A network with a running mean in a buffer, into which it writes or which it makes anew."""

    def __init__(self, in_place):
        super().__init__()
        self.in_place, self.layer = in_place, nn.Conv2d(1, 2, 3, padding=1)
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x):
        if self.in_place:
            self.mean.mul_(0.9).add_(0.1 * x.mean())
        else:
            self.mean = 0.9 * self.mean + 0.1 * x.mean()
        return self.layer(x - self.mean)


class Gridded(nn.Module):
    """A network that keeps a buffer from its first call on."""

    def __init__(self):
        super().__init__()
        self.layer, self.grid = nn.Conv2d(1, 2, 3, padding=1), None

    def forward(self, x):
        if self.grid is None:
            del self.grid
            self.register_buffer("grid", torch.linspace(0, 1, x.shape[-1]), persistent=False)
        return self.layer(x * self.grid)


@pytest.mark.parametrize(
    ("network", "missed"),
    [
        (partial(Averaging, in_place=True), ""),
        (partial(Averaging, in_place=False), "it puts a new tensor in the place of mean; "),
        (partial(build, "dpi", (32, 32), {"size": "small"}), "it draws random numbers on the CPU"),
        (Gridded, ""),
        (ptynet, ""),
    ],
)
def test_what_a_replay_would_not_do_again_is_seen(network, missed):
    run = training(8, network)
    run.model.train()
    found = missed_by_replays(run.model, run._fit_next)
    assert found.startswith(missed)
    assert bool(found) == bool(missed)


def test_a_network_that_no_replay_repeats_is_trained_all_the_same(monkeypatch, capsys):
    plain = training(24, partial(Averaging, in_place=False))
    monkeypatch.setattr(run_module, "Graphs", Pretended)
    other = training(24, partial(Averaging, in_place=False))
    other.capture()
    assert not other._graphs._graphs
    assert "cannot be captured as a CUDA graph" in capsys.readouterr().err
    for _ in range(2):
        assert run_epoch([plain]) == run_epoch([other]) == [None]
    assert torch.equal(plain.model.mean, other.model.mean)
    assert plain.history[-1]["validation_loss"] == other.history[-1]["validation_loss"]


@pytest.mark.parametrize("count", [5, 24, 29])
def test_compiling_leaves_the_state_and_whole_batches_pass_through_what_was_compiled(monkeypatch, count):
    plain, compiled = training(count), training(count)
    # Without a backend that fuses, the compiled network is the network to the last bit.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    compiled.compile()
    assert all(
        torch.equal(one, other)
        for one, other in zip(plain.model.parameters(), compiled.model.parameters(), strict=True)
    )
    assert (compiled._compiled is compiled.model) == (count < OPTIONS.batch_size)
    for _ in range(2):
        assert run_epoch([plain]) == run_epoch([compiled]) == [None]
    for name, weights in plain.model.state_dict().items():
        assert torch.equal(weights, compiled.model.state_dict()[name]), name


def test_a_network_that_torch_cannot_compile_is_trained_all_the_same(monkeypatch, capsys):
    def broken(model, **_):
        def call(inputs):
            model(inputs)  # batch norm has seen something
            raise OSError("no compiler\nat length")

        return call

    plain, refused = training(29), training(29)
    monkeypatch.setattr(torch, "compile", broken)
    refused.compile()
    assert "cannot be compiled, its kernels are not fused (OSError: no compiler)." in capsys.readouterr().err
    assert run_epoch([plain]) == run_epoch([refused]) == [None]
    for name, weights in plain.model.state_dict().items():
        assert torch.equal(weights, refused.model.state_dict()[name]), name


@pytest.mark.parametrize("change", ["compile", "capture", "restore"])
def test_a_state_is_restored_on_the_stream_of_the_steps_before_it(monkeypatch, change):
    class Watched(Pretended):
        entered = 0

        @contextmanager
        def stream(self):
            self.entered += 1
            yield
            self.entered -= 1

    monkeypatch.setattr(run_module, "Graphs", Watched)
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    run, where = training(29), []
    load = run.model.load_state_dict
    monkeypatch.setattr(run.model, "load_state_dict", lambda state: (where.append(run._graphs.entered), load(state)))
    run.restore(run.state()) if change == "restore" else getattr(run, change)()
    assert len(where) == 1
    assert where[0] > 0


@pytest.mark.parametrize("change", ["compile", "capture"])
def test_a_state_is_copied_and_put_back_on_the_stream_of_the_run(monkeypatch, change):
    """On any other one the copy would be of weights that a step is still writing, and the step would write over what is put back."""

    class Watched(Pretended):
        entered = 0

        @contextmanager
        def stream(self):
            self.entered += 1
            yield
            self.entered -= 1

    run, depths = None, {"copied": [], "put back": []}

    def copied(state):
        depths["copied"].append(run._graphs.entered)
        return deepcopy(state)

    monkeypatch.setattr(run_module, "Graphs", Watched)
    monkeypatch.setattr(run_module, "copy", SimpleNamespace(deepcopy=copied))
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    run = training(29)
    for part in ("optimiser", "schedule"):
        restore = getattr(run, part).restore
        monkeypatch.setattr(
            getattr(run, part),
            "restore",
            lambda state, restore=restore: (depths["put back"].append(run._graphs.entered), restore(state)),
        )
    before = deepcopy(run.state())
    getattr(run, change)()
    assert len(depths["copied"]) >= 1
    assert len(depths["put back"]) == 2
    assert min(depths["copied"] + depths["put back"]) > 0
    for name, weights in before["model"].items():
        assert torch.equal(weights, run.model.state_dict()[name]), name


class Stubborn(nn.Module):
    """A network with dropout that looks at its values on the host, which no graph can hold."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Dropout(0.5))

    def forward(self, patterns):
        return self.layers(patterns) * (1.0 if patterns.mean().item() > 0 else -1.0)


cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@cuda
def test_on_a_device_losses_are_those_of_kernels_launched_one_by_one():
    plain, captured = training(29, device="cuda"), training(29, device="cuda")
    captured.capture()
    for _ in range(3):
        assert run_epoch([plain]) == run_epoch([captured]) == [None]
    for one, other in zip(plain.history, captured.history, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=0.01)
        assert other["validation_loss"] == pytest.approx(one["validation_loss"], rel=0.01)


@cuda
def test_on_a_device_fused_kernels_give_the_same_losses():
    plain, fused = (training(29, partial(build, "ptychoformer", (32, 32), {}), "cuda") for _ in range(2))
    initial = {name: weights.clone() for name, weights in fused.model.state_dict().items()}
    fused.compile()
    assert fused._compiled is not fused.model
    assert all(torch.equal(initial[name], weights) for name, weights in fused.model.state_dict().items())
    for run in (plain, fused):
        run.capture()
    for _ in range(3):
        assert run_epoch([plain]) == run_epoch([fused]) == [None]
    for one, other in zip(plain.history, fused.history, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=0.02)


@cuda
@pytest.mark.parametrize("compiled", [False, True])
def test_on_a_device_dropout_does_not_depend_on_what_trains_beside(compiled):
    def made(seed):
        return training(29, partial(build, "dpi", (32, 32), {"size": "small"}), "cuda", seed)

    alone, beside = made(0), [made(0), made(1)]
    for run in (alone, *beside):
        if compiled:
            run.compile()
        run.capture()
    run_epoch([alone]), run_epoch(beside)
    assert beside[0].history[0]["train_loss"] == pytest.approx(alone.history[0]["train_loss"], rel=0.01)
    assert beside[0].history[0]["train_loss"] != beside[1].history[0]["train_loss"]


@cuda
def test_on_a_device_a_network_that_cannot_be_captured_is_trained_all_the_same(capsys):
    stubborn = training(29, Stubborn, "cuda")
    stubborn.capture()
    assert "cannot be captured" in capsys.readouterr().err
    assert run_epoch([stubborn]) == [None]
