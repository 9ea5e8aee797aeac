"""The tables of `docs/readings.md` say what the reference runs and the trials beside them hold."""

import re
from pathlib import Path

import pandas as pd
import pytest

from ptychoformer.configuration import FULL_SIZE, read_config
from ptychoformer.publication.claims.catalogue import read_claims
from ptychoformer.publication.claims.evidence import Numbers
from ptychoformer.publication.claims.judge import VERDICTS_ELSEWHERE, judge, verdict_of
from ptychoformer.publication.claims.verdicts import FAILS, HOLDS, UNDECIDED
from ptychoformer.publication.store.files import read_scores
from ptychoformer.publication.store.holdings import RETRAINED

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "resources" / "reference"
PAGE = (ROOT / "docs" / "readings.md").read_text(encoding="utf-8")
NETWORKS = {"PtychoNN": "ptychonn", "PtyNet": "ptynet", "DPI": "dpi", "Ptychoformer": "ptychoformer"}
ROWS = {**NETWORKS, "floor": "floor", "ceiling of one pattern": "one_pattern"}
PLACE = ["block", "region", "level", "channel", "metric"]
PLACES = [(block, level) for block in ("lower_right", "lower_left") for level in ("scene", "pattern", "released")]


def of_mse():
    """The scores of networks that were trained with the mean squared error, and of what was not trained."""
    return read_scores(REFERENCE).query("loss in ('mse', 'none')")


