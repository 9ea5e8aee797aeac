"""Sentences say what the numbers say, and no more."""

import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from ptychoformer.publication.tables.layout import Part
from ptychoformer.publication.tables.words import anova_sentence, pair_sentence, statements

PLACE = {"dataset": "clean", "test": "clean", "factor": "model", "held": "mse", "n_train": 700}
PART = Part("lower_right", "whole", "scene")
PLACE |= PART._asdict() | {"channel": "amplitude", "metric": "psnr"}
ANOVA = PLACE | dict(
    n_seeds=3,
    n_levels=4,
    F=41.23,
    df_effect=3.0,
    df_error=6.0,
    p=0.0002,
    p_gg=0.02,
    eta_squared=0.95,
    eta_low=0.6,
    eta_high=0.98,
)
PAIR = PLACE | dict(
    a="ptychonn", b="ptychoformer", n_seeds=3, difference=-5.1, low=-6.0, high=-4.2, p=0.0003, alpha=0.05 / 6
)
PAIR |= dict(significant=True, d_z=-4.5, note=np.nan)
NETWORKS = {"ptychonn": "PtychoNN", "ptynet": "PtyNet", "dpi": "DPI", "ptychoformer": "Ptychoformer"}


def anova(**changes):
    return anova_sentence(pd.Series({"note": np.nan} | ANOVA | changes))


def pair(**changes):
    return pair_sentence(pd.Series(PAIR | changes), NETWORKS)


def test_networks_that_differ():
    assert anova() == (
        "The four networks differed in amplitude PSNR of the stitched scene (F(3, 6) = 41.2, p = 0.0002, Greenhouse-Geisser p = 0.020, "
        "partial η² = 0.95 with 95 % interval 0.60 to 0.98, 3 seeds)."
    )


def test_losses_are_called_losses():
    assert anova(factor="loss", n_levels=14).startswith("The fourteen losses differed in amplitude PSNR")


def test_what_does_not_differ_is_never_called_equal():
    assert anova(p=0.3, p_gg=0.4).startswith(
        "The four networks could not be separated in amplitude PSNR of the stitched scene (F(3, 6)"
    )


def test_the_corrected_p_decides():
    assert "could not be separated in amplitude PSNR of the stitched scene once corrected" in anova(p=0.01, p_gg=0.09)
    assert "differed" in anova(p=0.01, p_gg=np.nan)


def test_a_caution_is_passed_on():
    assert anova(note="n=3: interval wide").endswith("3 seeds). Caution: n=3: interval wide.")


@pytest.mark.parametrize("note", ["", np.nan])
def test_nothing_noted_is_no_caution(note):
    assert anova(note=note).endswith("3 seeds).")
    assert anova(p=np.nan, note=note).endswith("no reason given.")


def test_what_was_not_tested_says_why():
    assert anova(p=np.nan, note="needs at least 2 seeds, has 1").endswith(
        "not tested in amplitude PSNR of the stitched scene: needs at least 2 seeds, has 1."
    )
    assert (
        pair(p=np.nan, note="needs at least 2 seeds, has 1")
        == "PtychoNN and Ptychoformer were not compared: needs at least 2 seeds, has 1."
    )


def test_a_pair_is_told_from_the_side_of_the_better_network():
    expected = "Ptychoformer led PtychoNN by 5.10 dB (95 % interval 4.20 to 6.00, d_z = 4.50, p = 0.0003, below 0.0083, 3 seeds)."
    assert pair() == expected
    swapped = dict(a="ptychoformer", b="ptychonn", difference=5.1, low=4.2, high=6.0, d_z=4.5)
    assert pair(**swapped) == expected


def test_a_lower_error_leads():
    assert pair(metric="mse", difference=0.007, low=0.005, high=0.009, d_z=2.0) == (
        "Ptychoformer led PtychoNN by 0.70×10⁻² (95 % interval 0.50 to 0.90, d_z = 2.00, p = 0.0003, below 0.0083, 3 seeds)."
    )


def test_a_pair_that_could_not_be_separated():
    assert pair(difference=0.2, low=-0.3, high=0.7, d_z=0.6, p=0.31, significant=False) == (
        "PtychoNN and Ptychoformer could not be separated "
        "(0.20 dB in favour of PtychoNN, 95 % interval −0.30 to 0.70, d_z = 0.60, p = 0.31, not below 0.0083, 3 seeds)."
    )


def test_an_interval_of_one_pair_alone_that_leaves_zero_out_is_called_uncorrected():
    assert pair(difference=-0.2, low=-0.3, high=-0.1, d_z=-2.6, p=0.02, significant=False) == (
        "Ptychoformer and PtychoNN could not be separated (0.20 dB in favour of Ptychoformer, 95 % interval 0.10 to 0.30,"
        " not corrected for the number of pairs, d_z = 2.60, p = 0.020, not below 0.0083, 3 seeds)."
    )


