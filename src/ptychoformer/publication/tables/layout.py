"""What a table shows, in which order and under which names: its parts, and their columns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from ptychoformer.contents import Table
from ptychoformer.errors import InputError
from ptychoformer.evaluation import CHANNELS, PATTERN, RELEASED, SCENE, SCORED, SYNCHRONISED, UNSEEN, WHOLE
from ptychoformer.evaluation.quantities import CHANNEL_NAMES, FACTORS, QUANTITIES, Factor, columns
from ptychoformer.publication.names import BLOCKS
from ptychoformer.simulation.scan import GRID_BLOCKS, WHOLE_SCAN

BLOCK_TITLES = {name: f"the {words}" for name, words in BLOCKS.items()}
BLOCK_TITLES[WHOLE_SCAN] = "the whole of another object, which no network was trained on"
LEVEL_TITLES = {
    SCENE: "Stitched scenes",
    SYNCHRONISED: "Scenes stitched with synchronised phases",
    PATTERN: "Single patterns (mean over all)",
    RELEASED: "As the authors’ release scores",
}
# Region and level of the parts that a table may show besides its first, the headline block, whole,
# at the headline level (None). OTHER is the other way to stitch the phase; OTHER_BLOCKS are parts
# of their own.
OTHER, OTHER_BLOCKS = "other", "other_blocks"
FURTHER_PARTS = {
    "unseen": (UNSEEN, None),
    "pattern": (WHOLE, PATTERN),
    "other_phase": (WHOLE, OTHER),
    "released": (WHOLE, RELEASED),
    OTHER_BLOCKS: (WHOLE, None),
}


class Part(NamedTuple):
    """A part of a table: what of the test patterns it is about, and how they are scored
    (`evaluation.metrics`).
    """

    block: str
    region: str
    level: str


def parts_of(further_parts: Iterable[str], block: str, level: str) -> tuple[Part, ...]:
    """List the parts of a table whose headline is this block at this level."""
    other = {SCENE: SYNCHRONISED, SYNCHRONISED: SCENE}[level]
    parts = [Part(block, WHOLE, level)]
    for name in further_parts:
        region, its_level = FURTHER_PARTS[name]
        blocks = [one for one in GRID_BLOCKS if one != block] if name == OTHER_BLOCKS else [block]
        parts += [
            Part(its_block, region, {None: level, OTHER: other}.get(its_level, its_level)) for its_block in blocks
        ]
    return tuple(parts)


@dataclass(frozen=True)
class Layout:
    """What a table shows, in which order and under which names.

    Args:
        name: of its experiment.
        table: of the paper.
        factor: what is compared, ``model`` or ``loss``.
        conditions: what it is compared under to its label: datasets of networks, networks of
            losses.
        methods: network or loss to its label; floor and ceiling are added.
        block: of the test patterns, that the headline is about.
        level: of its scenes, ``scene`` or ``synchronised``.

    Raises:
        InputError: a part, factor, metric, block or level is unknown.
    """

    name: str
    table: Table
    factor: str
    conditions: Mapping[str, str]
    methods: Mapping[str, str]
    block: str
    level: str

    def __post_init__(self) -> None:
        _require_known("part", self.table.further_parts, FURTHER_PARTS)
        _require_known("block", [self.block, self.table.papers_block], BLOCK_TITLES)
        _require_known("level", [self.level], (SCENE, SYNCHRONISED))
        _require_known("factor", [self.factor], FACTORS)
        _require_known("metric", self.table.metrics, QUANTITIES)

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> "Layout":
        """Make a layout from plain data: the arguments by their names, ``table`` as a mapping;
        other keys are left alone.
        """
        parts = {field.name: words[field.name] for field in fields(cls)}
        return cls(**parts | {"table": Table(**words["table"])})

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is shown, the headline first."""
        return parts_of(self.table.further_parts, self.block, self.level)

    @property
    def published_parts(self) -> tuple[Part, ...]:
        """The parts that the paper's own values may stand beside: plain scenes of its own
        block, and the score of the release.
        """
        own = (part for part in self.parts if part.block == self.table.papers_block and part.region == WHOLE)
        return tuple(part for part in own if part.level in (SCENE, RELEASED))

    def channels(self, part: Part) -> tuple[str, ...]:
        """Name the channels that a part has columns of: amplitude is stitched alike at both levels
        of scenes, and the release knew no relative phase.
        """
        if part.level == RELEASED:
            return CHANNELS
        is_other = part.level in (SCENE, SYNCHRONISED) and part.level != self.level
        return tuple(channel for channel in SCORED if not (is_other and channel == "amplitude"))

    def columns(self, part: Part) -> tuple[tuple[str, str], ...]:
        """List channel and metric of each column of a part."""
        metrics = [name for name in self.table.metrics if part.level != RELEASED or QUANTITIES[name].released]
        return columns(metrics, self.channels(part))

    @property
    def compared(self) -> Factor:
        """What is compared, in words."""
        return FACTORS[self.factor]


def _require_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"The {kind} '{unknown[0]}' is unknown, allowed are {', '.join(known)}.")


def caption(part: Part) -> str:
    """Say what a part of a table shows."""
    return f"{LEVEL_TITLES[part.level]} on {place_in_words(part)}"


def place_in_words(part: Part) -> str:
    """Say what of the test patterns a part is about."""
    block = BLOCK_TITLES[part.block]
    return block if part.region == WHOLE else f"the part of {block} that no training pattern illuminates"


def column_groups(part: Part, layout: Layout) -> list[tuple[str, int]]:
    """Name each channel of a part, and count its columns."""
    columns = layout.columns(part)
    return [(CHANNEL_NAMES[name], sum(channel == name for channel, _ in columns)) for name in layout.channels(part)]


def headings(columns: Iterable[tuple[str, str]]) -> list[str]:
    """Name columns, each by its channel and metric."""
    return [f"{CHANNEL_NAMES[channel]} {QUANTITIES[metric].heading}" for channel, metric in columns]
