"""Table I: the paper's numbers, ours beside them, and the right ones in bold."""

import re

import numpy as np
import pandas as pd
import pytest

from ptychoformer.errors import InputError
from ptychoformer.publication.table1 import COLUMNS, compare, make_table, notes
from ptychoformer.publication.typeset import rows

NOTE = "Trained on 700 patterns for 12 epochs & 3 % of that again."


@pytest.fixture
def published(experiment):
    return pd.read_csv(experiment.PUBLISHED)


@pytest.fixture
def make(tmp_path, experiment):
    """The table of given metrics, through files; returns the tidy table, Markdown and LaTeX."""

    def make(metrics, conditions=experiment.CONDITIONS):
        files = experiment.write_metrics(tmp_path, metrics)
        outputs = {kind: tmp_path / f"table1.{kind}" for kind in ("csv", "md", "tex")}
        arguments = dict(conditions=conditions, models=experiment.MODELS, scale_note=NOTE)
        make_table(files.metrics, experiment.PUBLISHED, files.pairwise, **arguments, **outputs)
        return pd.read_csv(outputs["csv"]), outputs["md"].read_text(), outputs["tex"].read_text()

    return make


def cell(table, model, metric, condition="clean", region="block", channel="amplitude"):
    keys = {"condition": condition, "model": model, "region": region, "channel": channel, "metric": metric}
    found = table[(table[list(keys)] == pd.Series(keys)).all(axis=1)]
    assert len(found) == 1
    return found.iloc[0]


class TestPublished:
    def test_every_condition_network_channel_and_metric_once(self, published):
        keys = ["condition", "model", "channel", "metric"]
        assert len(published) == 48 == len(published.drop_duplicates(keys))
        assert published[keys].nunique().tolist() == [2, 4, 2, 3]

    @pytest.mark.parametrize(
        ("condition", "model", "channel", "metric", "mean", "std"),
        [
            ("clean", "ptychonn", "amplitude", "mse", 0.0432, 0.0002),
            ("clean", "ptychoformer", "amplitude", "psnr", 14.42, 0.08),
            ("clean", "ptynet", "phase", "ssim", 0.678, 0.013),
            ("noisy", "dpi", "amplitude", "ssim", 0.742, 0.0065),
            ("noisy", "ptynet", "phase", "mse", 0.0143, 0.0007),
            ("noisy", "ptychoformer", "phase", "ssim", 0.683, 0.011),
        ],
    )
    def test_spot_values(self, published, condition, model, channel, metric, mean, std):
        row = published.query("condition == @condition and model == @model and channel == @channel and metric == @metric").iloc[0]
        assert (row["mean"], row["std"]) == (mean, std)

    def test_psnr_belongs_to_mse_as_far_as_the_paper_does(self, published):
        # The mean of PSNRs is at least the PSNR of the mean MSE; the paper's rounding and contradictions reach 0.15 dB.
        wide = published.pivot(index=["condition", "model", "channel"], columns="metric", values="mean")
        assert (wide["psnr"] + 10 * np.log10(wide["mse"])).abs().max() < 0.2

    def test_ptychoformer_is_best_everywhere(self, published):
        for (_, _, metric), group in published.groupby(["condition", "channel", "metric"]):
            best = group["mean"].idxmin() if metric == "mse" else group["mean"].idxmax()
            assert group.at[best, "model"] == "ptychoformer"


def test_ours_published_and_difference(make, experiment):
    metrics = experiment.make_metrics()
    table, *_ = make(metrics)
    assert list(table) == COLUMNS
    assert len(table) == 2 * 2 * 6 * 6  # regions, conditions, networks and references, columns
    values = metrics.query("dataset == 'clean' and model == 'dpi' and region == 'block' and channel == 'amplitude' and metric == 'psnr'")[
        "value"
    ]
    row = cell(table, "dpi", "psnr")
    assert row["ours_mean"] == pytest.approx(values.mean())
    assert row["ours_std"] == pytest.approx(np.std(values, ddof=1))
    assert (row["n_seeds"], row["published_mean"], row["published_std"]) == (3, 13.68, 0.12)
    assert row["difference"] == pytest.approx(values.mean() - 13.68)


@pytest.mark.parametrize(("metric", "best", "worst"), [("mse", 0.03, 0.04), ("psnr", 15, 14), ("ssim", 0.9, 0.8)])
def test_bold_is_the_better_network_and_never_a_reference(make, experiment, metric, best, worst):
    metrics = experiment.make_metrics()
    chosen = metrics["metric"] == metric
    metrics.loc[chosen & metrics["model"].isin(experiment.MODELS), "value"] = worst
    metrics.loc[chosen & (metrics["model"] == "ptynet"), "value"] = best
    table, markdown, latex = make(metrics)
    marked = table[table["best"] & (table["metric"] == metric)]
    assert set(marked["model"]) == {"ptynet"}
    assert len(marked) == 2 * 2 * 2
    assert all("**" not in line for line in markdown.splitlines() if re.match(r"\| (Noise-free|Noisy) +\| (Floor|Ceiling)", line))
    assert not re.search(r"(Floor|Ceiling) &.*mathbf", latex)


def test_networks_that_print_alike_are_all_bold(make, experiment):
    metrics = experiment.make_metrics()
    networks = (metrics["metric"] == "psnr") & metrics["model"].isin(experiment.MODELS)
    metrics.loc[networks, "value"] = 13.0
    metrics.loc[networks & (metrics["model"] == "dpi"), "value"] = 14.001
    metrics.loc[networks & (metrics["model"] == "ptynet"), "value"] = 14.004
    table, *_ = make(metrics)
    assert set(table[table["best"] & (table["metric"] == "psnr")]["model"]) == {"dpi", "ptynet"}