@pytest.fixture
def analysed(tmp_path, experiment):
    """What `evaluation.statistics` makes of an experiment of so many seeds."""

    def analysed(seeds):
        files = experiment.write_metrics(tmp_path, experiment.make_metrics(seeds=seeds))
        return pd.read_csv(files.anova), pd.read_csv(files.pairwise)

    return analysed


def test_every_pair_is_spoken_of_once(analysed, experiment):
    found = statements(*analysed(6), experiment.CONDITIONS, experiment.MODELS, PART)
    # Three metrics of amplitude and phase, PSNR and SSIM of the relative phase.
    assert [statement.condition for statement in found] == ["Noise-free"] * 8 + ["Noisy"] * 8
    assert sum("in relative phase PSNR of the stitched scene" in statement.overall for statement in found) == 2
    for statement in found:
        assert statement.overall.startswith("The four networks")
        text = " ".join(statement.pairs)
        # Every pair of the leader in full, whether its lead is significant or not.
        assert sum("Ptychoformer" in sentence for sentence in statement.pairs) == 3
        assert [text.count(pair) for pair in ("PtychoNN and PtyNet", "PtychoNN and DPI", "PtyNet and DPI")] == [1, 1, 1]


def test_one_seed_is_one_sentence_a_condition(analysed, experiment):
    found = statements(*analysed(1), experiment.CONDITIONS, experiment.MODELS, PART)
    assert [(statement.overall, statement.pairs) for statement in found] == [
        ("Not tested: needs at least 2 seeds, has 1.", ())
    ] * 2


def test_a_region_that_was_not_analysed_is_passed_over(analysed, experiment):
    whole = [table[table["region"] == "whole"] for table in analysed(3)]
    assert statements(*whole, experiment.CONDITIONS, experiment.MODELS, PART._replace(region="unseen")) == []


@pytest.fixture(scope="module")
def of_losses(tmp_path_factory, experiment):
    """Statements on the losses of Table IV, of six seeds."""
    table = experiment.TABLES["IV"]
    files = experiment.write_metrics(tmp_path_factory.mktemp("losses"), experiment.metrics_of(table, seeds=6), "loss")
    return statements(
        pd.read_csv(files.anova), pd.read_csv(files.pairwise), table.conditions, table.methods, PART, factor="loss"
    )


def test_losses_of_a_network(of_losses):
    assert [statement.condition for statement in of_losses] == ["Ptychoformer"] * 8
    for statement in of_losses:
        assert statement.overall.startswith("The seven losses")
        assert sum(" seeds)." in sentence for sentence in statement.pairs) == 6


def test_many_pairs_are_counted_and_not_named(of_losses):
    for statement in of_losses:
        differed, alike = map(
            int, re.fullmatch(r"Of the other 15 pairs, (\d+) differed and (\d+) could.*", statement.pairs[-1]).groups()
        )
        assert differed + alike == 15
        assert len(statement.pairs) == 7


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (4, ("Of the other pairs, B and D differed.", "Of the other pairs, B and C; C and D could not be separated.")),
        (7, ("Of the other 15 pairs, 10 differed and 5 could not be separated.",)),
    ],
)
def test_other_pairs_are_told_by_whether_they_differed(count, said):
    """A leads; of the others those differ that are no neighbours."""
    methods = {name: name.upper() for name in "abcdefg"[:count]}
    pairs = [
        PAIR | dict(a=a, b=b, difference=float(9 * (a == "a")), significant=ord(b) - ord(a) > 1, note=np.nan)
        for a, b in combinations(methods, 2)
    ]
    (found,) = statements(
        pd.DataFrame([ANOVA | {"note": np.nan}]), pd.DataFrame(pairs), {"clean": "Clean"}, methods, PART
    )
    assert found.pairs[count - 1 :] == said


def test_the_other_factor_has_nothing_to_say(analysed, experiment):
    assert statements(*analysed(2), {"mse": "MSE"}, experiment.MODELS, PART, factor="loss") == []


def test_pairs_belong_to_their_own_test(tmp_path, experiment):
    own = experiment.make_metrics(seeds=6, conditions=("clean",), regions=("whole",)).query(
        "metric == 'psnr' and channel == 'phase'"
    )
    elsewhere = own.assign(test="noisy", value=own["value"] - 1)
    files = experiment.write_metrics(tmp_path, pd.concat([own, elsewhere]))
    found = statements(
        pd.read_csv(files.anova), pd.read_csv(files.pairwise), {"clean": "Noise-free"}, experiment.MODELS, PART
    )
    assert len(found) == 2
    assert [sum("Ptychoformer led" in sentence for sentence in statement.pairs) for statement in found] == [3, 3]