def table(heading):
    """The cells of the table whose first line begins so, a list a row."""
    lines = PAGE[PAGE.index(f"\n{heading}") + 1 :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def scores():
    """Scores of whole blocks at full size, trained and tested on the same scan, by what they are of."""
    found = of_mse()
    found = found[(found["region"] == "whole") & (found["dataset"] == found["test"]) & (found["n_train"] == 2928)]
    return found.set_index(["dataset", "model", "block", "level", "channel", "metric", "seed"])["value"].sort_index()


def both(scores, *place):
    """Means over ten seeds of PSNR and SSIM as they are printed; empty where there are none."""
    if (*place, "psnr") not in scores.index.droplevel("seed"):
        return ""
    decibels, similarity = scores[*place, "psnr"], scores[*place, "ssim"]
    assert len(decibels) == len(similarity) == 10
    return f"{decibels.mean():.2f} / {100 * similarity.mean():.1f}"


def of_ten_seeds(values):
    """Mean and sample standard deviation as they are printed."""
    assert len(values) == 10
    return f"{values.mean():.2f} ± {values.std():.2f}"


def test_scores_on_both_blocks_are_those_of_the_reference_runs(scores):
    rows, model = table("| noise-free | printed |"), None
    for name, _, *cells in rows:
        *named, channel = name.split(", ")
        model = ROWS[named[0]] if named else model
        channel = channel.replace(" ", "_")
        assert cells == [both(scores, "clean", model, block, level, channel) for block, level in PLACES], name
    assert len(rows) == 15


def test_scores_of_few_training_patterns_are_those_of_the_reference_runs():
    found = of_mse().query(
        "dataset == test == 'clean' and block == 'lower_right' and region == 'unseen'"
        " and level == 'scene' and metric == 'psnr'"
    )
    found = found.set_index(["model", "channel", "n_train"])["value"].sort_index()
    rows, model = table("| PSNR, dB | 50 | 100 |"), None
    for name, *cells in rows:
        *named, channel = name.split(", ")
        model = ROWS[named[0]] if named else model
        for size, cell in zip((50, 100, 200, 500, 2928), cells, strict=True):
            place = model, channel.replace(" ", "_"), size
            assert cell == of_ten_seeds(found[place]), place
    assert len(rows) == 10


def test_losses_of_few_training_patterns_are_those_of_the_reference_runs():
    histories = pd.read_csv(REFERENCE / "histories.csv.gz")
    last = histories.query("dataset == 'clean' and loss == 'mse' and epoch == 25 and model in @NETWORKS.values()")
    losses = last.groupby(["n_train", "model"])["validation_loss"].mean().unstack()
    assert list(losses.index) == [50, 100, 200, 500, 2928]
    assert set(losses.idxmin(axis=1)) == {"ptychoformer"}
    ours, others = losses.loc[500, "ptychoformer"], losses.loc[500].drop("ptychoformer")
    assert f"it is {ours:.3f}, that of the others {others.min():.3f} to {others.max():.3f}." in PAGE


def test_scores_at_less_overlap_are_those_of_the_reference_runs():
    found = of_mse().query(
        "dataset == test and block == 'lower_right' and region == 'whole'"
        " and level == 'scene' and channel == 'amplitude' and metric == 'psnr'"
    )
    found = found.set_index(["model", "dataset", "n_train"])["value"].sort_index()
    scans = [("clean", 2928), ("overlap_50", 744), ("overlap_25", 336), ("overlap_0", 192)]
    rows = table("| overlap | 75 % |")
    for name, *cells in rows:
        for scan, cell in zip(scans, cells, strict=True):
            place = {**NETWORKS, "ePIE": "epie"}[name], *scan
            assert cell == of_ten_seeds(found[place]), place
    assert len(rows) == 5


def test_scores_under_noise_are_those_of_the_reference_runs(scores):
    rows, model = table("| noisy, lower right | printed |"), None
    for name, _, *cells in rows:
        *named, channel = name.split(", ")
        model = ROWS[named[0]] if named else model
        assert cells == [both(scores, "noisy", model, block, level, channel) for block, level in PLACES[:3]], name
    assert len(rows) == 8


def test_what_is_printed_beside_them_is_the_papers(scores):
    published = pd.read_csv(ROOT / "resources/published/table1.csv")
    published = published.set_index(["condition", "method", "channel", "metric"])["mean"]
    for heading, condition in (("| noise-free | printed |", "clean"), ("| noisy, lower right | printed |", "noisy")):
        printed, model = {}, None
        for name, cell, *_ in table(heading):
            *named, channel = name.split(", ")
            model = ROWS[named[0]] if named else model
            printed |= {(model, channel): cell} if cell else {}
        assert printed == {
            (model, channel): f"{published[condition, model, channel, 'psnr']:.2f}"
            f" / {100 * published[condition, model, channel, 'ssim']:.1f}"
            for model in NETWORKS.values()
            for channel in ("amplitude", "phase")
        }


def test_gains_of_synchronised_phases_are_those_of_the_reference_runs(scores):
    rows, condition = table("| | PtychoNN | PtyNet | DPI | Ptychoformer |"), None
    for name, *cells in rows:
        *named, block = name.split(", ")
        condition = {"noise-free": "clean", "noisy": "noisy"}[named[0]] if named else condition
        block = block.replace(" ", "_")
        for model, cell in zip(NETWORKS.values(), cells, strict=True):
            gains = [
                scores[condition, model, block, "synchronised", channel, "psnr"]
                - scores[condition, model, block, "scene", channel, "psnr"]
                for channel in ("phase", "relative_phase")
            ]
            assert cell == " / ".join(f"{gain.mean():+.2f} ({(gain > 0).sum()})" for gain in gains), name
    assert len(rows) == 6


def test_scores_by_how_batch_norm_averages_are_those_of_the_trial():
    tried = pd.read_csv(REFERENCE / "batch_norm.csv")
    about = {"dataset": "overlap_0", "n_train": 192, "block": "lower_right", "level": "scene", "metric": "psnr"}
    assert all(set(tried[column]) == {value} for column, value in about.items())
    kept = of_mse().query(f"dataset == test and region == 'whole' and seed < 3 and {_all_of(about)}")
    torch, keras = (rows.set_index(["model", "channel"])["value"].sort_index() for rows in (kept, tried))
    rows = table("| PSNR, dB | amplitude, `torch` |")
    for name, *cells in rows:
        model = ROWS[name.removesuffix(", large")]
        both = [(torch, "amplitude"), (keras, "amplitude"), (torch, "phase"), (keras, "phase")]
        for cell, (found, channel) in zip(cells, both, strict=True):
            values = found.get((model, channel), pd.Series(dtype=float))
            assert cell == (f"{values.mean():.2f} ± {values.std():.2f}" if len(values) else ""), name
            assert len(values) in (0, 3)
    assert [name for name, *_ in rows] == ["Ptychoformer", "DPI, large", "PtychoNN", "PtyNet", "floor"]
    least = min(torch[model, "amplitude"].min() for model in ("ptychonn", "ptynet", "floor"))
    assert keras["ptychoformer", "amplitude"].max() < least < torch["ptychoformer", "amplitude"].min()


def _all_of(about):
    """A query of rows that have all these values."""
    return " and ".join(f"{column} == {value!r}" for column, value in about.items())


def test_gains_by_tie_are_those_of_the_trial():
    tried = pd.read_csv(REFERENCE / "ties.csv").set_index(["tie", "model", "seed"]).sort_index()
    gains = (tried.drop(index=float("inf"), level="tie") - tried.loc[float("inf")]).sort_index()
    rows = table("| tie |")
    for tie, *cells in rows:
        parts = [*(gains.loc[float(tie), model] for model in ("ptynet", "ptychonn")), gains.loc[float(tie)]]
        assert cells == [f"{part['phase'].mean():+.2f} / {part['relative_phase'].mean():+.2f}" for part in parts], tie
    assert len(rows) == gains.index.unique("tie").size == 10


def test_losses_from_either_start_are_those_of_the_trial_and_bold_is_lower_with_every_seed():
    tried = pd.read_csv(REFERENCE / "trials.csv", keep_default_na=False)
    last = tried[(tried["n_train"] == 732) & (tried["epoch"] == tried["epochs"])]
    losses = last.set_index(["model", "blocks", "initialisation", "seed"])["validation_loss"].sort_index()
    rows = table("| | torch's own | Glorot-uniform |")
    for name, *cells in rows:
        model, _, blocks = re.fullmatch(r"(\w+)(, `blocks: (\w+)`)?", name).groups(default="")
        starts = [losses[model, blocks, start] for start in ("torch", "glorot")]
        for cell, own, other in zip(cells, starts, reversed(starts), strict=True):
            text = f"{own.mean():.4f} ± {own.std():.4f}"
            assert cell == (f"**{text}**" if (own < other).all() else text), name
    assert len(rows) == 7


def test_scores_of_losses_are_those_of_the_seeds_that_all_of_them_have():
    """All trained on a CPU, with the mean squared error too."""
    runs = pd.concat([read_scores(REFERENCE / RETRAINED), read_scores(REFERENCE).query("loss != 'mse'")])
    found = runs.query(
        "dataset == test == 'clean' and model == 'ptychoformer' and n_train == 2928 and block == 'lower_right'"
        " and region == 'whole' and level == 'scene' and metric in ('psnr', 'ssim')"
    )
    names = {"MSE": "mse", "MAE": "mae", "Huber": "huber", "NPCC": "npcc", "NSSIM": "nssim"}
    names |= {f"weighted, 0.{tenth}": f"weighted_{tenth}0" for tenth in range(2, 10)}
    found = found[found["loss"].isin(names.values())]
    seeds = set.intersection(*(set(part["seed"]) for _, part in found.groupby("loss")))
    assert seeds == {0, 1, 2}
    assert set(found["device"]) == {"cpu"}
    found = found[found["seed"].isin(seeds)].set_index(["loss", "channel", "metric", "seed"])["value"].sort_index()
    rows = table("| loss | amplitude |")
    for name, *cells in rows:
        for channel, cell in zip(("amplitude", "phase", "relative_phase"), cells, strict=True):
            decibels, similarity = (found[names[name], channel, metric] for metric in ("psnr", "ssim"))
            assert cell == f"{decibels.mean():.2f} ± {decibels.std():.2f} / {100 * similarity.mean():.1f}", name
    assert [names[name] for name, *_ in rows] == list(names.values())
    assert "With each of the three seeds the weights 0.3 to 0.8 give a better relative phase than 0.9," in PAGE
    for metric in ("psnr", "ssim"):
        scores = found.loc[:, "relative_phase", metric]
        for tenth in range(3, 9):
            assert (scores[f"weighted_{tenth}0"].to_numpy() > scores["weighted_90"].to_numpy()).all()


def test_claims_on_overlaps_come_out_alike_on_the_unseen_part():
    runs = read_scores(REFERENCE)
    numbers = Numbers(runs[(runs["level"] == "scene") & (runs["channel"] == "amplitude") & (runs["metric"] == "psnr")])
    verdicts = {}
    for claim in read_claims(ROOT / "resources/published/claims.yaml"):
        if claim.test.experiment == "overlaps":
            elsewhere = claim.test.elsewhere("lower_right", "scene")
            both = (claim.test.on("lower_right", "scene"), elsewhere["unseen"])
            verdicts[claim.id] = [verdict_of(test, numbers) for test in both]
    assert len(verdicts) == 3
    assert all(both[0].verdict == both[1].verdict for both in verdicts.values())
    assert all(part.n_seeds == 10 for both in verdicts.values() for part in both)
    # Without overlap nothing of the block is seen; at 75 % its first rows are.
    assert verdicts["overlap-zero-amplitude-psnr"][0] == verdicts["overlap-zero-amplitude-psnr"][1]
    assert verdicts["overlap-smaller-drop"][0].effect != verdicts["overlap-smaller-drop"][1].effect


def test_four_verdicts_would_change_with_the_seeds_that_were_trained_again():
    """And networks of one seed are compared as one device trained them."""
    runs, again = (
        read_scores(store).query("block == 'lower_right' and level == 'scene'")
        for store in (REFERENCE, REFERENCE / RETRAINED)
    )
    key = ["dataset", "test", "model", "loss", "n_train", "seed"]
    others = pd.concat([runs, again]).drop_duplicates([*key, *PLACE], keep="last")
    verdicts = [
        {
            claim.id: verdict_of(claim.test.on("lower_right", "scene"), Numbers(part[part["epochs"].notna()])).verdict
            for claim in read_claims(ROOT / "resources/published/claims.yaml")
            if claim.test.experiment not in ("bands", "measured", "table4")
        }
        for part in (runs, others)
    ]
    changed = {name: (one, verdicts[1][name]) for name, one in verdicts[0].items() if one != verdicts[1][name]}
    assert changed == {
        "overlap-smaller-drop": (UNDECIDED, HOLDS),
        "ablation-nlb": (UNDECIDED, FAILS),
        "ablation-constraints-size": (UNDECIDED, FAILS),
        "variants-amplitude-psnr": (UNDECIDED, FAILS),
    }
    cells = runs.query("loss == 'mse'").groupby(["dataset", "test", "n_train", "seed"])
    assert (cells["device"].nunique() == 1).all()


def test_kept_verdicts_are_those_on_every_run_of_the_store(tmp_path):
    asked = {
        name: entry["n_train"]
        for name, entry in read_config(ROOT / FULL_SIZE)["experiments"].items()
        if "n_train" in entry
    }
    place = {"block": "lower_right", "level": "scene"}
    claims = ROOT / "resources/published/claims.yaml"
    judge(claims, {}, None, REFERENCE, **place, scales={}, asked_of_reference=asked, output_csv=tmp_path / "claims.csv")
    judged, kept = (
        pd.read_csv(folder / "claims.csv", keep_default_na=False).set_index("id") for folder in (tmp_path, REFERENCE)
    )
    judged, kept = judged[judged["source"] == "reference"], kept[kept["n_seeds"] > 0]
    assert sorted(judged.index) == sorted(kept.index)
    columns = ["n_seeds", "verdict", *VERDICTS_ELSEWHERE]
    pd.testing.assert_frame_equal(judged[columns].sort_index(), kept[columns].sort_index(), check_dtype=False)
