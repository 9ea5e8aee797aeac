"""What README and docs/results.md say of the verdicts on the paper's claims: how many there are of
each kind, what they depend on, and each of them.
"""

import os
from pathlib import Path

import pandas as pd

from ptychoformer.escaping import markdown
from ptychoformer.evaluation import PATTERN
from ptychoformer.evaluation.columns import read_table
from ptychoformer.evaluation.quantities import MISSING
from ptychoformer.publication.claims.catalogue import Claim, read_claims
from ptychoformer.publication.claims.judge import VERDICTS_ELSEWHERE
from ptychoformer.publication.claims.verdicts import HOLDS, UNDECIDED
from ptychoformer.publication.names import counted, in_a_row
from ptychoformer.publication.report.blocks import markdown_table
from ptychoformer.publication.report.claims import FAILING, VERDICTS, again, elsewhere
from ptychoformer.publication.store.holdings import SEEDS_FIXED

CLAIMS = "claims.csv"  # in a folder of kept results
CLAIM_COLUMNS = ("id", "judges", "verdict", "n_seeds", "scale", "source", *VERDICTS_ELSEWHERE)


def are_kept(folder: str | os.PathLike) -> bool:
    """Say whether verdicts are kept in a folder."""
    return Path(folder, CLAIMS).is_file()


def count_of_verdicts(folder: str | os.PathLike) -> str:
    """Say how many claims hold by the verdicts of a folder, as a sentence that may also end
    another; empty if none are kept there.
    """
    if not are_kept(folder):
        return ""
    claims = _read(folder)
    holding, failing, undecided = (int((claims["verdict"] == verdict).sum()) for verdict in VERDICTS)
    not_run = int(((claims["verdict"] == UNDECIDED) & (claims["n_seeds"] == 0)).sum())
    parts = [counted(holding, f"of {len(claims)} claims holds", f"of {len(claims)} claims hold")]
    parts += [counted(failing, *FAILING)] if failing else []
    parts += [counted(undecided, "is undecided", "are undecided")] if undecided else []
    return f"{in_a_row(parts)}{f' ({not_run} of them for lack of runs)' if not_run else ''}."


def caution(folder: str | os.PathLike, claims_yaml: str | os.PathLike) -> str:
    """Say what the verdicts at full size depend on, which are kept in a folder; empty if none are.

    Args:
        claims_yaml: of `catalogue.read_claims`.
    """
    if not are_kept(folder):
        return ""
    run = _read(folder).query("n_seeds > 0")
    found = again(run)
    otherwise = (
        ": over single patterns, elsewhere on the test strip, or where no training pattern lights the object,"
        f" {found.flips or 'none'} of {found.judged} come{'s' if found.flips == 1 else ''} out otherwise"
    )
    return (
        "These verdicts are on stitched scenes of one block. The paper does not say what its scores are of"
        f"{otherwise if found.judged else ''}.{_only_over_patterns(run, claims_yaml)} Claims overlap, so that one"
        f" effect can decide several.{_interim(run)}"
    )


def _only_over_patterns(run: pd.DataFrame, claims_yaml: str | os.PathLike) -> str:
    found = run[(run[f"verdict_{PATTERN}"] == HOLDS) & (run["verdict"] != HOLDS)]
    statements = {claim.id: claim.statement for claim in read_claims(claims_yaml)}
    named = [f"*{markdown(statements[name])}*" for name in found["id"]]
    return f" Over single patterns this holds, though not on the scene: {' '.join(named)}" if named else ""


def _interim(run: pd.DataFrame) -> str:
    few = run[run["n_seeds"] < SEEDS_FIXED]
    if few.empty:
        return ""
    holding = int((few["verdict"] == HOLDS).sum())
    return (
        f" {counted(len(few), 'verdict is', 'verdicts are')} *interim*, on fewer than the {SEEDS_FIXED} seeds that were"
        f" fixed beforehand; {holding or 'none'} of these hold{'s' if holding == 1 else ''}."
    )


def table_of_verdicts(folder: str | os.PathLike, claims_yaml: str | os.PathLike) -> str:
    """Write a table of all claims with the verdicts of a folder, and where they come out
    otherwise.

    Args:
        claims_yaml: of `catalogue.read_claims`.
    """
    kept = _read(folder).set_index("id")
    rows = [
        [markdown(claim.place), _statement(claim), *_verdict(kept.loc[claim.id])]
        for claim in read_claims(claims_yaml)
        if claim.id in kept.index
    ]
    return markdown_table(["where", "statement", "verdict", "seeds", "elsewhere"], rows)


def _statement(claim: Claim) -> str:
    return "<br>".join(filter(None, [markdown(claim.statement), claim.note and f"*{markdown(claim.note)}*"]))


def _verdict(row: pd.Series) -> list[str]:
    turned = "; ".join(f"{words}: {verdict}" for words, verdict in elsewhere(row))
    verdict = f"**{row['verdict']}**" if row["verdict"] == HOLDS else row["verdict"]
    is_judged = row["n_seeds"] and any(row[list(VERDICTS_ELSEWHERE)] != "")
    return [verdict, str(int(row["n_seeds"])), turned if is_judged else MISSING]


def _read(folder: str | os.PathLike) -> pd.DataFrame:
    """Read the verdicts that are kept in a folder.

    Raises:
        InputError: they break their contract.
    """
    return read_table(Path(folder, CLAIMS), CLAIM_COLUMNS, text=["verdict", *VERDICTS_ELSEWHERE])