def test_dagger_is_the_test_against_the_best(experiment, published):
    metrics = experiment.make_metrics(conditions=("clean",), regions=("block",))
    place = {"dataset": "clean", "region": "block", "level": "scene", "channel": "amplitude", "metric": "mse", "alpha": 0.0083, "note": ""}
    pairs = [("ptychonn", "ptychoformer", 0.001, True), ("ptynet", "ptychoformer", 0.2, False), ("ptychonn", "ptynet", 0.001, True)]
    pairwise = pd.DataFrame([place | dict(model_a=a, model_b=b, p=p, significant=apart) for a, b, p, apart in pairs])
    table = compare(metrics, published, pairwise, ["clean"], list(experiment.MODELS))
    found = {model: cell(table, model, "mse")["differs_from_best"] for model in experiment.MODELS}
    assert found["ptychonn"] is True
    assert found["ptynet"] is False
    assert pd.isna([found["dpi"], found["ptychoformer"]]).all()
    marked = [row.method for row in rows(table, "block", experiment.CONDITIONS, experiment.MODELS) if row.cells[0].differs]
    assert marked == ["PtychoNN"]
    assert any("p < 0.0083" in note for note in notes(table, pairwise, ""))


def test_one_seed_has_no_spread_and_no_test(make, experiment):
    table, markdown, latex = make(experiment.make_metrics(seeds=1))
    assert table["ours_std"].isna().all()
    assert table["differs_from_best"].isna().all()
    body = [line for line in markdown.splitlines() if line.startswith("| Noi")]
    assert not any("±" in line or "†" in line for line in body)
    assert r"\pm" not in latex.split(r"\bottomrule")[0]
    assert "not tested: needs at least 2 seeds, has 1." in markdown
    assert "nan" not in (markdown + latex).lower()


def test_a_condition_that_the_paper_does_not_have(make, experiment):
    metrics = experiment.make_metrics(conditions=("clean", "curved"))
    table, markdown, _ = make(metrics, conditions={"clean": "Noise-free", "curved": "Curved"})
    assert table.query("condition == 'curved'")[["published_mean", "difference"]].isna().all(axis=None)
    assert table.query("condition == 'curved'")["best"].sum() == 12
    assert not any("(" in line for line in markdown.splitlines() if line.startswith("| Curved"))


def test_the_paper_has_no_values_for_unseen_pixels(make, experiment):
    table, *_ = make(experiment.make_metrics())
    assert table.query("region == 'unseen'")["published_mean"].isna().all()


def test_a_scan_too_small_for_unseen_pixels_has_one_table(make, experiment):
    metrics = experiment.make_metrics()
    metrics.loc[metrics["region"] == "unseen", "value"] = np.nan
    table, markdown, latex = make(metrics)
    assert set(table["region"]) == {"block"}
    assert markdown.count("## ") == latex.count(r"\begin{tabular}") == 1


def test_a_perfect_ceiling_is_infinite(make, experiment):
    _, markdown, latex = make(experiment.make_metrics())
    assert "∞" in markdown
    assert r"$\infty$" in latex


def test_latex_is_well_formed(make, experiment):
    _, _, latex = make(experiment.make_metrics())
    bare = latex.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert latex.isascii()
    assert latex.replace(r"\$", "").count("$") % 2 == 0
    for environment in ("table*", "tabular", "minipage"):
        assert latex.count(f"\\begin{{{environment}}}") == latex.count(f"\\end{{{environment}}}") == 2
    for tabular in re.findall(r"\\begin\{tabular\}\{llc{6}\}(.*?)\\end\{tabular\}", latex, re.DOTALL):
        lines = [line for line in tabular.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        assert len(lines) >= 13
        assert {line.count("&") - line.count(r"\&") for line in lines} == {7}
    assert r"12 epochs \& 3 \% of that" in latex


def test_markdown_tables_are_rectangular(make, experiment):
    _, markdown, _ = make(experiment.make_metrics())
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(lines) == 2 * (2 + 12)
    assert {line.count("|") for line in lines} == {9}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda metrics: metrics[metrics["model"] != "dpi"], "no model 'dpi'"),
        (lambda metrics: metrics[metrics["dataset"] != "noisy"], "no dataset 'noisy'"),
        (lambda metrics: pd.concat([metrics, metrics[metrics["model"] == "floor"].assign(n_train=50)]), "two runs of 'floor'"),
    ],
)
def test_metrics_that_do_not_fit_are_refused_in_one_sentence(make, experiment, spoil, sentence):
    with pytest.raises(InputError, match=sentence):
        make(spoil(experiment.make_metrics()))


def test_a_table_without_its_columns_is_refused(tmp_path, make, experiment):
    files = experiment.write_metrics(tmp_path, experiment.make_metrics())
    files.pairwise.write_text("dataset,p\nclean,0.1\n")
    outputs = {kind: tmp_path / f"table1.{kind}" for kind in ("csv", "md", "tex")}
    with pytest.raises(InputError, match="has no column loss"):
        make_table(
            files.metrics,
            experiment.PUBLISHED,
            files.pairwise,
            conditions=experiment.CONDITIONS,
            models=experiment.MODELS,
            scale_note="",
            **outputs,
        )
    assert not outputs["csv"].exists()
