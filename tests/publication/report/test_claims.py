"""The report's verdicts are those that were judged, in a reader's words, and lead to what shows them."""

import re

import pandas as pd
import pytest

from ptychoformer.errors import InputError
from ptychoformer.evaluation.quantities import CHANNEL_NAMES
from ptychoformer.publication.claims.judge import VERDICTS_ELSEWHERE
from ptychoformer.publication.names import BLOCKS
from ptychoformer.publication.report.claims import read_verdicts, section_of, sections, tally
from ptychoformer.publication.report.effects import effect_text
from ptychoformer.publication.report.evidence import classes, evidence, filters, picture
from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.report.page import make_report
from ptychoformer.tables import write_csv

from ..conftest import told
from .conftest import Page


class TestEvidence:
    def test_each_claim_leads_to_what_shows_its_runs(self, inputs, experiment):
        table = read_verdicts(inputs["claims"])
        found = evidence(table, experiment.CONTENTS, {*inputs["words"], *inputs["figures"]})
        assert found["clean-amplitude-psnr"].links == (
            ("#table1", "Table I"),
            ("#fig4", "Figure 4"),
            ("#fig9", "Figure 9"),
        )
        assert found["overlap-smaller-drop"].links == (("#fig8", "Figure 8"),)
        assert found["bands-low-share"].source == "Figure 9"
        assert found["measured-all-metrics"].links == ()  # neither table nor figure was made
        assert all(found[name].links for name in table.loc[table["n_seeds"] > 0, "id"])

    def test_the_choices_of_a_filter_part_the_claims(self, inputs, experiment):
        table = read_verdicts(inputs["claims"])
        found = evidence(table, experiment.CONTENTS, ())
        sorted_out = [set(names.split()) for names in classes(table, found).values()]
        for _, choices in filters(found, experiment.CONTENTS):
            assert sum(value in names for names in sorted_out for value, _ in choices) == len(sorted_out) == 62

    @pytest.fixture
    def row(self):
        return dict(source="local", verdict="holds", effect=1.0, low=-1.0, high=3.0, unit="dB", published_value=2.0)

    def test_marks_lie_where_their_numbers_do(self, row):
        """On an axis from -1 to 3 zero is a quarter along, the effect half, the paper three quarters."""
        text = str(picture(pd.DataFrame([row])))
        left, right = 8, 232
        at = [left + share * (right - left) for share in (0.25, 0.5, 0.75)]
        assert f'class="zero" d="M{at[0]:.1f} ' in text
        assert f'<circle cx="{at[1]:.1f}"' in text
        assert f'class="paper" d="M{at[2]:.1f} ' in text
        assert f"M{left:.1f} 7H{right:.1f}" in text
        assert "these runs +1.00 dB, interval −1.00 dB to +3.00 dB; the paper +2.00 dB" in text

    @pytest.mark.parametrize(
        "changed",
        [
            dict(low=float("-inf"), high=float("inf")),
            dict(low=float("nan"), high=float("nan")),
            dict(effect=0.0, low=0.0, high=0.0, published_value=float("nan")),
            dict(unit="<b>"),
            dict(effect=1e300, high=1e300),
        ],
        ids=["endless", "one seed", "all zero", "marks in a unit", "huge"],
    )
    def test_every_interval_can_be_drawn(self, row, changed):
        text = str(picture(pd.DataFrame([row | changed])))
        Page(text)
        assert not re.search(r'[ "M]-?(nan|inf)', text)
        assert "<b>" not in text

    def test_without_an_effect_nothing_is_drawn(self, row):
        assert picture(pd.DataFrame([row | dict(effect=float("nan"))])) == ""


