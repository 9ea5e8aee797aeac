"""The report: complete, self-contained, readable, and the same every time; its figures, and what it runs on."""

import base64
import html
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from ptychoformer.errors import InputError
from ptychoformer.paths import Run
from ptychoformer.provenance import sidecar, write_provenance
from ptychoformer.publication.figures.parts.style import colour
from ptychoformer.publication.inputs import read_histories, read_trained, read_trained_as
from ptychoformer.publication.report import figures as report_figures
from ptychoformer.publication.report.claims import read_verdicts
from ptychoformer.publication.report.curves import training_curves
from ptychoformer.publication.report.headline import headlines
from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.report.page import STYLE, make_report
from ptychoformer.publication.report.runs import duration_rows

from ..conftest import told
from .conftest import FIGURES, HEADLINE, Page, write_figures


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
        make_report(**told(inputs | dict(output=other)))
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
        assert "24 trainings in all experiments, 25 minutes on CPU, Linux x86_64" in first  # 6 of each 61.5 s to 64.5 s

    def test_what_can_be_told_is_half_an_interval_over_the_seeds(self, page, small_page):
        half = stats.t.ppf(0.975, 2) / np.sqrt(3)
        assert f"more than {half:.1f} times their scatter" in page.words
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
        assert (
            f"scores in PSNR and SSIM Ptychoformer leads the best other network of the paper in {ahead} and trails it in {behind},"
            in page.words
        )

    def test_numbers_that_mean_nothing_are_said_to_in_red(self, small, path):
        output = small["output"].with_name("smoke.html")
        make_report(**told(small | dict(caution="A <test>. Its numbers mean nothing.", output=output)))
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


class TestProvenance:
    @pytest.mark.parametrize("fact", ["31ab34cd56ef", "2.8.0", "3.11.9", "Linux x86_64", "training.epochs"])
    def test_facts_are_listed(self, page, fact):
        assert fact in page.words

    def test_durations_are_means_of_a_networks_runs(self, page):
        assert "Noise-free 700 DPI MSE cpu 2,734,466 3 64" in page.words  # 63.5 seconds, each of three seeds

    def test_durations_of_devices_and_losses_are_not_mixed(self):
        labels = Labels(networks={"dpi": "DPI"})
        of = [("mse", "cpu", 500.0), ("mse", "cpu", 510.0), ("mse", "H100", 8.0), ("mae", "cpu", 700.0)]
        runs = [
            (
                Run("clean", "dpi", loss, 20, seed),
                {"device": device, "parameters": 2734466, "training_seconds": seconds},
            )
            for seed, (loss, device, seconds) in enumerate(of)
        ]
        assert duration_rows(runs, labels) == [
            ["clean", "20", "DPI", "MSE", "cpu", "2,734,466", "2", "505"],
            ["clean", "20", "DPI", "MSE", "H100", "2,734,466", "1", "8"],
            ["clean", "20", "DPI", "MAE", "cpu", "2,734,466", "1", "700"],
        ]

    def test_a_run_of_a_network_without_a_label_is_shown_by_its_name(self, small, tmp_path):
        weights = tmp_path / "training/dark/novel/mae/n5/seed0/model.pt"
        weights.parent.mkdir(parents=True)
        write_provenance({"seconds": 1.0}, weights)
        output = small["output"].with_name("novel.html")
        make_report(**told(small | dict(trained=small["trained"] | read_trained([weights]), output=output)))
        assert "dark novel MAE 5 0" in Page(output.read_text()).words

    def test_runs_that_were_trained_again_are_told_with_their_own_device(self, small):
        run, facts = next(iter(small["trained"].items()))
        output = small["output"].with_name("again.html")
        make_report(**told(small | dict(retrained={run: facts | {"device": "H100"}}, output=output)))
        words = Page(output.read_text()).words
        assert f"{len(small['trained']) + 1} trainings in all experiments" in words
        assert re.search(r"minutes on CPU, Linux x86_64; 1 minute on H100, Linux x86_64", words)
        assert re.search(r"MSE H100 2,734,466 1 \d+", words)

    def test_epochs_that_were_not_trained_are_not_printed(self, tmp_path):
        weights = tmp_path / "training/dark/novel/mae/n5/seed0/model.pt"
        weights.parent.mkdir(parents=True)
        write_provenance({"configuration": {"training": {"epochs": 1, "batch_size": 8}}}, weights)
        asked = dict(epochs=30, batch_size=8.0, newer="option")
        assert read_trained_as([weights], asked, dict(dark=1)) == read_trained([weights])
        with pytest.raises(InputError, match=r"model\.pt\.provenance\.json: training\.epochs is 1, and .* asks for 5"):
            read_trained_as([weights], asked, dict(dark=5))

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
        make_report(**told(small | {"figures" if name == "pdf" else name: changed, "output": tmp_path / "report.html"}))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert not (tmp_path / "report.html").exists()
