"""Labels are text in every language that tables and figures are written in."""

import html
import re
import subprocess
from copy import deepcopy
from pathlib import Path
from shutil import which

import pandas as pd
import pytest
import typst as typesetter
import yaml
from markupsafe import escape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser

from ptychoformer.configuration import complete, load_schema
from ptychoformer.errors import InputError
from ptychoformer.escaping import latex, markdown, mathtext, typst
from ptychoformer.paths import Run
from ptychoformer.publication.report.curves import training_curves

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = load_schema(ROOT)
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
LABELS = [
    r"Ours $\frac{1$", "$", "$$", "$x$", r"\$", r"\\$x\$", "5 $", r"\mathbf{", "a_b", "_a_", "*a*", "**a**", "a|b",
    r"a\|b", "||", "`a`", "[a](b)", "![a](b)", "<script>alert(1)</script>", "</td></tr>", "&lt;", "&", "100 %", "#1",
    "{x}", "}{", "~a~", "^", "a\\", "\\", r"\input{/etc/passwd}", r"\write18{ls}", "[1cm]", "*", '"', "'", "--", "{seed}",
    "<results>", "é α µ", " a ",
]  # fmt: skip


def changed(label):
    config = deepcopy(CONFIG)
    for catalogue, name in (("models", "dpi"), ("datasets", "clean"), ("losses", "mse")):
        config[catalogue][name]["label"] = label
    return config


@pytest.mark.parametrize("label", LABELS)
def test_a_label_may_be_any_line_of_text(label):
    assert complete(changed(label), SCHEMA)["models"]["dpi"]["label"] == label


@pytest.mark.parametrize(
    "label", ["a\nb", "a\n", "\r", "a\x00", "\x1b[31mred", "\x85", "\u2028", "\u202eabc", "\u2066", "\ud800", "a" * 101]
)
@pytest.mark.parametrize("catalogue", ["models", "datasets", "losses"])
def test_a_label_is_one_line_of_text(label, catalogue):
    config = deepcopy(CONFIG)
    name = next(iter(config[catalogue]))
    config[catalogue][name]["label"] = label
    with pytest.raises(InputError) as caught:
        complete(config, SCHEMA)
    assert str(caught.value).startswith(f"{catalogue}.{name}.label: ")
    assert "it must be text or null, one line of at most 100 letters" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("label", LABELS)
def test_matplotlib_draws_a_label_as_it_is(label):
    def ink(text, parse_math):
        figure = Figure((4, 0.5))
        FigureCanvasAgg(figure)
        figure.text(0.1, 0.4, text, parse_math=parse_math)
        figure.draw_without_rendering()
        figure.canvas.draw()
        return bytes(figure.canvas.buffer_rgba())

    assert ink(mathtext(label), True) == ink(label, False)


@pytest.mark.parametrize("label", LABELS)
def test_a_label_is_text_beside_a_formula_too(label):
    parser = MathTextParser("path")
    alone, beside = parser.parse("$x$"), parser.parse(f"$x$  {mathtext(label)}, simulated")
    drawn = len(beside.glyphs) - len(alone.glyphs)
    assert drawn == len(f"  {label}, simulated".replace(" ", "")) or drawn == len(f"  {label}, simulated")


@pytest.mark.parametrize("label", LABELS)
def test_curves_of_training_are_drawn_with_any_label(label):
    history = pd.DataFrame({"epoch": [1, 2], "validation_loss": [0.2, 0.1]})
    document = training_curves({Run("clean", "dpi", "mse", 9, 0): history}, {"clean": label}, {"dpi": label})
    assert document.lstrip().startswith(b"<?xml")


# What Markdown may not find in a label unless a backslash stands before it.
MEANT = re.compile(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|~$&]")


@pytest.mark.parametrize("label", LABELS)
def test_markdown_finds_nothing_in_a_label(label):
    written = markdown(label)
    assert not MEANT.search(written)
    assert re.sub(r"\\([\\`*_\[\]<>|~$&])", r"\1", written) == label
    assert len(written) - len(written.rstrip("\\")) in range(0, 9, 2)  # what follows is not escaped
    assert "\n" not in markdown("a\nb\r")


@pytest.mark.parametrize("label", LABELS)
def test_latex_finds_nothing_in_a_label(label):
    """Outside of the commands that stand for a letter there is no letter that means something."""
    written = latex(label)
    commands = r"\\text(?:backslash|asciitilde|asciicircum|bar|asciigrave)\{\}|\\[&%$#_{}]|\$(?:<|>|\\alpha|\\mu)\$|\{[\[\]*]\}"
    rest = re.sub(commands, "", written)
    assert not set(rest) & set('\\&%$#_{}~^[]*<>|`"\n')
    assert "\n" not in latex("a\nb\r")


@pytest.mark.parametrize("label", LABELS)
def test_html_finds_nothing_in_a_label(label):
    assert not re.search(r"[<>\"']|&(?!(?:amp|lt|gt|#34|#39);)", str(escape(label)))


# What Typst would take for a list, a heading, a comment, an address, a dash, an ellipsis, a label, a line, a letter by number.
MEANT_BY_TYPST = [
    "- a",
    "+ a",
    "1. a",
    "/ a: b",
    "= a",
    "== a",
    "// a",
    "/* a */",
    "https://a.b/c",
    "a -- b --- c -? d",
    "a...b",
    "<a>",
]
MEANT_BY_TYPST += [
    "@a",
    '#read("/etc/passwd")',
    "#a.b",
    "#{1}",
    "]#[",
    "a\\",
    "\\u{41}",
    "\\ a",
    "```a```",
    "'a' \"b\"",
    "a~b",
    "$x$",
]


def words_of(document):
    """The paragraphs of a document of Typst as text."""
    page = typesetter.compile(document.encode(), format="html", ignore_system_fonts=True).decode()
    return [html.unescape(re.sub(r"<[^>]*>", "", text)) for text in re.findall(r"<p>(.*?)</p>", page, re.DOTALL)]


@pytest.mark.filterwarnings("ignore")  # pages of HTML are an experiment of Typst's
def test_typst_prints_what_stands_in_a_label():
    labels = [*LABELS, *MEANT_BY_TYPST]
    printed = words_of("\n\n".join(f"#strong[]{typst(label)}#strong[]" for label in labels))
    assert [text.strip() for text in printed] == [label.strip() for label in labels]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029", "\n\n= "])
def test_a_label_of_several_lines_is_one_line_of_typst(end):
    assert typst(f"a{end}b").splitlines() == [typst(f"a{end}b")]


@pytest.mark.skipif(not which("pdflatex"), reason="needs pdflatex")
def test_latex_sets_a_table_of_labels(tmp_path):
    rows = "\\\\\n".join(f"{latex(label)} & {latex(label)}" for label in LABELS)
    document = (
        f"\\documentclass{{article}}\\begin{{document}}\\begin{{tabular}}{{ll}}{rows}\\end{{tabular}}\\end{{document}}"
    )
    (tmp_path / "a.tex").write_text(document)
    command = ["pdflatex", "-no-shell-escape", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
