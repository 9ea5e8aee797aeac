"""A trained network as an ONNX file that needs neither this package nor torch: photons in,
amplitude and phase out.

    photons             (pattern, h, w) float32: input, zero frequency at (h // 2, w // 2); below
        zero counts as none
    amplitude, phase    (pattern, h, w) float32: outputs, arbitrary units and radians

How the checkpoint prepares photons, and what 0 and 1 of its answers stand for, are nodes of the
graph. Frames are centred, cropped and binned by whoever holds them; the file's ``metadata_props``
say how (see `export_network`).
"""

import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ptychoformer import __version__
from ptychoformer.errors import InputError, OutputError, first_line
from ptychoformer.evaluation import CHANNELS
from ptychoformer.evaluation.network import TrainedNetwork
from ptychoformer.files import atomic, content_digest
from ptychoformer.training.inputs import LEAST_ROOT
from ptychoformer.training.normalisation import Normalisation

PHOTONS = "photons"


def _roots_over_their_greatest(photons: Tensor) -> Tensor:
    roots = photons.sqrt()
    return roots / roots.amax(dim=(1, 2), keepdim=True).clamp(min=LEAST_ROOT)


# `training.inputs.INPUTS`, which knows no torch, as nodes of a graph; a test holds them against
# each other.
PREPARATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "log": torch.log1p,
    "sqrt": torch.sqrt,
    "sqrt_max": _roots_over_their_greatest,
}


class Deployed(nn.Module):
    """A network with all that stands before and behind it.

    Args:
        network: from prepared patterns (n, 1, h, w) to patches (n, 2, h, w) on the labels' scale.
        inputs: how patterns are prepared, one of `training.inputs.INPUTS`.
        normalisation: of the labels.
    """

    def __init__(self, network: nn.Module, inputs: str, normalisation: Normalisation):
        super().__init__()
        self.network, self.normalisation = network, normalisation
        self.prepare = PREPARATIONS[inputs]

    def forward(self, photons: Tensor) -> tuple[Tensor, Tensor]:
        """Turn photons (n, h, w) into amplitude, arbitrary units, and phase, radians, each (n, h,
        w).
        """
        patches = self.network(self.prepare(photons.clamp(min=0)).unsqueeze(1))
        amplitude, phase = (
            self.normalisation.restored(channel, patches[:, place]) for place, channel in enumerate(CHANNELS)
        )
        return amplitude, phase


def export_network(
    checkpoint: str | os.PathLike, preparation: Mapping[str, Any], output: str | os.PathLike
) -> dict[str, str]:
    """Write the network of a checkpoint as one ONNX file, for any number of patterns at a time.

    Args:
        checkpoint: as `training.checkpoint` writes it.
        preparation: ``crop``, ``bin`` and ``pixel_size`` (metres) of the patterns that it was
            trained on, as far as they are known.
        output: ONNX file.

    Returns:
        What the file says of itself (``metadata_props``), texts as they are and numbers as JSON:
        ``package``, ``package_version``, ``network``, ``window`` (h, w) of its patterns,
        ``checkpoint`` (SHA-256), and what is known of the preparation.

    Raises:
        InputError: the checkpoint cannot be used, its network cannot be written as ONNX, or a
            package that writes ONNX is missing.
        OutputError: the file cannot be written.
    """
    _require_packages()
    trained = TrainedNetwork(checkpoint)
    deployed = Deployed(trained.network.cpu(), trained.model.inputs, trained.normalisation).eval()
    program = _program(deployed, trained.window, trained.model.kind)
    facts = {"package": "ptychoformer-repro", "package_version": __version__, "network": trained.model.kind}
    facts |= {"window": trained.window, "checkpoint": trained.digest}
    facts |= {name: preparation[name] for name in ("crop", "bin", "pixel_size") if preparation.get(name)}
    metadata = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    program.model.metadata_props.update(metadata)
    with atomic(output) as temporary:
        program.save(temporary, external_data=False)
    return metadata


def _program(deployed: Deployed, window: tuple[int, int], kind: str) -> torch.onnx.ONNXProgram:
    """Trace the graph of a network for any number of patterns at a time.

    Raises:
        InputError: there is none.
    """
    example = torch.zeros(2, *window)  # one pattern would be taken for the only number there can be
    names = {"input_names": [PHOTONS], "output_names": list(CHANNELS)}
    dynamic = {"dynamic_shapes": {PHOTONS: {0: torch.export.Dim("pattern")}}}
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(deployed, (example,), dynamo=True, verbose=False, **names, **dynamic)
    except torch.onnx.OnnxExporterError as error:
        raise InputError(
            f"The network '{kind}' cannot be written as ONNX, which knows no decisions by values that a network looks"
            f" at, and not all that PyTorch computes ({first_line(_root(error))})."
        ) from error
    # Where a network goes from pattern to pattern, torch settles for the number in the example.
    if any(isinstance(value.shape[0], int) for value in (*program.model.graph.inputs, *program.model.graph.outputs)):
        raise InputError(
            f"The network '{kind}' could be written as ONNX for {len(example)} patterns at a time alone, since it goes"
            " from pattern to pattern or counts them; it must treat a batch as a whole."
        )
    return program


def _root(error: BaseException) -> BaseException:
    """Find the first of the errors that led to one."""
    return _root(error.__cause__) if error.__cause__ else error


def check_same_network(path: str | os.PathLike, checkpoint: str | os.PathLike) -> None:
    """Check that a file at ``path``, if there is one, is an ONNX file of the same checkpoint.

    Raises:
        InputError: a package that reads ONNX is missing.
        OutputError: it is something else.
    """
    if not (Path(path).exists() and Path(checkpoint).is_file()):
        return  # of a checkpoint that is missing `export_network` tells
    _require_packages()
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # whatever a parser stumbles over in a file of another kind
        found = None
    else:
        found = {entry.key: entry.value for entry in model.metadata_props}.get("checkpoint")
    if found != content_digest(checkpoint):
        what = "is the network of another checkpoint" if found else "exists, and was made by something else"
        raise OutputError(f"{path} {what}; name another output, or delete that one.")


def _require_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"ONNX files are written by the packages onnx and onnxscript, but {error.name} is not installed; "
            "pip install onnx onnxscript, or the extra 'export' of this package."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch's exporter says of packages and versions that do not matter here, and of
    graphs that it cannot make.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
