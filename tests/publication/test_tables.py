"""Tables I to V: the paper's numbers, ours beside them, and the right ones in bold."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ptychoformer.errors import InputError
from ptychoformer.publication.tables.compare import COLUMNS, compare, make_table, notes
from ptychoformer.publication.tables.layout import Part
from ptychoformer.publication.tables.typeset import rows

NOTE = "Trained on 700 patterns for 12 epochs & 3 % of that again."
NUMBERS = ["I", "II", "III", "IV", "V"]
HEADLINE = Part("lower_right", "whole", "scene")


def columns_of(table):
    """How many columns each part of a table has."""
    layout = table.layout
    return [len(layout.columns(part)) for part in layout.parts]


@pytest.fixture
def published(experiment):
    """The paper's numbers of a table."""
    return lambda number: pd.read_csv(experiment.TABLES[number].published)


@pytest.fixture
def make(tmp_path, experiment):
    """A table of given metrics, through files; returns the tidy table, Markdown and LaTeX."""

    def make(metrics, number="I", **changes):
        table = experiment.TABLES[number]
        files = experiment.write_metrics(tmp_path, metrics, table.factor)
        outputs = {kind: tmp_path / f"table.{kind}" for kind in ("csv", "md", "tex")}
        make_table(
            files.metrics, table.published, files.pairwise, replace(table.layout, **changes), scale_note=NOTE, **outputs
        )
        return pd.read_csv(outputs["csv"]), outputs["md"].read_text(), outputs["tex"].read_text()

    return make


@pytest.fixture(scope="module", params=NUMBERS)
def made(request, tmp_path_factory, experiment):
    """Every table of the paper: its layout, metrics and three forms."""
    table, folder = experiment.TABLES[request.param], tmp_path_factory.mktemp("tables")
    metrics = experiment.metrics_of(table)
    files = experiment.write_metrics(folder, metrics, table.factor)
    outputs = {kind: folder / f"table.{kind}" for kind in ("csv", "md", "tex")}
    make_table(files.metrics, table.published, files.pairwise, table.layout, scale_note=NOTE, **outputs)
    return table, metrics, pd.read_csv(outputs["csv"]), outputs["md"].read_text(), outputs["tex"].read_text()


def cell(table, method, metric, condition="clean", part=HEADLINE, channel="amplitude"):
    keys = {"condition": condition, "method": method, **part._asdict(), "channel": channel, "metric": metric}
    found = table[(table[list(keys)] == pd.Series(keys)).all(axis=1)]
    assert len(found) == 1
    return found.iloc[0]