class TestClaims:
    def test_verdicts_are_counted(self, page, inputs):
        table = pd.read_csv(inputs["claims"])
        for source in ("local", "reference"):
            own = table[table["source"] == source]
            counts = own["verdict"].value_counts()
            assert tally(table, source).total == len(own) > 0
            assert (
                f"{counts.get('holds', 0)} of {len(own)} claims ✓ hold, {counts.get('does not hold', 0)} ✗ do not hold "
                f"and {counts.get('undecided', 0)} are ? undecided"
            ) in page.words
        kinds = tally(table, "local").by_kind
        assert [sum(int(row[column]) for row in kinds[:-1]) for column in range(1, 5)] == [
            int(value) for value in kinds[-1][1:]
        ]

    def test_each_row_has_its_verdicts_effects_and_seeds(self, page, inputs):
        table = pd.read_csv(inputs["claims"])
        assert list(page.cells) == list(dict.fromkeys(table["id"]))
        for _, row in table.iterrows():
            text = page.claim(row["id"])
            assert row["statement"] in text
            assert row["verdict"] in text
            if row["n_seeds"]:
                assert f"{row['n_seeds']} seed" in text
                assert effect_text(row["effect"], row["unit"]) in text
            if row["reason"].startswith("the experiment"):
                figures = {"sizes": "Figures 7 and 8 (a) to (c)", "measured": "Figure 5", "bands": "Figure 9"}
                assert f"The experiment of {figures[row['experiment']]} was not run." in text
        both = table[table["source"] == "reference"]["id"]
        assert len(both) > 5
        assert all("2,928 patterns, 25 epochs" in page.claim(name) for name in both)
        assert all(
            "700 <patterns>" in page.claim(name)
            for name in table[(table["source"] == "local") & (table["n_seeds"] > 0)]["id"]
        )

    def test_effects_are_in_a_readers_units(self):
        assert effect_text(0.4316, "dB") == "+0.43 dB"
        assert effect_text(-0.0321, "ssim") == "−3.21 percentage points"
        assert effect_text(0.0541, "fraction") == "+5.41 %"
        assert effect_text(0.0003, "share") == "0.030 % of the energy"
        assert effect_text(0.0069, "mse") == "+0.69×10⁻²"

    def test_an_interval_without_zero_does_not_begin_at_zero(self, inputs, experiment):
        verdicts = read_verdicts(inputs["claims"])
        row = verdicts[(verdicts["source"] == "local") & (verdicts["unit"] == "dB") & verdicts["low"].notna()].iloc[0]
        verdicts.loc[row.name, ["low", "high"]] = 0.0046, 0.62
        found = sections(verdicts, Labels(), experiment.CONTENTS)
        claim = next(claim for section in found for claim in section.claims if claim.id == row["id"])
        assert claim.local.interval == "+0.005 to +0.62"

    def test_reasons_are_in_a_readers_words(self, inputs, experiment):
        row = dict(
            id="one",
            place="Table I",
            statement="It is so.",
            judges="size",
            verdict="undecided",
            effect=0.05,
            low=0.01,
            high=0.2,
        )
        row |= dict(
            unit="fraction",
            n_seeds=3,
            rival="'ptynet', phase PSNR",
            source="local",
            scale="",
            published_value=0.042,
            interim=False,
            note="",
            experiment="table1",
        )
        row |= dict.fromkeys(VERDICTS_ELSEWHERE, "")
        row |= dict(reason="the interval includes 0.042 for 'ptynet', phase PSNR; 'dpi' (2 of 3 comparisons)")
        (section,) = sections(pd.DataFrame([row]), Labels(**inputs["labels"]), experiment.CONTENTS)
        (claim,) = section.claims
        assert claim.local.because == "the interval includes 4.20 % for PtyNet, phase PSNR; DPI (2 of 3 comparisons)"
        assert (claim.local.effect, claim.local.interval, claim.local.seeds) == (
            "+5.00 %",
            "+1.00 to +20.00",
            "3 seeds",
        )
        assert claim.published == "+4.20 %"
        assert section.tally == "1 undecided"

    @pytest.mark.parametrize(
        ("raw", "words"),
        [
            ("zero for 'dpi', 'overlap_50'; 'x-2', 'clean'", "zero for DPI, 50 % overlap; x-2, Noise-free"),
            ("zero for 'dpi' (2 of 3 comparisons)", "zero for DPI (2 of 3 comparisons)"),
            ("the experiment 'measured' was not run", "the experiment of Figure 5 was not run"),
            (
                "no runs in the experiment 'overlaps' of 'dpi' on '2'",
                "no runs in the experiment of Figure 8 of DPI on B",
            ),
            (
                "the experiment 'overlaps' has none of 'x-2' ('strip', whole)",
                "the experiment of Figure 8 has none of x-2 (test strip, whole)",
            ),
        ],
    )
    def test_names_stand_under_their_labels_and_words_are_left_alone(self, experiment, raw, words):
        """Of a dataset that is called 2, no number becomes its label."""
        of_a_user = {"2": "B", "zero": "C", "of": "D", "measured": "E"}
        labels = Labels(experiment.LABELS["datasets"] | of_a_user, experiment.LABELS["networks"])
        assert labels.in_words(raw, {"measured": "Figure 5", "overlaps": "Figure 8"}) == words

    def test_no_raw_name_is_printed(self, page, inputs):
        names = [*(name for part in inputs["labels"].values() for name in part), *BLOCKS, *CHANNEL_NAMES]
        raw = [name for name in names if "_" in name]
        assert "50 % overlap" in page.words
        assert {"overlap_50", "without_nlb", "lower_right", "relative_phase", "weighted_90"} <= set(raw)
        assert [name for name in raw if re.search(rf"\b{name}\b", page.words)] == []

    @pytest.fixture
    def flipped(self, inputs, tmp_path):
        """Arguments of a page on which two claims come out otherwise on the unseen part, and one of them on two other blocks; their names."""
        table = read_verdicts(inputs["claims"])
        judged = table[(table["source"] == "local") & (table["n_seeds"] > 0)]
        for column in VERDICTS_ELSEWHERE:
            table.loc[judged.index, column] = table.loc[judged.index, column].where(
                table[column] == "", table["verdict"]
            )
        on_a_block = judged.index[judged["verdict_strip"] != ""]
        holding = next(place for place in on_a_block if judged.at[place, "verdict"] == "holds")
        other = next(place for place in on_a_block if judged.at[place, "verdict"] != "holds")
        table.loc[holding, ["verdict_unseen", "verdict_strip", "verdict_lower_left"]] = "does not hold"
        table.loc[other, "verdict_unseen"] = "holds"
        write_csv(table, tmp_path / "claims.csv")
        names = (table.at[holding, "id"], table.at[other, "id"])
        counts = {
            name: int((judged[f"verdict_{name}"] != "").sum()) for name in ("unseen", "pattern", "lower_left", "strip")
        }
        return inputs | dict(claims=tmp_path / "claims.csv", output=tmp_path / "report.html"), names, counts

    def test_verdicts_that_differ_elsewhere_are_shown_and_counted(self, flipped):
        arguments, (holding, other), judged = flipped
        make_report(**told(arguments))
        page = Page(arguments["output"].read_text())
        assert "the pixels that no training pattern illuminates" in page.words
        found = tally(read_verdicts(arguments["claims"]), "local").elsewhere
        assert {line.where: (line.judged, line.flips, line.lost) for line in found} == {
            "on the unseen part": (judged["unseen"], 2, 1),
            "over single patterns": (judged["pattern"], 0, 0),
            "on the lower left block": (judged["lower_left"], 1, 1),
            "on the test strip": (judged["strip"], 1, 1),
            "on any other block": (judged["strip"], 1, 1),
        }
        assert f"on the unseen part {judged['unseen']} 2 1" in page.words
        assert f"on any other block {judged['strip']} 1 1" in page.words
        local = {name: text.split("2,928 patterns")[0] for name in page.cells if (text := page.claim(name))}
        assert "✓ holds" in local[holding]
        for where in ("On the unseen part", "On the lower left block", "On the test strip"):
            assert f"{where}: ✗ does not hold." in local[holding]
        assert "On the unseen part: ✓ holds." in local[other]
        assert (
            sum(
                "700 <patterns>" in text and "On the unseen part" in text.split("700 <patterns>")[0]
                for text in local.values()
            )
            == 2
        )

    def test_an_unknown_verdict_on_the_unseen_part_is_named(self, inputs, tmp_path):
        table = read_verdicts(inputs["claims"])
        table.loc[3, "verdict_unseen"] = "maybe"
        write_csv(table, tmp_path / "claims.csv")
        with pytest.raises(InputError, match="verdict_unseen 'maybe' is unknown"):
            read_verdicts(tmp_path / "claims.csv")

    def test_verdicts_on_fewer_seeds_than_were_fixed_are_interim(self, page, small_page, inputs):
        table = read_verdicts(inputs["claims"])
        interim = table.loc[table["interim"].astype(bool), "id"]
        assert set(interim) == set(table.loc[table["source"] == "reference", "id"])
        assert all("Interim: 3 of the 10 seeds fixed beforehand." in page.claim(name) for name in interim)
        # Before a claim is opened, too.
        assert all("· reference runs: interim, 3 seeds ·" in page.claim(name) for name in interim)
        assert f"{len(interim)} of the {len(interim)} verdicts on reference runs are interim" in page.words
        assert "nterim" not in small_page.words

    def test_notes_on_the_papers_evidence_are_shown(self, page):
        assert "The paper says 5.4 %; by Table I that is 14.42 against 13.68 dB." in page.claim(
            "abstract-amplitude-psnr-gain"
        )

    @pytest.mark.parametrize(
        ("place", "title"),
        [
            ("Abstract", "Abstract"),
            ("Section IV-E1, Figure 8", "Section IV-E: Performance comparison under limited data"),
            ("Table I", "Section IV-B: Performance comparison and analysis"),
            ("Section VI-Z2", "Section VI-Z"),
        ],
    )
    def test_places_belong_to_sections(self, experiment, place, title):
        assert section_of(place, experiment.CONTENTS) == title

    def test_every_claim_is_in_one_section(self, inputs, experiment):
        table = read_verdicts(inputs["claims"])
        found = sections(table, Labels(**inputs["labels"]), experiment.CONTENTS)
        assert len({section.title for section in found}) == len(found) == 9
        assert sorted(claim.id for section in found for claim in section.claims) == sorted(set(table["id"]))

    def test_an_unknown_verdict_is_named(self, inputs, tmp_path):
        table = pd.read_csv(inputs["claims"])
        table.loc[3, "verdict"] = "maybe"
        write_csv(table, tmp_path / "claims.csv")
        with pytest.raises(InputError, match="verdict 'maybe' is unknown"):
            read_verdicts(tmp_path / "claims.csv")
