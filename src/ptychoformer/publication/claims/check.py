"""What a claim asks, and where it is asked once more."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ptychoformer.evaluation import PATTERN, UNSEEN, WHOLE
from ptychoformer.evaluation.quantities import QUANTITIES, SHARES, SIGNIFICANCE
from ptychoformer.simulation.scan import GRID_BLOCKS, STRIP, WHOLE_SCAN

# Where a claim is judged once more: on the part of its block that training never saw, over single
# patterns, and on other blocks.
ELSEWHERE = (UNSEEN, PATTERN, *GRID_BLOCKS)
JUDGED = QUANTITIES | SHARES
EACH, LARGEST, SMALLEST = "each", "largest", "smallest"


@dataclass(frozen=True)
class Check:
    """What a claim says, for a machine; the head of ``claims.yaml`` describes keys and values."""

    experiment: str
    comparison: str
    dataset: tuple[str, ...]
    channel: tuple[str, ...]
    metric: tuple[str, ...]
    better: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    test: str | None = None
    block: str = ""
    region: tuple[str, ...] = (WHOLE,)
    level: str = ""
    n_train: str | None = None
    compare: str = "model"
    held: str = "mse"
    effect: str = "difference"
    value: float = 0.0
    significance: float = SIGNIFICANCE
    margin: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    along: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[Mapping[str, str], ...] = ()

    def on(self, block: str, level: str) -> "Check":
        """Fill in this block and level where the test names none."""
        return replace(self, block=self.block or block, level=self.level or level)

    def elsewhere(self, block: str, level: str) -> dict[str, "Check"]:
        """Return what is asked once more of a claim that is judged on this block and level, by its
        name of `ELSEWHERE`.

        A claim that names no level is asked of single patterns; one on a whole block of a scan on a
        grid, of its unseen part; and one that names no block, of every other block.
        """
        here = self.on(block, level)
        found = {} if self.level or here.level == PATTERN else {PATTERN: replace(here, level=PATTERN)}
        # A claim that names the strip is about a measured scan, all of whose test patterns are
        # unseen.
        if self.region == (WHOLE,) and here.block != WHOLE_SCAN and self.block != STRIP:
            found[UNSEEN] = replace(here, region=(UNSEEN,))
        if self.region == (WHOLE,) and not self.block:
            found |= {name: replace(here, block=name) for name in GRID_BLOCKS if name != here.block}
        return found