class TestPublished:
    @pytest.mark.parametrize(("number", "count"), [("I", 48), ("II", 16), ("III", 20), ("IV", 24), ("V", 12)])
    def test_every_condition_method_channel_and_metric_once(self, published, number, count):
        table, keys = published(number), ["condition", "method", "channel", "metric"]
        assert len(table) == count == len(table.drop_duplicates(keys)) == table[keys].nunique().prod()
        assert set(table["channel"]) == {"amplitude", "phase"}
        assert set(table["metric"]) == ({"mse", "psnr", "ssim"} if number == "I" else {"psnr", "ssim"})

    @pytest.mark.parametrize("number", NUMBERS)
    def test_names_are_those_of_the_experiments(self, published, experiment, number):
        assert set(published(number)["condition"]) == set(experiment.TABLES[number].conditions)
        assert set(published(number)["method"]) <= set(experiment.TABLES[number].methods)

    @pytest.mark.parametrize("number", NUMBERS)
    def test_metrics_are_in_our_units(self, published, number):
        values = published(number).groupby("metric")["mean"]
        low, high = values.min(), values.max()
        assert low["psnr"] > 5
        assert high["psnr"] < 25
        assert low["ssim"] > 0.3
        assert high["ssim"] < 0.95
        assert published(number)["std"].notna().all() == (number == "I")

    def test_a_number_printed_in_several_tables_is_the_same_in_all(self, published):
        found = {}
        for number, method in (("I", "ptychoformer"), ("III", "ptychoformer"), ("IV", "mse"), ("V", "ptychoformer")):
            table = published(number)
            table = table[(table["condition"] != "noisy") & (table["method"] == method) & (table["metric"] != "mse")]
            found[number] = table.set_index(["channel", "metric"])["mean"].sort_index()
        pd.testing.assert_series_equal(found["I"], found["III"])
        pd.testing.assert_series_equal(found["I"], found["V"])
        # The paper contradicts itself in one number: the phase of the very network of Table I is 19.47 dB in Table IV.
        contradictions = found["IV"].compare(found["I"], result_names=("IV", "I"))
        assert contradictions.to_dict("index") == {("phase", "psnr"): {"IV": 19.47, "I": 19.41}}

    @pytest.mark.parametrize(
        ("number", "channel", "metric", "method", "rivals", "low", "high"),
        [
            ("II", "amplitude", "psnr", "ptychoformer", ["ptychonn", "ptynet", "dpi"], 0.83, 0.95),
            ("II", "amplitude", "ssim", "ptychoformer", ["ptychonn", "ptynet", "dpi"], 0.0851, 0.1128),
            (
                "III",
                "amplitude",
                "psnr",
                "ptychoformer",
                ["with_mhsa", "without_decoder"],
                0.0416 * 14.42,
                0.2358 * 14.42,
            ),
            (
                "III",
                "amplitude",
                "ssim",
                "ptychoformer",
                ["with_mhsa", "without_decoder"],
                0.0356 * 0.87,
                0.3046 * 0.87,
            ),
        ],
    )
    def test_gains_that_the_text_names_follow_from_the_tables(
        self, published, number, channel, metric, method, rivals, low, high
    ):
        values = published(number).query("channel == @channel and metric == @metric").set_index("method")["mean"]
        gains = values[method] - values[rivals]
        assert (gains.min(), gains.max()) == pytest.approx((low, high), abs=0.005 if metric == "psnr" else 5e-5)

    @pytest.mark.parametrize(
        ("condition", "method", "channel", "metric", "mean", "std"),
        [
            ("clean", "ptychonn", "amplitude", "mse", 0.0432, 0.0002),
            ("clean", "ptychoformer", "amplitude", "psnr", 14.42, 0.08),
            ("clean", "ptynet", "phase", "ssim", 0.678, 0.013),
            ("noisy", "dpi", "amplitude", "ssim", 0.742, 0.0065),
            ("noisy", "ptynet", "phase", "mse", 0.0143, 0.0007),
            ("noisy", "ptychoformer", "phase", "ssim", 0.683, 0.011),
        ],
    )
    def test_spot_values(self, published, condition, method, channel, metric, mean, std):
        keys = "condition == @condition and method == @method and channel == @channel and metric == @metric"
        row = published("I").query(keys).iloc[0]
        assert (row["mean"], row["std"]) == (mean, std)

    def test_psnr_belongs_to_mse_as_far_as_the_paper_does(self, published):
        # The mean of PSNRs is at least the PSNR of the mean MSE; the paper's rounding and contradictions reach 0.15 dB.
        wide = published("I").pivot(index=["condition", "method", "channel"], columns="metric", values="mean")
        assert (wide["psnr"] + 10 * np.log10(wide["mse"])).abs().max() < 0.2

    def test_printed_deviations_of_mse_and_psnr_do_not_fit_each_other(self, published):
        """PSNR = -10 log10 MSE, so that its deviation is 10 / ln 10 times the relative one of the MSE."""
        clean = published("I").query("condition == 'clean'").set_index(["method", "channel", "metric"])
        mean, std = clean["mean"].unstack(), clean["std"].unstack()
        implied = 10 / np.log(10) * std["mse"] / mean["mse"]
        assert (implied.min().round(2), implied.max().round(2)) == (0.02, 0.05)
        assert (std["psnr"].min(), std["psnr"].max()) == (0.05, 0.26)
        assert (std["psnr"] > implied).all()

    @pytest.mark.parametrize(
        ("number", "winner"),
        [
            ("I", "ptychoformer"),
            ("II", "ptychoformer"),
            ("III", "ptychoformer"),
            ("IV", "weighted_90"),
            ("V", "ptychoformer"),
        ],
    )
    def test_what_the_paper_prints_bold_is_best_everywhere(self, published, number, winner):
        for (_, _, metric), group in published(number).groupby(["condition", "channel", "metric"]):
            best = group["mean"].idxmin() if metric == "mse" else group["mean"].idxmax()
            assert group.at[best, "method"] == winner


