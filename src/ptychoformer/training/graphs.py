"""Work that a CUDA device repeats, launched as one graph.

A step of a small network is hundreds of short kernels, and the host takes longer to launch them
than the device to run them. A captured graph is launched at once. What it reads and writes must
stay where it is.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from ptychoformer.errors import first_line
from ptychoformer.progress import say

# Libraries that a kernel needs are loaded, and buffers found, at its first calls.
WARM_UPS = 3


def missed_by_replays(network: nn.Module, work: Callable[[], None]) -> str:
    """Say what ``work`` of a ``network`` does on the host and captured kernels would not do again;
    empty if nothing of the kind shows. The work is done twice to see it, since some networks make
    what they keep at their first call.

    A graph reads from where a buffer was when it was captured, also after another tensor took the
    buffer's name, and goes on with what was drawn on the CPU then.
    """
    work()
    before, drawn = _places(network), torch.get_rng_state()
    work()
    if replaced := [name for name, place in _places(network).items() if before.get(name) != place]:
        return f"it puts a new tensor in the place of {replaced[0]}; copy_, add_ and mul_ write into the old one"
    return "" if torch.equal(torch.get_rng_state(), drawn) else "it draws random numbers on the CPU"


def _places(network: nn.Module) -> dict[str, int]:
    """Find where the parameters and buffers of a network lie, by name."""
    return {name: part.data_ptr() for name, part in (*network.named_parameters(), *network.named_buffers())}


def say_uncaptured(reason: str) -> None:
    """Say why a network trains kernel by kernel."""
    say(f"This network cannot be captured as a CUDA graph, its kernels are launched one by one ({reason}).")


class Graphs:
    """Captured work of one run, on a stream of its own, beside which other runs have theirs;
    without CUDA there is none.

    Args:
        device: of the run.
    """

    def __init__(self, device: torch.device):
        self.possible = device.type == "cuda"
        self._stream = torch.cuda.Stream(device) if self.possible else None
        self._graphs: dict[str, torch.cuda.CUDAGraph] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._graphs

    def stream(self) -> AbstractContextManager:
        """Make the context in which the run's work is launched, after what was launched outside of
        it before.
        """
        if self._stream is None:
            return nullcontext()
        self._stream.wait_stream(torch.cuda.current_stream())
        return torch.cuda.stream(self._stream)

    def wait(self) -> None:
        """Return when the device has done the run's work."""
        if self._stream is not None:
            self._stream.synchronize()

    def capture(self, works: Mapping[str, Callable[[], None]]) -> bool:
        """Capture each of ``works``, by name, after some real calls; return whether it could be
        done.

        If one cannot be captured, none is, earlier ones neither, and a line says why.
        """
        pool = torch.cuda.graph_pool_handle()
        try:
            for name, work in works.items():
                with self.stream():
                    for _ in range(WARM_UPS):
                        work()
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, pool=pool, stream=self._stream):
                    work()
                self._graphs[name] = graph
        except RuntimeError as error:
            self._graphs.clear()
            say_uncaptured(first_line(error))
            return False
        return True

    def replay(self, name: str) -> None:
        """Launch captured work; the device may still be at it when this returns."""
        with torch.cuda.stream(self._stream):
            self._graphs[name].replay()
