"""The file of claims says what the paper's tables say, and a claim that cannot be judged is named."""

import re
from dataclasses import replace
from itertools import product

import pandas as pd
import pytest

from ptychoformer.errors import InputError
from ptychoformer.publication.claims.contrasts import contrasts
from ptychoformer.publication.claims.evidence import Numbers
from ptychoformer.publication.claims.judge import verdict_of
from ptychoformer.publication.claims.verdicts import UNDECIDED

from ..conftest import PUBLISHED
from .conftest import CATALOGUE, CLAIM, HIGHER, PRINTED, TEST, published_metrics, read_entry


class TestFile:
    def test_there_are_enough_and_of_every_kind(self):
        assert len(CATALOGUE) >= 35
        assert {claim.judges for claim in CATALOGUE} == {"ranking", "sign", "size"}
        experiments = {"table1", "table2", "table3", "table4", "table5", "sizes", "overlaps", "bands", "measured"}
        assert {claim.test.experiment for claim in CATALOGUE} == experiments

    @pytest.mark.parametrize("claim", PRINTED, ids=lambda claim: claim.id)
    def test_the_papers_own_effect_follows_from_its_tables(self, claim):
        """Each test, put to the paper's printed means, must give the effect that is called published: so it compares the right things."""
        verdict = verdict_of(claim.test, Numbers(published_metrics()[claim.test.experiment]))
        assert verdict.verdict == UNDECIDED
        assert verdict.n_seeds == 1
        assert verdict.effect == pytest.approx(claim.published, abs=6e-5)

    @pytest.mark.parametrize(
        "claim", [claim for claim in CATALOGUE if claim.judges == "size"], ids=lambda claim: claim.id
    )
    def test_sizes_are_what_was_published(self, claim):
        assert claim.test.value == pytest.approx(claim.published, rel=0.01)

    def test_sizes_of_psnr_are_in_decibels(self):
        """But for the measured data, of which the paper prints none."""
        sizes = [claim for claim in CATALOGUE if claim.judges == "size" and "psnr" in claim.test.metric]
        assert len(sizes) >= 8
        assert [claim.test.experiment for claim in sizes if claim.test.effect != "difference"] == ["measured"]
        assert pd.read_csv(PUBLISHED / "measured.csv").empty

    def test_a_per_cent_of_the_paper_is_its_decibels_over_its_rivals(self):
        """What a note says in per cent, and of which two numbers, follows from the tables, and is the size that is judged."""
        tables, noted = published_metrics(), 0
        for claim in CATALOGUE:
            if found := re.match(
                r"The paper says ([\d.]+) %; by Table \w+ that is ([\d.]+) against ([\d.]+) dB\.", claim.note
            ):
                percent, first, second = map(float, found.groups())
                numbers = Numbers(tables[claim.test.experiment])
                # The text divides by the rival's decibels, or, of what is taken away from Ptychoformer, by its own.
                base = "relative_to_worse" if first > second else "relative_to_better"
                fraction = verdict_of(replace(claim.test, effect=base), numbers).effect
                assert 100 * fraction == pytest.approx(percent, abs=0.051)
                assert claim.test.value == pytest.approx(abs(first - second))
                assert f"{claim.test.value:.2f} dB" in claim.statement
                noted += 1
        assert noted == 4

    def test_the_papers_rankings_are_its_own_means(self):
        """Every ranking and sign that Tables I to V can show is shown by the means that they print."""
        tables = published_metrics()
        for claim in CATALOGUE:
            if (
                claim.test.experiment in tables
                and claim.test.comparison == "greater"
                and claim.id != "losses-alpha-optimum"
            ):
                if claim.id == "losses-alpha-ends":  # alpha = 0.2 is in Figure 10 alone
                    continue
                assert (
                    min(contrast.effect for contrast in contrasts(claim.test, Numbers(tables[claim.test.experiment])))
                    > 0
                ), claim.id

    def test_margins_are_half_of_the_lead_in_table_1(self):
        table = pd.read_csv(PUBLISHED / "table1.csv")
        for claim in (claim for claim in CATALOGUE if claim.test.comparison == "no_difference"):
            for channel, metric in product(claim.test.channel, claim.test.metric):
                column = table.query(
                    "condition == @claim.test.dataset[0] and channel == @channel and metric == @metric"
                ).set_index("method")
                ours, others = column["mean"]["ptychoformer"], column["mean"].drop("ptychoformer")
                lead = ours - others.max() if metric in HIGHER else others.min() - ours
                assert claim.test.margin[channel][metric] == pytest.approx(lead / 2, abs=1e-9), claim.id

    @pytest.mark.parametrize("key", ["id", "place", "quote", "statement", "judges", "scope", "test"])
    def test_a_missing_part_is_named(self, tmp_path, key):
        with pytest.raises(InputError, match=f"'{key}' is missing"):
            read_entry(tmp_path, {name: part for name, part in CLAIM.items() if name != key})

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            (dict(judges="guess"), "judges is 'guess'"),
            (dict(colour="red"), "'colour' is unknown"),
            (dict(quote=" ".join(["word"] * 26)), "25 words, found 26"),
            (dict(judges="size"), "a size, and nothing else"),
            (dict(test=dict(metric="fid")), "metric 'fid' is unknown"),
            (dict(test=dict(comparison="bigger")), "comparison 'bigger' is unknown"),
            (dict(test=dict(block="upper_left")), "block 'upper_left' is unknown"),
            (dict(test=dict(region="block")), "region 'block' is unknown"),
            (dict(test=dict(level="stitched")), "level 'stitched' is unknown"),
            (dict(test=dict(comparison="at_least"), judges="size"), "a positive value"),
            (dict(test=dict(comparison="no_difference")), "at least two"),
            (dict(test=dict(comparison="smaller_drop")), "from and to"),
            (dict(test=dict(comparison="increasing")), "along"),
            (dict(test=dict(comparison="increasing", along={"alpha": [1, 2]})), "along 'alpha' is unknown"),
            (dict(test=dict(better=[])), "better is missing"),
            (dict(test=dict(effect="relative_to_worse", worse=[])), "relative effect needs worse"),
        ],
    )
    def test_a_wrong_entry_is_named(self, tmp_path, change, complaint):
        changed = {key: TEST | value if key == "test" else value for key, value in change.items()}
        with pytest.raises(InputError, match=complaint) as caught:
            read_entry(tmp_path, CLAIM | changed)
        assert "one" in str(caught.value)
