"""The claims of the report: verdicts with what they rest on, local and reference runs side by
side, grouped by section of the paper.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ptychoformer.contents import Contents
from ptychoformer.errors import InputError
from ptychoformer.evaluation import PATTERN, UNSEEN
from ptychoformer.evaluation.columns import read_table
from ptychoformer.publication.claims.catalogue import JUDGES
from ptychoformer.publication.claims.judge import BANDS, LOCAL, OUTPUT_COLUMNS, REFERENCE, VERDICTS_ELSEWHERE
from ptychoformer.publication.claims.verdicts import FAILS, HOLDS, UNDECIDED
from ptychoformer.publication.names import counted, listed_figures
from ptychoformer.publication.report.effects import effect_text, in_unit, unit_of
from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.store.holdings import SEEDS_FIXED
from ptychoformer.publication.tables.layout import BLOCK_TITLES
from ptychoformer.simulation.scan import GRID_BLOCKS

VERDICTS = (HOLDS, FAILS, UNDECIDED)
# A verdict is told by its word and its symbol; the style adds a colour to them.
SYMBOLS = {HOLDS: "✓", FAILS: "✗", UNDECIDED: "?"}
STYLES = {HOLDS: "holds", FAILS: "fails", UNDECIDED: "undecided"}
FAILING = ("does not hold", "do not hold")  # one claim, and several
BANDS_FIGURE = "fig9"
# Where claims are judged once more, by the names of `check.ELSEWHERE`.
PLACES = {UNSEEN: "on the unseen part", PATTERN: "over single patterns"} | {
    name: f"on {BLOCK_TITLES[name]}" for name in GRID_BLOCKS
}
_BLOCK_COLUMNS = [f"verdict_{name}" for name in GRID_BLOCKS]


@dataclass(frozen=True)
class Judgement:
    """What one set of runs says of a claim, as text; what it does not have is empty.

    Args:
        interval: from where to where, without the unit.
        because: the reason, given where a claim does not hold or is undecided.
        rival: the comparison that the effect is of.
        interim: that there are to be more seeds, in words.
        waits_for: where the paper has the experiment whose runs the claim lacks, or empty.
        elsewhere: where the claim was judged once more with another verdict, in words, and that
            verdict.
    """

    verdict: str
    effect: str
    interval: str
    seeds: str
    rival: str
    because: str
    scale: str
    interim: str
    waits_for: str
    elsewhere: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ClaimRow:
    """A claim.

    Args:
        published: the paper's own effect, or empty.
        note: on the paper's own evidence, or empty.
        reference: None where no reference run could be looked at.
    """

    id: str
    place: str
    statement: str
    judges: str
    published: str
    note: str
    local: Judgement
    reference: Judgement | None

    @property
    def interim(self) -> str:
        """Of how few seeds the verdicts are that are interim; empty if none is."""
        both = (("", self.local), ("reference runs: ", self.reference))
        found = [f"{where}interim, {said.seeds}" for where, said in both if said and said.interim]
        return "; ".join(found)

    @property
    def is_waiting(self) -> bool:
        """Whether neither the local nor any reference run says anything of it."""
        return bool(self.local.waits_for) and self.reference is None


@dataclass(frozen=True)
class Section:
    """The claims of one section of the paper."""

    title: str
    claims: tuple[ClaimRow, ...]

    @property
    def tally(self) -> str:
        """Local verdicts in words."""
        return in_words([claim.local.verdict for claim in self.claims])

    @property
    def waiting(self) -> dict[str, int]:
        """The part of the paper whose runs are missing, to the number of its claims that therefore
        have no run.
        """
        return dict(Counter(claim.local.waits_for for claim in self.claims if claim.is_waiting))


@dataclass(frozen=True)
class Again:
    """How claims come out elsewhere.

    Args:
        where: in words.
        judged: claims with runs that were judged there too.
        flips: those of them with another verdict there.
        lost: those of the flips that hold on the headline.
    """

    where: str
    judged: int
    flips: int
    lost: int


@dataclass(frozen=True)
class Tally:
    """How many claims have which verdict.

    Args:
        counts: verdict to number.
        not_run: those of the undecided for which not one seed has everything that they name.
        elsewhere: each place where some were judged once more, then all other blocks together.
        interim: those with fewer seeds than were fixed beforehand.
        by_kind: rows of a table: what is judged, then a number for each verdict.
    """

    counts: dict[str, int]
    not_run: int
    elsewhere: tuple[Again, ...]
    interim: int
    by_kind: list[list[str]]

    @property
    def total(self) -> int:
        """Claims."""
        return sum(self.counts.values())


def read_verdicts(path: str | os.PathLike) -> pd.DataFrame:
    """Read the table of `judge.judge`.

    Raises:
        InputError: it is missing, or breaks its contract.
    """
    table = read_table(path, OUTPUT_COLUMNS, text=("verdict", "experiment", *VERDICTS_ELSEWHERE))
    known = {"verdict": VERDICTS, "source": (LOCAL, REFERENCE), "judges": JUDGES}
    # A claim has a verdict elsewhere only where that is another question.
    known |= dict.fromkeys(VERDICTS_ELSEWHERE, (*VERDICTS, ""))
    for column, allowed in known.items():
        if wrong := [value for value in table[column] if value not in allowed]:
            raise InputError(
                f"{path}: {column} '{wrong[0]}' is unknown, allowed are {', '.join(filter(None, allowed))}."
            )
    if table.duplicated(["id", "source"]).any():
        raise InputError(
            f"{path} judges the claim '{table.loc[table.duplicated(['id', 'source']), 'id'].iloc[0]}' twice."
        )
    local = set(table.loc[table["source"] == LOCAL, "id"])
    if missing := [name for name in table["id"] if name not in local]:
        raise InputError(f"{path} has no local verdict on the claim '{missing[0]}'.")
    return table


def sections(table: pd.DataFrame, labels: Labels, contents: Contents) -> list[Section]:
    """Group all claims by section of the paper, in the order in which sections and claims first
    occur; reasons name things by their labels.

    Raises:
        InputError: a claim is about an experiment that the paper has not.
    """
    sources = {name: experiment.source for name, experiment in contents.experiments.items()}
    sources[BANDS] = listed_figures([BANDS_FIGURE])
    for name, experiment in zip(table["id"], table["experiment"], strict=True):
        if experiment not in sources:
            raise InputError(
                f"Claim {name} is about the experiment '{experiment}', which there is not; there are"
                f" {', '.join(sources)}."
            )
    found: dict[str, list[ClaimRow]] = {}
    for _, rows in table.groupby("id", sort=False):
        by_source = {row["source"]: row for _, row in rows.iterrows()}
        local = by_source[LOCAL]
        reference = _judgement(by_source[REFERENCE], labels, sources) if REFERENCE in by_source else None
        published = _published(rows)
        about = {name: local[name] for name in ("id", "place", "statement", "judges", "note")}
        judgement = _judgement(local, labels, sources)
        claim = ClaimRow(**about, published=published, local=judgement, reference=reference)
        found.setdefault(section_of(claim.place, contents), []).append(claim)
    return [Section(title, tuple(claims)) for title, claims in found.items()]


def section_of(place: str, contents: Contents) -> str:
    """Find the heading under which a place of the paper belongs: ``Section IV-E1, Figure 8`` is in
    Section IV-E.
    """
    named = re.search(r"Section ([IVX]+-[A-Z])", place)
    of_tables = {table.source: table.section for table in contents.tables.values()}
    key = named.group(1) if named else of_tables.get(place)
    if key is None:
        return place.split(",")[0]
    return f"Section {key}: {contents.sections[key]}" if key in contents.sections else f"Section {key}"


def _published(rows: pd.DataFrame) -> str:
    """Put the paper's own effect in words; only a row with an effect names its unit, the test's."""
    units = [unit for unit in rows["unit"] if unit]
    value = rows["published_value"].iloc[0]
    # A claim that could not be looked at has no unit; the paper's number alone could be misread, so
    # it is left to the statement.
    return effect_text(value, units[0]) if units and not pd.isna(value) else ""


def _judgement(row: pd.Series, labels: Labels, sources: Mapping[str, str]) -> Judgement:
    seeds, unit = int(row["n_seeds"]), unit_of(row["unit"])
    has_interval = row[["low", "high"]].notna().all()
    reason, about = in_unit(row["reason"], row["unit"]), row["experiment"]
    return Judgement(
        verdict=row["verdict"],
        effect="" if pd.isna(row["effect"]) else effect_text(row["effect"], row["unit"]),
        interval=f"{unit.text(row['low'])} to {unit.text(row['high'])}" if has_interval else "",
        seeds=counted(seeds, "seed") if seeds else "",
        rival=labels.in_words(row["rival"], sources, about),
        because="" if row["verdict"] == HOLDS else labels.in_words(reason, sources, about),
        scale=row["scale"],
        interim=f"Interim: {seeds} of the {SEEDS_FIXED} seeds fixed beforehand" if row["interim"] else "",
        waits_for="" if seeds else sources[row["experiment"]],
        elsewhere=elsewhere(row),
    )


def elsewhere(row: pd.Series) -> tuple[tuple[str, str], ...]:
    """Say where a claim with runs was judged once more with another verdict, and that verdict."""
    found = ((words, row[f"verdict_{name}"]) for name, words in PLACES.items() if row["n_seeds"])
    return tuple((words, verdict) for words, verdict in found if verdict not in ("", row["verdict"]))


def tally(table: pd.DataFrame, source: str) -> Tally:
    """Count the verdicts of one source."""
    rows = table[table["source"] == source]
    kinds = [(kind, rows[rows["judges"] == kind]) for kind in JUDGES]
    lines = [(f"{kind}s", part) for kind, part in kinds if len(part)] + [("all", rows)]
    places = [(words, [f"verdict_{name}"]) for name, words in PLACES.items()] + [("on any other block", _BLOCK_COLUMNS)]
    run = rows[rows["n_seeds"] > 0]
    return Tally(
        counts={verdict: int((rows["verdict"] == verdict).sum()) for verdict in VERDICTS},
        not_run=int(((rows["verdict"] == UNDECIDED) & (rows["n_seeds"] == 0)).sum()),
        elsewhere=tuple(found for place in places if (found := again(run, *place)).judged),
        interim=int(rows["interim"].sum()),
        by_kind=[
            [name, *(str((part["verdict"] == verdict).sum()) for verdict in VERDICTS), str(len(part))]
            for name, part in lines
        ],
    )


def again(rows: pd.DataFrame, where: str = "elsewhere", columns: Sequence[str] = VERDICTS_ELSEWHERE) -> Again:
    """Count the claims that come out otherwise in any of these columns."""
    verdicts = rows[list(columns)]
    judged = verdicts != ""
    flips = (judged & verdicts.ne(rows["verdict"], axis=0)).any(axis=1)
    lost = flips & (rows["verdict"] == HOLDS)
    return Again(where, int(judged.any(axis=1).sum()), int(flips.sum()), int(lost.sum()))


def in_words(verdicts: Sequence[str]) -> str:
    """Say how many of these verdicts are which."""
    holding, failing, open_ = (verdicts.count(verdict) for verdict in VERDICTS)
    parts = [counted(holding, "holds", "hold")] if holding else []
    parts += [counted(failing, *FAILING)] if failing else []
    parts += [f"{open_} undecided"] if open_ else []
    return ", ".join(parts)
