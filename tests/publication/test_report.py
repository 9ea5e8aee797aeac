"""The report: complete, self-contained, true to the files it was made from, and the same every time."""

import base64
import html
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from ptychoformer.errors import InputError
from ptychoformer.evaluation.quantities import CHANNEL_NAMES
from ptychoformer.provenance import sidecar
from ptychoformer.publication.claims.judge import VERDICTS_ELSEWHERE, judge
from ptychoformer.publication.figures.parts.style import colour
from ptychoformer.publication.inputs import read_histories, read_trained
from ptychoformer.publication.names import BLOCKS
from ptychoformer.publication.report import figures as report_figures
from ptychoformer.publication.report.claims import read_verdicts, section_of, sections, tally
from ptychoformer.publication.report.curves import training_curves
from ptychoformer.publication.report.effects import effect_text
from ptychoformer.publication.report.evidence import classes, evidence, filters, picture
from ptychoformer.publication.report.headline import headlines
from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.report.page import STYLE, make_report
from ptychoformer.publication.report.reference import reference_conditions
from ptychoformer.publication.store.files import FACTS, RUN_COLUMNS, read_scores
from ptychoformer.publication.tables.compare import make_table
from ptychoformer.publication.tables.layout import Layout
from ptychoformer.publication.tables.typeset import rows
from ptychoformer.tables import write_csv

PUBLISHED = Path(__file__).parents[2] / "resources" / "published"
VOID = {"meta", "img", "br", "link", "input"}
FIGURES = ("fig1", "fig2", "fig3", "fig4", "fig6", "fig7", "fig8", "fig9", "fig10")
HERE = dict(block="lower_right", level="scene")
HEADLINE = "block == 'lower_right' and region == 'whole' and level == 'scene'"
DIGEST = "12345e678901"  # which a careless reader takes for a number


def write_tables(folder, experiment, seeds):
    """Metrics, statistics and tables of all five experiments."""
    made = SimpleNamespace(tables={}, statistics={}, metrics={}, words={})
    for place, table in enumerate(experiment.TABLES.values(), 1):
        name = f"table{place}"
        frame = experiment.make_metrics(seeds=seeds) if place == 1 else experiment.metrics_of(table, seeds)
        shown = frame[frame["metric"].isin(table.metrics)]
        files = experiment.write_metrics(folder / "evaluation" / name, shown, table.factor)
        printed = {kind: folder / "publication" / f"{name}.{kind}" for kind in ("csv", "md", "tex")}
        made.words[name] = table.words | dict(scale_note=f"{name} is smaller than <the paper>.")
        make_table(
            files.metrics,
            table.published,
            files.pairwise,
            table.layout,
            scale_note=made.words[name]["scale_note"],
            **printed,
        )
        made.tables[name], made.metrics[name] = printed["csv"], files.metrics
        made.statistics[name] = (files.anova, files.pairwise)
    return made