class TestEveryTable:
    def test_it_holds_every_method_under_every_condition(self, made):
        table, _, tidy, *_ = made
        assert list(tidy) == COLUMNS
        assert len(tidy) == len(table.conditions) * (len(table.methods) + 2) * sum(columns_of(table))
        assert list(dict.fromkeys(tidy["method"])) == [*table.methods, "floor", "ceiling"]
        assert list(dict.fromkeys(tidy["condition"])) == list(table.conditions)
        parts = dict.fromkeys(zip(tidy["block"], tidy["region"], tidy["level"], strict=True))
        assert tuple(parts) == table.layout.parts

    def test_the_headline_comes_first_and_table_1_has_every_block_and_level(self, made):
        table, *_ = made
        first, *others = table.layout.parts
        assert first == Part(table.block, "whole", "scene")
        if table.number == "I":
            assert {part.block for part in others} == {"lower_right", "lower_left", "strip"}
            assert {part.level for part in others} == {"scene", "synchronised", "pattern", "released"}

    def test_means_and_spreads_are_those_of_the_metrics(self, made):
        table, metrics, tidy, *_ = made
        column = "dataset" if table.factor == "model" else "model"
        for row in tidy[tidy["method"].isin(table.methods)].itertuples():
            keys = {
                column: row.condition,
                table.factor: row.method,
                "block": row.block,
                "region": row.region,
                "level": row.level,
            }
            keys |= {"channel": row.channel, "metric": row.metric}
            values = metrics.loc[(metrics[list(keys)] == pd.Series(keys)).all(axis=1), "value"]
            assert (row.ours_mean, row.ours_std) == pytest.approx(
                (values.mean(), np.std(values, ddof=1)), rel=1e-5
            )  # nine digits are written
            assert row.n_seeds == len(values) == 3

    def test_the_papers_numbers_stand_once_each_in_the_first_part_and_beside_the_releases_score(self, made):
        table, _, tidy, *_ = made
        published = tidy.dropna(subset="published_mean")
        keys = ["condition", "method", "channel", "metric"]
        expected = (
            pd.read_csv(table.published).set_index(keys).rename(columns=lambda name: f"published_{name}").sort_index()
        )
        parts = {Part(*place): found for place, found in published.groupby(["block", "region", "level"])}
        first = table.layout.parts[0]
        assert set(parts) == {first, *([first._replace(level="released")] if table.number == "I" else [])}
        for found in parts.values():
            pd.testing.assert_frame_equal(found.set_index(keys)[list(expected)].sort_index(), expected)
            assert (found["difference"] + found["published_mean"]).to_numpy() == pytest.approx(
                found["ours_mean"].to_numpy()
            )

    def test_the_papers_numbers_stand_beside_no_other_block_and_no_other_phase(self, experiment):
        layout = experiment.TABLES["I"].layout
        for block, level in (("lower_left", "scene"), ("strip", "synchronised"), ("lower_right", "synchronised")):
            parts = replace(layout, block=block, level=level).published_parts
            assert all(part.block == "lower_right" and part.level in ("scene", "released") for part in parts)
            assert len(parts) == {"lower_left": 1, "strip": 0, "lower_right": 2}[block]

    def test_a_headline_elsewhere_has_a_table_without_the_papers_numbers(self, experiment, published):
        other = SimpleNamespace(**vars(experiment.TABLES["I"]) | {"block": "strip", "level": "synchronised"})
        pairwise = pd.DataFrame(
            columns=["factor", "dataset", "held", "block", "region", "level", "channel", "metric", "a", "b", "p"]
        )
        layout = replace(other.layout, block="strip", level="synchronised")
        table = compare(experiment.metrics_of(other), published("I"), pairwise, layout)
        assert tuple(table.loc[0, ["block", "region", "level"]]) == layout.parts[0]
        assert table["published_mean"].isna().all()

    def test_a_cell_has_the_papers_spread_where_it_prints_one(self, made):
        table, _, tidy, *_ = made
        layout = table.layout
        body = rows(tidy, layout.parts[0], layout)
        cells = [cell for row in body for cell in row.cells if cell.published]
        assert len(cells) == len(pd.read_csv(table.published))
        assert {bool(re.fullmatch(r"\d+\.\d\d", cell.published_std)) for cell in cells} == {table.number == "I"}
        assert {cell.published_std for cell in cells if table.number != "I"} <= {""}

    def test_the_best_is_the_last_and_never_a_reference(self, made):
        table, _, tidy, markdown, latex = made
        assert set(tidy.loc[tidy["best"], "method"]) == {list(table.methods)[-1]}
        assert tidy["best"].sum() == len(table.conditions) * sum(columns_of(table))
        assert all("**" not in line for line in markdown.splitlines() if re.match(r"\|[^|]+\| (Floor|Ceiling)", line))
        assert not re.search(r"(Floor|Ceiling) &.*mathbf", latex)

    def test_the_worst_can_be_told_from_the_best(self, made):
        table, _, tidy, markdown, latex = made
        assert tidy[tidy["method"] == next(iter(table.methods))]["differs_from_best"].any()
        assert "†" in markdown
        assert r"^{\dagger}" in latex

    def test_words_follow_the_number_and_the_title(self, made):
        table, _, _, markdown, latex = made
        number = NUMBERS.index(table.number) + 1
        assert markdown.startswith(f"# Table {table.number}: {table.title}\n")
        parts = table.layout.parts
        assert all(f"\\label{{tab:table{number}-{'-'.join(part)}}}" in latex for part in parts)
        assert latex.count(f"\\caption{{{table.title} (the paper's Table {table.number}). ") == len(parts)
        assert ("no SSIM of images" in markdown) == (table.number == "I")
        assert ("standard deviation of ten experiments" in markdown) == (table.number == "I")
        assert ("best loss of" in markdown) == (table.factor == "loss")
        assert ("MSE" in markdown.split("\n- ")[0]) == (table.number in ("I", "IV"))

    def test_latex_is_well_formed(self, made):
        table, _, _, _, latex = made
        bare = latex.replace(r"\{", "").replace(r"\}", "")
        assert bare.count("{") == bare.count("}")
        assert latex.isascii()
        assert latex.replace(r"\$", "").count("$") % 2 == 0
        for environment in ("table*", "tabular", "minipage"):
            assert (
                latex.count(f"\\begin{{{environment}}}")
                == latex.count(f"\\end{{{environment}}}")
                == len(columns_of(table))
            )
        tabulars = re.findall(r"\\begin\{tabular\}\{ll(c+)\}(.*?)\\end\{tabular\}", latex, re.DOTALL)
        for (cs, tabular), columns in zip(tabulars, columns_of(table), strict=True):
            lines = [line for line in tabular.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
            assert len(cs) == columns
            assert len(lines) >= 1 + len(table.conditions) * (len(table.methods) + 2)
            assert {line.count("&") - line.count(r"\&") for line in lines} == {columns + 1}
        assert r"12 epochs \& 3 \% of that" in latex
        assert latex.count("Second lines: the paper's values") == (2 if table.number == "I" else 1)

    def test_markdown_tables_are_rectangular(self, made):
        table, _, _, markdown, _ = made
        found = [re.findall(r"^\|.*$", part, re.MULTILINE) for part in markdown.split("\n## ")[1:]]
        for lines, columns in zip(found, columns_of(table), strict=True):
            assert len(lines) == 2 + len(table.conditions) * (len(table.methods) + 2)
            assert {line.count("|") for line in lines} == {columns + 3}
        assert "nan" not in markdown.lower()


@pytest.mark.parametrize(("metric", "best", "worst"), [("mse", 0.03, 0.04), ("psnr", 15, 14), ("ssim", 0.9, 0.8)])
def test_bold_is_the_better_network_and_never_a_reference(make, experiment, metric, best, worst):
    metrics = experiment.make_metrics()
    chosen = metrics["metric"] == metric
    metrics.loc[chosen & metrics["model"].isin(experiment.MODELS), "value"] = worst
    metrics.loc[chosen & (metrics["model"] == "ptynet"), "value"] = best
    table, markdown, latex = make(metrics)
    marked = table[table["best"] & (table["metric"] == metric)]
    assert set(marked["method"]) == {"ptynet"}
    parts = experiment.TABLES["I"].layout
    assert len(marked) == 2 * sum(column[1] == metric for part in parts.parts for column in parts.columns(part))
    assert all(
        "**" not in line
        for line in markdown.splitlines()
        if re.match(r"\| (Noise-free|Noisy) +\| (Floor|Ceiling)", line)
    )
    assert not re.search(r"(Floor|Ceiling) &.*mathbf", latex)


def test_networks_that_print_alike_are_all_bold(make, experiment):
    metrics = experiment.make_metrics()
    networks = (metrics["metric"] == "psnr") & metrics["model"].isin(experiment.MODELS)
    metrics.loc[networks, "value"] = 13.0
    metrics.loc[networks & (metrics["model"] == "dpi"), "value"] = 14.001
    metrics.loc[networks & (metrics["model"] == "ptynet"), "value"] = 14.004
    table, *_ = make(metrics)
    assert set(table[table["best"] & (table["metric"] == "psnr")]["method"]) == {"dpi", "ptynet"}


def test_dagger_is_the_test_against_the_best(experiment, published):
    place = {"dataset": "clean", "test": "clean", "factor": "model", "held": "mse", **HEADLINE._asdict()}
    place |= {"channel": "amplitude", "metric": "mse", "alpha": 0.0083, "note": ""}
    pairs = [
        ("ptychonn", "ptychoformer", 0.001, True),
        ("ptynet", "ptychoformer", 0.02, False),  # alone it would be
        ("ptychonn", "ptynet", 0.001, True),
    ]
    pairwise = pd.DataFrame([place | dict(a=a, b=b, p=p, significant=apart) for a, b, p, apart in pairs])
    layout = replace(experiment.TABLES["I"].layout, conditions={"clean": "Noise-free"})
    table = compare(experiment.make_metrics(), published("I"), pairwise, layout)
    found = {model: cell(table, model, "mse")["differs_from_best"] for model in experiment.MODELS}
    assert found["ptychonn"] is True
    assert found["ptynet"] is False
    assert pd.isna([found["dpi"], found["ptychoformer"]]).all()
    marked = [row.method for row in rows(table, HEADLINE, layout) if row.cells[0].differs]
    assert marked == ["PtychoNN"]
    assert any("p < 0.0083" in note for note in notes(table, pairwise, layout, ""))


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
    assert table.query("condition == 'curved'")["best"].sum() == sum(columns_of(experiment.TABLES["I"]))
    assert not any("(" in line for line in markdown.splitlines() if line.startswith("| Curved"))


def test_references_of_losses_are_those_of_every_network(make, experiment):
    metrics = experiment.metrics_of(experiment.TABLES["IV"], seeds=1)
    second = metrics[metrics["model"] == "ptychoformer"].assign(model="ptychonn")
    two = {"ptychoformer": "Ptychoformer", "ptychonn": "PtychoNN"}
    tidy, markdown, _ = make(pd.concat([metrics, second]), "IV", conditions=two)
    references = tidy[tidy["method"].isin(["floor", "ceiling"])]
    first, other = (references.loc[references["condition"] == network, "ours_mean"].tolist() for network in two)
    assert first == other
    assert len(first) == 2 * 2 * 6  # references, regions, columns
    assert len(re.findall(r"\| PtychoNN +\| (Floor|Ceiling)", markdown)) == 4
    assert tidy.query("condition == 'ptychonn'")["published_mean"].isna().all()


def test_a_method_that_the_paper_does_not_have(make, experiment):
    tidy, *_ = make(experiment.metrics_of(experiment.TABLES["III"], seeds=1), "III")
    assert tidy.query("method == 'release_attention'")[["published_mean", "difference"]].isna().all(axis=None)
    assert (
        tidy.query(
            "method == 'ptychoformer' and region == 'whole' and level == 'scene' and channel != 'relative_phase'"
        )["difference"]
        .notna()
        .all()
    )


def test_only_the_test_elsewhere_is_out_of_distribution(make, experiment):
    metrics = experiment.metrics_of(experiment.TABLES["II"], seeds=1)
    own = metrics.assign(test="straight", block="strip", value=0.5)
    tidy, *_ = make(pd.concat([metrics, own]), "II")
    pd.testing.assert_frame_equal(tidy, make(metrics, "II")[0])


def test_a_scan_too_small_for_unseen_pixels_has_one_table(make, experiment):
    metrics = experiment.make_metrics()
    metrics.loc[metrics["region"] == "unseen", "value"] = np.nan
    table, markdown, latex = make(metrics)
    assert set(table["region"]) == {"whole"}
    assert markdown.count("\n## ") == latex.count(r"\begin{tabular}") == len(columns_of(experiment.TABLES["I"])) - 1


def test_a_network_that_is_exact_in_some_seeds_alone_is_not_the_best(make, experiment):
    metrics = experiment.make_metrics()
    here = (metrics["model"] == "ptynet") & (metrics["metric"] == "psnr")
    metrics.loc[here & (metrics["channel"] == "amplitude") & (metrics["seed"] == metrics["seed"].min()), "value"] = (
        np.inf
    )
    metrics.loc[here & (metrics["channel"] == "phase"), "value"] = np.inf
    table, markdown, _ = make(metrics)
    best = table[(table["metric"] == "psnr") & table["best"]]
    assert set(best.loc[best["channel"] == "phase", "method"]) == {"ptynet"}  # exact in every seed
    assert not (best["channel"] == "amplitude").any()
    assert set(table.loc[table["best"], "metric"]) == {"mse", "psnr", "ssim"}
    assert "precision, none where a score is infinite in some seeds alone; references" in markdown
    assert "from the best, or was not tested: ptynet is infinite, an exact match, for seed" in markdown


def test_a_perfect_ceiling_is_infinite(make, experiment):
    _, markdown, latex = make(experiment.make_metrics())
    assert "∞" in markdown
    assert r"$\infty$" in latex


def lacking(metrics, query):
    return metrics.drop(metrics.query(query).index)


@pytest.mark.parametrize(
    ("number", "spoil", "sentence"),
    [
        ("I", lambda metrics: lacking(metrics, "model == 'dpi'"), "no model 'dpi' for the dataset 'clean'; they hold ptychonn, ptynet, pty"),
        ("I", lambda metrics: lacking(metrics, "dataset == 'noisy'"), "no dataset 'noisy'; they hold clean"),
        ("I", lambda metrics: lacking(metrics, "dataset == 'noisy' and model == 'dpi'"), "no model 'dpi' for the dataset 'noisy'"),
        ("I", lambda metrics: lacking(metrics, "dataset == 'noisy' and model == 'floor'"), "no floor for the dataset 'noisy'"),
        ("I", lambda metrics: lacking(metrics, "seed == 2 and model == 'dpi' and metric == 'ssim'"), "'dpi' on 'clean' with seed 2 lacks the"),
        ("I", lambda metrics: pd.concat([metrics, metrics.query("model == 'floor'").assign(n_train=50)]), "two runs of 'floor' on 'clean'"),
        ("II", lambda metrics: lacking(metrics, "level == 'pattern'"), "lacks the amplitude PSNR of the block 'scan', region 'whole', at level 'p"),
        ("II", lambda metrics: metrics.assign(block="strip"), "lacks the amplitude PSNR of the block 'scan', region 'whole', at level 's"),
        ("II", lambda metrics: pd.concat([metrics, metrics.assign(test="clean")]), "two runs of 'ptychonn' on 'straight'"),
        ("IV", lambda metrics: lacking(metrics, "loss == 'npcc'"), "no loss 'npcc' for the model 'ptychoformer'"),
        ("IV", lambda metrics: lacking(metrics, "model == 'ptychoformer'").assign(seed=0), "no model 'ptychoformer'; they hold none"),
        ("IV", lambda metrics: lacking(metrics, "model == 'ceiling'"), "no ceiling for the model 'ptychoformer'"),
    ],
)  # fmt: skip
def test_metrics_that_do_not_fit_are_refused_in_one_sentence(experiment, published, number, spoil, sentence):
    table = experiment.TABLES[number]
    pairwise = pd.DataFrame(
        columns=["factor", "dataset", "held", "block", "region", "level", "channel", "metric", "a", "b", "p"]
    )
    with pytest.raises(InputError, match=sentence):
        compare(spoil(experiment.metrics_of(table)), published(number), pairwise, table.layout)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"factor": "seed"}, "factor 'seed' is unknown, allowed are model, loss"),
        ({"block": "middle"}, "block 'middle' is unknown, allowed are lower_right, lower_left, strip, scan"),
        ({"level": "pattern"}, "level 'pattern' is unknown, allowed are scene, synchronised"),
    ],
)
def test_a_layout_that_does_not_exist_is_refused(experiment, change, sentence):
    with pytest.raises(InputError, match=sentence):
        replace(experiment.TABLES["I"].layout, **change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"further_parts": ("unseen", "upper")},
            "part 'upper' is unknown, allowed are unseen, pattern, other_phase, released, other_blocks",
        ),
        ({"papers_block": "middle"}, "block 'middle' is unknown, allowed are lower_right, lower_left, strip, scan"),
        ({"metrics": ("psnr", "fsim")}, "metric 'fsim' is unknown, allowed are mse, psnr, ssim"),
    ],
)
def test_a_table_that_does_not_exist_is_refused(experiment, change, sentence):
    layout = experiment.TABLES["I"].layout
    with pytest.raises(InputError, match=sentence):
        replace(layout, table=replace(layout.table, **change))