def write_figures(folder, names=FIGURES):
    """A picture of another colour for every figure, 300 x 100 dots, and its PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    for shade, name in enumerate(names):
        Image.new("RGB", (300, 100), (20 * shade, 50, 50)).save(folder / f"{name}.png")
        (folder / f"{name}.pdf").write_bytes(b"%PDF")
    return {name: (folder / f"{name}.pdf", folder / f"{name}.png") for name in names}


def write_reference(folder, metrics, experiment):
    """Harvested runs: the metrics of Table I as if they were full-size ones; without metrics, no run."""
    facts = dict(zip(FACTS, (25, 32, "0.1.0", "ab12", DIGEST, "Linux", "cpu", 2735.5, "2026-01-31"), strict=True))
    frame = (metrics if metrics is not None else pd.DataFrame(columns=RUN_COLUMNS)).assign(**facts)
    frame.loc[frame["loss"] == "none", list(FACTS)] = np.nan
    return experiment.keep_reference(folder, frame.assign(n_train=2928)[list(RUN_COLUMNS)])


def write_inputs(folder, experiment, seeds=3, with_reference=True):
    """Arguments of `make_report`, and the files they name."""
    made = write_tables(folder, experiment, seeds)
    results = folder / "results"
    reference = write_reference(
        folder / "reference", pd.read_csv(made.metrics["table1"]) if with_reference else None, experiment
    )
    judge(
        PUBLISHED / "claims.yaml",
        made.metrics | {"overlaps": experiment.write_overlaps(folder, seeds)},
        None,
        reference,
        **HERE,
        scales=dict.fromkeys((*made.tables, "overlaps"), "700 <patterns>"),
        output_csv=folder / "claims.csv",
    )
    histories, checkpoints = experiment.write_training(folder, seeds)
    return dict(
        tables=made.tables,
        statistics=made.statistics,
        figures=write_figures(results / "publication" / "figures"),
        claims=folder / "claims.csv",
        contents=experiment.CONTENTS,
        reference=reference,
        histories=read_histories(histories),
        trained=read_trained(checkpoints),
        words=made.words,
        labels=experiment.LABELS,
        ours="ptychoformer",
        scale={"seeds": list(range(seeds)), "training": {"epochs": 12}},
        missing_scan="star.npz",
        output=results / "report.html",
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, experiment):
    """What the page of three seeds is made of."""
    return write_inputs(tmp_path_factory.mktemp("report"), experiment)


@pytest.fixture(scope="module")
def path(inputs):
    """The page of three seeds."""
    make_report(**inputs)
    return inputs["output"]


@pytest.fixture(scope="module")
def small(tmp_path_factory, experiment):
    """What the page of one seed without reference runs is made of."""
    return write_inputs(tmp_path_factory.mktemp("small"), experiment, seeds=1, with_reference=False)


@pytest.fixture(scope="module")
def small_page(small):
    make_report(**small)
    return Page(small["output"].read_text())


class Page(HTMLParser):
    """What a browser would load, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.links, self.open, self.headers, self.images, self.text = [], [], [], [], [], []
        self.ids, self.named_by, self.verdicts, self.cells = [], [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.loaded += [attrs[name] for name in ("src", "srcset", "data", "poster") if name in attrs]
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.named_by += [attrs["aria-labelledby"]] if "aria-labelledby" in attrs else []
        if "href" in attrs:
            self.links.append(attrs["href"])
        if tag == "th":
            self.headers.append(attrs)
        if tag == "img":
            self.images.append(attrs)
        if "verdict" in attrs.get("class", ""):
            self.verdicts.append("")
        if tag == "li" and attrs.get("id", "").startswith("claim-"):
            self.cells[attrs["id"].removeprefix("claim-")] = ""
        if tag not in VOID:
            self.open.append((tag, attrs))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag
        if tag in ("td", "th", "dt", "dd"):
            self.text.append(" ")

    def handle_data(self, data):
        if any(tag == "style" for tag, _ in self.open):
            return
        self.text.append(data)
        if any("verdict" in attrs.get("class", "") for _, attrs in self.open):
            self.verdicts[-1] += data
        if row := next((attrs["id"] for tag, attrs in self.open if tag == "li" and "id" in attrs), None):
            self.cells[row.removeprefix("claim-")] += data

    @property
    def words(self):
        """All text with single spaces."""
        return " ".join("".join(self.text).split())

    def claim(self, name):
        """The text of a claim's row."""
        return " ".join(self.cells[name].split())


@pytest.fixture(scope="module")
def page(path):
    return Page(path.read_text())


class TestStructure:
    def test_every_element_is_closed_and_every_anchor_resolves(self, page, small_page):
        for made in (page, small_page):
            assert made.open == []
            assert len(set(made.ids)) == len(made.ids)
            anchors = [link.removeprefix("#") for link in made.links if link.startswith("#")]
            assert len(anchors) > 20
            assert set(anchors) | set(made.named_by) <= set(made.ids)

    def test_every_table_and_figure_is_there(self, page):
        assert {"summary", "claims", "variation", "reference", "training", "provenance"} <= set(page.ids)
        assert {f"table{number}" for number in range(1, 6)} | {f"fig{number}" for number in range(1, 11)} <= set(
            page.ids
        )
        assert "Skipped: the measured scan star.npz is not at hand." in page.words

    def test_the_page_needs_nothing_but_itself(self, path, page, inputs):
        assert len(page.loaded) == len(FIGURES) + 1
        assert all(source.startswith("data:image/") for source in page.loaded)
        for source, (_, png) in zip(page.loaded, inputs["figures"].values(), strict=False):
            assert base64.b64decode(source.split(",")[1]) == png.read_bytes()
        pdfs = [link for link in page.links if not link.startswith("#")]
        assert pdfs == [f"publication/figures/{name}.pdf" for name in FIGURES]
        assert all((path.parent / link).is_file() for link in pdfs)
        assert not re.search(r"http|url\(|@import|<script", path.read_text())

    def test_the_page_can_be_read_without_eyes(self, page):
        assert all(header.get("scope") for header in page.headers)
        assert all(20 < len(image["alt"]) < 600 for image in page.images)
        assert any("One simulated pattern and the mean over many" in image["alt"] for image in page.images)
        assert page.links[0] == "#summary"  # past the contents, for those who use a keyboard

    def test_pictures_have_their_proportions_before_they_are_loaded(self, page):
        assert {(image["width"], image["height"]) for image in page.images[:-1]} == {("135", "45")}

    def test_a_verdict_is_never_a_colour_alone(self, page):
        assert len(page.verdicts) > 60
        assert all(re.fullmatch(r"(✓ holds?|✗ do(es)? not hold|\? undecided)", text) for text in page.verdicts)

    def test_text_is_escaped(self, path):
        text = path.read_text()
        assert "table1 is smaller than &lt;the paper&gt;." in text
        assert "700 &lt;patterns&gt;" in text
        assert "<the paper>" not in text
        assert "<patterns>" not in text

    def test_the_same_inputs_give_the_same_bytes(self, path, inputs, tmp_path):
        other = path.with_name("again.html")
        make_report(**inputs | dict(output=other))
        assert other.read_bytes() == path.read_bytes()

    def test_nothing_missing_is_printed_as_a_number(self, page, small_page):
        for made in (page, small_page):
            assert not re.search(r"\b(nan|inf|nat)\b", made.words.lower())
            assert "None" not in made.words.replace("None have been harvested", "")
            assert "Caution: ." not in made.words


class TestFirstScreen:
    def test_it_says_what_was_run(self, page, path):
        first = page.words.split("Table I in short")[0]
        assert "table1 is smaller than <the paper>." in first
        assert "3 (0, 1, 2), where the paper repeats 10 times" in first
        assert "24 trainings in all experiments, 0.4 hours on cpu, Linux x86_64" in first  # 6 of each 61.5 s to 64.5 s

    def test_what_can_be_told_is_half_an_interval_over_the_seeds(self, page, small_page):
        half = stats.t.ppf(0.975, 2) / np.sqrt(3)
        assert f"larger than {half:.1f} times their scatter" in page.words
        assert "One seed shows that everything runs" in small_page.words

    def test_the_floor_is_told(self, page, inputs):
        table = pd.read_csv(inputs["tables"]["table1"])
        floor = table.query(f"{HEADLINE} and method == 'floor' and condition == 'clean' and metric == 'psnr'")
        value = floor.set_index("channel").at["amplitude", "ours_mean"]
        assert f"floor {value:.2f}, best other network" in page.words

    def test_leads_are_counted_as_their_intervals_are(self, page, inputs, experiment):
        table, pairwise = pd.read_csv(inputs["tables"]["table1"]), pd.read_csv(inputs["statistics"]["table1"][1])
        lines = headlines(table, pairwise, experiment.TABLES["I"].layout, "ptychoformer")
        ends = [line.lead_interval.split(" to ") for line in lines]
        ahead, behind = sum(low[0] == "+" for low, _ in ends), sum(high[0] == "−" for _, high in ends)
        assert ahead + behind > 0
        assert f"scores Ptychoformer leads the best other network in {ahead} and trails it in {behind}," in page.words

    def test_numbers_that_mean_nothing_are_said_to_in_red(self, small, path):
        output = small["output"].with_name("smoke.html")
        make_report(**small | dict(caution="A <test>. Its numbers mean nothing.", output=output))
        text = output.read_text()
        assert '<p class="caution" role="note"><strong>A &lt;test&gt;. Its numbers mean nothing.' in text
        assert text.index('class="caution"') < text.index('id="summary"')
        assert "Not a result:" in Page(text).words
        assert 'class="caution"' not in path.read_text()

    def test_figures_come_before_tests(self, path):
        text = path.read_text()
        assert text.index('id="figures"') < text.index('id="claims"') < text.index('id="tables"')
        assert text.index('id="tables"') < text.index("What can be told apart")

    def test_ours_is_never_said(self, page):
        assert not re.search(r"\bours\b(?! w/)", page.words.replace("Ours", ""))


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
        assert all(rests.links for name, rests in found.items() if "measured" not in name)

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


class TestColours:
    @pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
    def test_text_is_readable_on_every_ground(self, theme):
        """Contrast of at least 4.5, as the level AA of the Web Content Accessibility Guidelines has it."""
        found = re.findall(r":root \{(.*?)\}", STYLE.read_text())[theme]
        colours = dict(re.findall(r"--(\w+): #(\w{6})", found))
        for ground in ("paper", "tint"):
            for ink in ("ink", "quiet", "link", "good", "bad", "open"):
                light, dark = sorted(map(_luminance, (colours[ground], colours[ink])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def _luminance(colour):
    """Relative luminance of a colour of sRGB, six hexadecimal digits."""
    parts = np.array([int(colour[place : place + 2], 16) for place in (0, 2, 4)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)


PROBE = """<!doctype html><body><iframe src="report.html" width="{width}" height="900" style="border:0"></iframe><pre id="probe"></pre>
<script>addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentWindow, all = page.document;
  if ("{choice}") all.getElementById("{choice}").click();
  const shown = (what) => [...all.querySelectorAll(what)].filter((one) => one.getClientRects().length && !one.closest(".scroll, .skip"));
  document.getElementById("probe").textContent = JSON.stringify({{
    width: page.innerWidth,
    wide: shown("body *").filter((one) => one.getBoundingClientRect().right > page.innerWidth + 1).map((one) => one.outerHTML.slice(0, 80)),
    cut: shown("table, details, section, li").filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML.slice(0, 80)),
    claims: shown(".claim").map((one) => one.className),
  }});
}})</script>"""


@pytest.mark.slow
class TestInABrowser:
    @pytest.fixture
    def opened(self, path):
        """Opens the page in headless Chromium at a width, clicks, and returns what it measures and what it complains of."""
        browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not browser:
            pytest.skip("There is no Chromium on this machine, in which the report could be opened.")

        def measure(width, choice=""):
            probe = path.with_name("probe.html")
            probe.write_text(PROBE.format(width=width, choice=choice))
            options = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"]
            finished = subprocess.run(
                [browser, *options, "--enable-logging=stderr", "--window-size=1600,900", probe.resolve().as_uri()],
                capture_output=True,
                text=True,
                timeout=300,
            )
            found = re.search(r'<pre id="probe">(.+?)</pre>', finished.stdout, re.DOTALL)
            return json.loads(html.unescape(found[1])), [
                line for line in finished.stderr.splitlines() if "CONSOLE" in line
            ]

        return measure

    @pytest.mark.parametrize("width", [1440, 768, 390])
    def test_nothing_is_cut_and_nothing_complained_of(self, opened, width):
        found, complaints = opened(width)
        assert complaints == []
        assert found["width"] == width
        assert found["wide"] == []
        assert found["cut"] == []
        assert len(found["claims"]) == 62

    def test_a_filter_shows_its_claims_alone(self, opened, inputs):
        table = read_verdicts(inputs["claims"])
        sizes = (table["source"] == "local") & (table["judges"] == "size")
        shown = opened(1440, "kind-size")[0]["claims"]
        assert len(shown) == sizes.sum() > 0
        assert all("size" in names.split() for names in shown)


class TestTables:
    def test_every_number_is_on_the_page(self, page, inputs, experiment):
        for path, table in zip(inputs["tables"].values(), experiment.TABLES.values(), strict=True):
            layout = table.layout
            for part in layout.parts:
                for row in rows(pd.read_csv(path), part, layout):
                    for cell in row.cells:
                        assert cell.ours in page.words
                        std = f" ± {cell.published_std}" if cell.published_std else ""
                        assert not cell.published or f"{cell.published}{std} ({cell.difference})" in page.words

    def test_the_best_are_bold_and_what_differs_is_marked(self, path, inputs):
        tables = [pd.read_csv(table) for table in inputs["tables"].values()]
        text = path.read_text()
        assert text.count("<strong>") == sum(table["best"].sum() for table in tables)
        assert text.count("<sup>†</sup>") == sum(table["differs_from_best"].eq(True).sum() for table in tables) > 0

    def test_one_seed_says_what_was_not_tested(self, small_page):
        assert small_page.words.count("Not tested: needs at least 2 seeds, has 1.") >= 5

    def test_losses_are_compared_as_losses(self, page):
        assert "The seven losses differed in" in page.words


class TestHeadline:
    def test_intervals_are_those_of_an_independent_library(self, inputs, experiment):
        table, pairwise = pd.read_csv(inputs["tables"]["table1"]), pd.read_csv(inputs["statistics"]["table1"][1])
        metrics = pd.read_csv(inputs["tables"]["table1"].parents[1] / "evaluation/table1/metrics.csv")
        found = headlines(table, pairwise, experiment.TABLES["I"].layout, "ptychoformer")
        assert len(found) == 12
        line = next(line for line in found if line.condition == "Noisy" and line.column == "Phase PSNR (dB)")
        at = metrics.query(f"dataset == 'noisy' and {HEADLINE} and channel == 'phase' and metric == 'psnr'")
        by_model = {model: group.sort_values("seed")["value"].to_numpy() for model, group in at.groupby("model")}
        best = max(("ptychonn", "ptynet", "dpi"), key=lambda model: by_model[model].mean())
        ours = by_model["ptychoformer"]
        low, high = stats.t.interval(0.95, 2, ours.mean(), stats.sem(ours))
        assert (line.ours, line.ours_interval) == (f"{ours.mean():.2f}", f"{low:.2f} to {high:.2f}")
        assert line.rival_name == experiment.MODELS[best]
        interval = stats.ttest_rel(ours, by_model[best]).confidence_interval()
        signed = [f"{value:+.2f}".replace("-", "−") for value in (interval.low, interval.high)]
        assert line.lead_interval == " to ".join(signed)
        assert line.lead == f"{(ours - by_model[best]).mean():+.2f}"

    def test_it_is_on_the_page(self, page, inputs, experiment):
        table, pairwise = pd.read_csv(inputs["tables"]["table1"]), pd.read_csv(inputs["statistics"]["table1"][1])
        for line in headlines(table, pairwise, experiment.TABLES["I"].layout, "ptychoformer"):
            expected = f"{line.column} {line.ours} ({line.ours_interval}) {line.rival_name} {line.rival} ({line.rival_interval})"
            assert f"{expected} {line.lead} ({line.lead_interval}) {line.published_lead}" in page.words

    def test_a_metric_that_a_scan_is_too_small_for_is_left_out(self, inputs, experiment):
        table, pairwise = pd.read_csv(inputs["tables"]["table1"]), pd.read_csv(inputs["statistics"]["table1"][1])
        found = headlines(table[table["metric"] != "ssim"], pairwise, experiment.TABLES["I"].layout, "ptychoformer")
        assert {line.column for line in found} == {"Amplitude PSNR (dB)", "Phase PSNR (dB)", "Relative phase PSNR (dB)"}

    def test_one_seed_has_no_interval(self, small, experiment):
        table, pairwise = pd.read_csv(small["tables"]["table1"]), pd.read_csv(small["statistics"]["table1"][1])
        for line in headlines(table, pairwise, experiment.TABLES["I"].layout, "ptychoformer"):
            assert (line.ours_interval, line.rival_interval, line.lead_interval) == ("", "", "")

    @pytest.fixture
    def appended(self, inputs, experiment, tmp_path):
        """Arguments of a page to whose Table I a user has appended a network that is better than all others."""
        frame = pd.read_csv(inputs["statistics"]["table1"][0].with_name("metrics.csv"))
        novel = frame[frame["model"] == "ptychoformer"].assign(model="novel")
        novel["value"] *= np.where(novel["metric"] == "mse", 0.9, 1.1)
        files = experiment.write_metrics(tmp_path / "evaluation", pd.concat([frame, novel]))
        words = inputs["words"]["table1"] | dict(methods=experiment.MODELS | dict(novel="Novel"))
        printed = {kind: tmp_path / f"table1.{kind}" for kind in ("csv", "md", "tex")}
        make_table(files.metrics, PUBLISHED / "table1.csv", files.pairwise, Layout.of(words), scale_note="", **printed)
        changed = dict(
            tables=dict(table1=printed["csv"]),
            statistics=dict(table1=(files.anova, files.pairwise)),
            words=dict(table1=words),
        )
        return (
            inputs
            | {name: inputs[name] | part for name, part in changed.items()}
            | dict(output=tmp_path / "report.html")
        )

    def test_an_appended_network_is_a_rival_and_not_ours(self, appended):
        make_report(**appended)
        page = Page(appended["output"].read_text())
        assert "Metric Ptychoformer Best other network Lead" in page.words
        assert "DPI, Ptychoformer, Novel, and variants of Ptychoformer" in page.words
        table, pairwise = pd.read_csv(appended["tables"]["table1"]), pd.read_csv(appended["statistics"]["table1"][1])
        layout = Layout.of(appended["words"]["table1"])
        lines = headlines(table, pairwise, layout, "ptychoformer")
        assert {line.rival_name for line in lines} == {"Novel"}
        assert all(line.lead.startswith("−") for line in lines)
        means = table.query(
            f"{HEADLINE} and condition == 'clean' and channel == 'phase' and metric == 'psnr'"
        ).set_index("method")
        line = next(line for line in lines if line.condition == "Noise-free" and line.column == "Phase PSNR (dB)")
        assert line.ours == f"{means.at['ptychoformer', 'ours_mean']:.2f}"
        assert f"{line.column} {line.ours} ({line.ours_interval}) Novel" in page.words

    def test_ours_is_whom_one_names(self, appended):
        make_report(**appended | dict(ours="novel"))
        assert "Metric Novel Best other network Lead" in Page(appended["output"].read_text()).words

    def test_ours_must_be_in_table_1(self, inputs, tmp_path):
        with pytest.raises(
            InputError, match="Table I has no network 'novel' to call ours; it has ptychonn, ptynet, dpi, ptychoformer"
        ):
            make_report(**inputs | dict(ours="novel", output=tmp_path / "report.html"))


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
        judged = table[(table["source"] == "local") & (table["n_seeds"] > 0) & (table["verdict_unseen"] != "")]
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
        make_report(**arguments)
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


class TestReference:
    def test_numbers_are_those_of_the_runs(self, page, inputs):
        runs = read_scores(inputs["reference"])
        own = runs.query(f"dataset == 'clean' and model == 'dpi' and {HEADLINE}")
        psnr, ssim = (own.query("channel == 'amplitude' and metric == @name")["value"] for name in ("psnr", "ssim"))
        cells = f"DPI 3 (0, 1, 2) {psnr.mean():.2f} ± {psnr.std():.2f} {100 * ssim.mean():.2f} ± {100 * ssim.std():.2f}"
        assert cells in page.words
        assert DIGEST in page.words
        assert "2,736" in page.words
        assert (
            "Noise-free: 2,928 patterns, 25 epochs, batches of 32, MSE loss, the lower right block 3 whole seeds of 10: interim"
            in page.words
        )

    def test_a_seed_that_lacks_a_network_is_not_whole(self, inputs, tmp_path, experiment):
        """It is left out for every network that is compared, and the page says so."""
        runs = read_scores(inputs["reference"])
        experiment.keep_reference(
            tmp_path / "reference",
            runs[~((runs["seed"] == 1) & (runs["model"] == "dpi") & (runs["dataset"] == "clean"))],
        )
        found = reference_conditions(tmp_path / "reference", Labels(**inputs["labels"]), **HERE)
        assert {condition.title.split(":")[0]: condition.whole for condition in found} == {
            "Noise-free": (0, 2),
            "Noisy": (0, 1, 2),
        }
        assert {row[1] for row in found[0].rows} == {"2 (0, 2)"}
        assert found[0].dropped == "PtychoNN 1; PtyNet 1; Ptychoformer 1"
        assert (found[1].dropped, found[0].lacks) == ("", ())
        make_report(**inputs | dict(reference=tmp_path / "reference", output=tmp_path / "report.html"))
        words = Page((tmp_path / "report.html").read_text()).words
        assert (
            "2 whole seeds of 10: interim; seeds left out, which not every network has: PtychoNN 1; PtyNet 1; Ptychoformer 1"
            in words
        )

    def test_networks_of_other_tables_take_no_seed_away(self, inputs, tmp_path, experiment):
        runs = read_scores(inputs["reference"])
        extra = runs[(runs["model"] == "dpi") & (runs["seed"] == 0)].assign(model="transunet")
        alone = extra.assign(loss="mae")
        experiment.keep_reference(tmp_path / "reference", pd.concat([runs, extra, alone]))
        found = reference_conditions(tmp_path / "reference", Labels(**inputs["labels"]), **HERE)
        seeds = {(condition.title.split(":")[0], "MAE" in condition.title): len(condition.whole) for condition in found}
        assert seeds == {(name, mae): 1 if mae else 3 for name in ("Noise-free", "Noisy") for mae in (False, True)}

    def test_the_papers_tests_are_those_of_an_independent_library(self, inputs):
        """The whole seeds alone are tested, in every column, and six pairs."""
        runs = read_scores(inputs["reference"])
        found = reference_conditions(inputs["reference"], Labels(**inputs["labels"]), **HERE)[0]
        at = runs.query(
            f"dataset == 'clean' and {HEADLINE} and channel == 'amplitude' and metric == 'psnr' and loss == 'mse'"
        )
        table = at.pivot(index="seed", columns="model", values="value")
        line = next(row for row in found.anovas if row[0] == "Amplitude PSNR (dB)")
        expected = AnovaRM(at, "value", "seed", within=["model"]).fit().anova_table.iloc[0]
        assert line[1:3] == (f"{expected['F Value']:.1f}", "3, 6")
        assert 1 / 3 <= float(line[4]) <= 1
        pairs = [row for row in found.pairs if row[0] == "Amplitude PSNR (dB)"]
        assert len(pairs) == 6
        pair = next(row for row in pairs if row[1] == "DPI less Ptychoformer")
        test = stats.ttest_rel(table["dpi"], table["ptychoformer"])
        interval = test.confidence_interval()
        signed = [
            f"{value:+.2f}".replace("-", "−")
            for value in (table["dpi"].mean() - table["ptychoformer"].mean(), *interval)
        ]
        assert pair[2] == f"{signed[0]} ({signed[1]} to {signed[2]})"
        assert float(pair[3]) == pytest.approx(test.pvalue, abs=5e-5)
        assert pair[4] == ("below 0.0083" if test.pvalue < 0.05 / 6 else "not below 0.0083")
        assert len(found.anovas) == 8

    def test_runs_of_another_block_are_shown_as_that(self, inputs, tmp_path, experiment):
        runs = read_scores(inputs["reference"])
        experiment.keep_reference(tmp_path / "reference", runs[runs["block"] == "lower_left"])
        (clean, _) = reference_conditions(tmp_path / "reference", Labels(**inputs["labels"]), **HERE)
        assert clean.title.endswith("the lower left block")
        assert not clean.is_headline
        assert clean.variation == ()
        make_report(**inputs | dict(reference=tmp_path / "reference", output=tmp_path / "report.html"))
        words = Page((tmp_path / "report.html").read_text()).words
        assert "their scores below are of another block, so that no claim was judged on them" in words
        assert "not the headline’s block" in words

    def test_a_network_that_is_missing_is_told(self, inputs, tmp_path, experiment):
        runs = read_scores(inputs["reference"])
        experiment.keep_reference(tmp_path / "reference", runs[runs["model"] != "dpi"])
        (clean, _) = reference_conditions(tmp_path / "reference", Labels(**inputs["labels"]), **HERE)
        assert (clean.lacks, clean.whole) == (("DPI",), (0, 1, 2))
        assert len([row for row in clean.pairs if row[0] == "Phase SSIM (%)"]) == 3

    def test_a_network_named_na_is_one_of_them(self, inputs, tmp_path, experiment):
        runs = read_scores(inputs["reference"])
        experiment.keep_reference(
            tmp_path / "reference", pd.concat([runs, runs[runs["model"] == "dpi"].assign(model="NA")])
        )
        (clean, _) = reference_conditions(tmp_path / "reference", Labels(**inputs["labels"]), **HERE)
        assert "NA" in [row[0] for row in clean.rows]

    def test_pooled_versions_of_the_code_are_told(self, page, inputs, tmp_path, experiment):
        claims_told = len(re.findall(r"\d+ versions of the code", page.words))
        runs = read_scores(inputs["reference"])
        # Both digests are infinite to a careless reader.
        runs.loc[(runs["model"] == "dpi") & (runs["seed"] == 1) & (runs["dataset"] == "clean"), "code_digest"] = (
            "98765e432109"
        )
        experiment.keep_reference(tmp_path / "reference", runs)
        make_report(**inputs | dict(reference=tmp_path / "reference", output=tmp_path / "report.html"))
        words = Page((tmp_path / "report.html").read_text()).words
        assert (
            "Noise-free: 2,928 patterns, 25 epochs, batches of 32, MSE loss, the lower right block 3 whole seeds of 10: interim, 2 versions of the code"
            in words
        )
        assert len(re.findall(r"\d+ versions of the code", words)) == claims_told + 1

    def test_no_table_is_an_empty_table(self, small, small_page):
        output = small["output"].with_name("none.html")
        make_report(**small | dict(reference=None, output=output))
        assert output.read_bytes() == small["output"].read_bytes()

    def test_floor_and_ceiling_stand_below_their_networks(self, inputs):
        for condition in reference_conditions(inputs["reference"], Labels(**inputs["labels"]), **HERE):
            assert [row[0] for row in condition.rows] == [
                "PtychoNN",
                "PtyNet",
                "DPI",
                "Ptychoformer",
                "Floor",
                "Ceiling",
            ]
            assert condition.rows[-1][2] == "∞"

    def test_without_runs_the_page_says_so(self, small_page):
        assert "None have been harvested so far" in small_page.words
        assert "No claim could be looked at on reference runs." in small_page.words
        assert "Reference runs by condition" not in small_page.words


class TestVariation:
    def test_deviations_are_over_seeds_on_the_headline_and_over_blocks(self, page, inputs):
        metrics = pd.read_csv(inputs["statistics"]["table1"][0].with_name("metrics.csv"))
        at = metrics.query(
            "dataset == 'noisy' and model == 'dpi' and region == 'whole' and level == 'scene' and channel == 'phase'"
        )
        scores = at[at["metric"] == "psnr"].groupby("block")["value"]
        over_seeds, over_blocks = scores.std()["lower_right"], scores.mean()[["lower_right", "lower_left"]].std()
        assert over_blocks > 0
        assert f"{over_seeds:.2f} {over_blocks:.2f}" in page.words

    def test_what_seeds_stand_for_is_said(self, page):
        assert (
            "A seed draws the order of the training patterns, the part of them that validates and the initial weights"
            in page.words
        )


class TestProvenance:
    @pytest.mark.parametrize("fact", ["31ab34cd56ef", "2.8.0", "3.11.9", "Linux x86_64", "training.epochs"])
    def test_facts_are_listed(self, page, fact):
        assert fact in page.words

    def test_durations_are_means_of_a_networks_runs(self, page):
        assert "Noise-free 700 DPI 1 3 64 cpu" in page.words  # 63.5 seconds, each of three seeds

    def test_a_run_of_a_network_without_a_label_is_shown_by_its_name(self, small, tmp_path):
        weights = tmp_path / "training/dark/novel/mae/n5/seed0/model.pt"
        weights.parent.mkdir(parents=True)
        sidecar(weights).write_text(json.dumps({"seconds": 1.0}))
        output = small["output"].with_name("novel.html")
        make_report(**small | dict(trained=small["trained"] | read_trained([weights]), output=output))
        assert "dark novel MAE 5 0" in Page(output.read_text()).words

    def test_a_broken_sidecar_is_named(self, tmp_path, experiment):
        _, checkpoints = experiment.write_training(tmp_path, seeds=1)
        sidecar(checkpoints[0]).write_text("{")
        with pytest.raises(InputError, match=r"provenance\.json cannot be read as provenance"):
            read_trained(checkpoints)
        with pytest.raises(InputError, match=r"gone\.csv"):
            read_histories([tmp_path / "clean/dpi/mse/n5/seed0/gone.csv"])


class TestFigures:
    def test_a_heavy_page_is_halved_and_shown_at_the_same_size(self, tmp_path, monkeypatch, experiment):
        figures = write_figures(tmp_path, FIGURES[:2])
        monkeypatch.setattr(report_figures, "MOST_BYTES", 10)
        picture = report_figures.pictures(figures, experiment.CONTENTS.figures, tmp_path / "report.html")[0]
        content = base64.b64decode(picture.source.split(",")[1])
        assert Image.open(io.BytesIO(content)).size == (150, 50)
        assert (picture.width, picture.height) == (135, 45)

    def test_letters_of_panels_are_bold(self, path):
        text = path.read_text()
        assert "<b>a, b</b>, Two scan points" in text
        assert "**" not in text.split("<figure>", 1)[1].split("base64")[0]
        assert not re.search(r"<figcaption>[^<]*\*", text)

    def test_a_figure_without_a_caption_is_named(self, tmp_path, experiment):
        with pytest.raises(InputError, match="figure 'fig11' has no caption"):
            report_figures.pictures(
                {"fig11": ("a.pdf", "a.png")}, experiment.CONTENTS.figures, tmp_path / "report.html"
            )

    def test_what_is_no_picture_is_named(self, tmp_path, experiment):
        figures = write_figures(tmp_path, FIGURES[:1])
        figures["fig1"][1].write_bytes(b"a picture")
        with pytest.raises(InputError, match=r"fig1\.png cannot be read as a picture"):
            report_figures.pictures(figures, experiment.CONTENTS.figures, tmp_path / "report.html")

    def test_curves_show_every_run_in_its_colour(self, tmp_path, experiment):
        histories, _ = experiment.write_training(tmp_path, seeds=2, epochs=1)
        document = training_curves(read_histories(histories), experiment.CONDITIONS, experiment.MODELS).decode()
        for model in experiment.MODELS:
            assert colour(model).lower() in document


@pytest.mark.parametrize("name", ["claims", "reference", "tables", "statistics", "figures", "pdf"])
def test_a_missing_file_is_one_sentence(small, name, tmp_path):
    gone = tmp_path / "gone"
    changed = {
        "tables": small["tables"] | dict(table3=gone),
        "statistics": small["statistics"] | dict(table4=(small["statistics"]["table4"][0], gone)),
        "figures": small["figures"] | dict(fig7=(small["figures"]["fig7"][0], gone)),
        "pdf": small["figures"] | dict(fig7=(gone, small["figures"]["fig7"][1])),
    }.get(name, gone)
    with pytest.raises(InputError, match="gone") as caught:
        make_report(**small | {"figures" if name == "pdf" else name: changed, "output": tmp_path / "report.html"})
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert not (tmp_path / "report.html").exists()