def test_a_table_without_its_columns_is_refused(tmp_path, experiment):
    table = experiment.TABLES["I"]
    files = experiment.write_metrics(tmp_path, experiment.make_metrics())
    files.pairwise.write_text("dataset,p\nclean,0.1\n")
    outputs = {kind: tmp_path / f"table1.{kind}" for kind in ("csv", "md", "tex")}
    with pytest.raises(InputError, match="has no column test and no column factor"):
        make_table(files.metrics, table.published, files.pairwise, table.layout, scale_note="", **outputs)
    assert not outputs["csv"].exists()


def test_letters_that_mean_something_in_latex_or_markdown_are_printed_as_they_are(make, experiment):
    table = experiment.TABLES["I"]
    label = r"a & b_1 $x$ 5 % #2 {c} \d ~ ^ | <e>"
    _, markdown, latex = make(experiment.metrics_of(table), methods=table.layout.methods | {"dpi": label})
    row = next(line for line in latex.splitlines() if "b\\_1" in line)
    assert (
        r"a \& b\_1 \$x\$ 5 \% \#2 \{c\} \textbackslash{}d \textasciitilde{} \textasciicircum{} \textbar{} $<$e$>$"
        in row
    )
    rows = [line for line in markdown.splitlines() if r"b\_1" in line]
    assert rows
    assert all(r"a \& b\_1 \$x\$ 5 % #2 {c} \\d \~ ^ \| \<e\> " in line for line in rows)
