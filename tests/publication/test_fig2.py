"""Figure 2: what it says is what the network's description says, and every word stays in its box."""

import json
import re

import pytest
from matplotlib.patches import FancyBboxPatch

from ptychoformer.errors import InputError
from ptychoformer.publication.figures.fig2 import compose, draw
from ptychoformer.publication.figures.parts.architecture import read_network
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.inspection import describe

VARIANTS = {
    "paper": ((32, 32), {}),
    "release": ((32, 32), {"attention": "release"}),
    "mhsa": ((32, 32), {"attention": "mhsa"}),
    "none": ((32, 32), {"attention": "none", "constraints": "none"}),
    "dense": ((32, 32), {"decoder": "dense"}),
    "release blocks": ((32, 32), {"blocks": "release"}),
    "release blocks, none": ((32, 32), {"blocks": "release", "attention": "none"}),
    "roots": ((32, 32), {}, "sqrt_max"),
    "release blocks, 64": ((64, 64), {"blocks": "release", "attention": "release"}),
    "64": ((64, 64), {}),
    "128": ((128, 128), {}),
}


@pytest.fixture(scope="module")
def descriptions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("descriptions")
    for name, (window, options, *inputs) in VARIANTS.items():
        describe(
            NetworkEntry("ptychoformer", options, inputs=inputs[0] if inputs else "log"),
            window,
            folder / f"{name}.json",
        )
    return folder


@pytest.mark.parametrize("name", VARIANTS)
def test_boxes_account_for_every_parameter(descriptions, name):
    network = read_network(descriptions / f"{name}.json")
    for lane in (*network.lanes.values(), network.block):
        assert sum(step.parameters for step in lane.steps) == lane.parameters
    assert sum(lane.parameters for lane in network.lanes.values()) + network.fusion.parameters == network.total


@pytest.mark.parametrize("name", VARIANTS)
def test_lanes_end_in_what_comes_next(descriptions, name):
    window = VARIANTS[name][0]
    network = read_network(descriptions / f"{name}.json")
    for channel in ("amplitude", "phase"):
        assert network.lanes[channel].steps[-1].output == [1, *window]
    for branch in {"local", "nonlocal_"} & set(network.lanes):
        assert network.lanes[branch].steps[-1].output == network.fusion.output


@pytest.mark.parametrize("name", VARIANTS)
def test_every_word_stays_in_its_box_and_on_the_page(descriptions, name):
    with house_style():
        figure = compose(read_network(descriptions / f"{name}.json"))
        figure.draw_without_rendering()
        boxes = [
            patch.get_window_extent()
            for patch in figure.findobj(FancyBboxPatch)
            if patch.get_boxstyle().__class__.__name__ == "Round"
        ]
        texts = [(text.get_text(), text.get_window_extent(), text.get_fontsize()) for text in figure.axes[0].texts]
    assert min(size for *_, size in texts) >= 7
    for words, extent, _ in texts:
        assert figure.bbox.x0 <= extent.x0, words
        assert extent.x1 <= figure.bbox.x1, words
        centre = (extent.x0 + extent.x1) / 2, (extent.y0 + extent.y1) / 2
        for box in boxes:
            if box.contains(*centre):
                assert box.x0 < extent.x0, words
                assert extent.x1 < box.x1, words
                assert box.y0 < extent.y0, words
                assert extent.y1 < box.y1, words
            else:
                assert not box.overlaps(extent), words
    extents = [extent for *_, extent, _ in texts]
    # Lines of one box stand close: boxes of glyphs may touch, never cover each other.
    for place, one in enumerate(extents):
        assert not any(one.padded(-3).overlaps(other.padded(-3)) for other in extents[place + 1 :])


def texts_of(descriptions, name):
    with house_style():
        return [text.get_text() for text in compose(read_network(descriptions / f"{name}.json")).axes[0].texts]


def words_of(descriptions, name):
    return " ".join(texts_of(descriptions, name))


def test_options_show(descriptions):
    paper, none, dense = (words_of(descriptions, name) for name in ("paper", "none", "dense"))
    assert "Non-local" in paper
    assert "tanh" in paper
    assert "Transposed" in paper
    assert "Non-local" not in none
    assert "tanh" not in none
    assert "Transposed" not in dense
    assert "Polar Coordinate Attention" not in words_of(descriptions, "mhsa")


def test_blocks_of_the_release_show(descriptions):
    paper, release, local = (
        words_of(descriptions, name) for name in ("paper", "release blocks", "release blocks, none")
    )
    # The decoders have six of their own.
    assert paper.count("ReLU") == 6
    assert release.count("ReLU") == 6 + 3 + 1  # dense layer, widening, fusion; feed-forward network of the block
    sums = [texts_of(descriptions, name).count("+") for name in ("paper", "release blocks", "release blocks, none")]
    assert sums == [2, 0, 2]
    assert "2 heads of 32" in local
    steps = [step.title[0] for step in read_network(descriptions / "release blocks.json").lanes["nonlocal_"].steps]
    assert steps.index("Convolution") < steps.index("Mean over")
    assert "32 → 64, GELU, → 32" in paper
    assert "32 → 32, ReLU" in release


@pytest.mark.parametrize(
    ("inputs", "words"), [("log", "log(1 + photons)"), ("sqrt", "√photons"), ("sqrt_max", "√(photons / max)")]
)
def test_the_pattern_is_named_as_the_network_sees_it(tmp_path, inputs, words):
    describe(NetworkEntry("ptychoformer", {}, inputs=inputs), (32, 32), tmp_path / "seen.json")
    assert read_network(tmp_path / "seen.json").seen == words


def test_numbers_follow_the_description(tmp_path, descriptions):
    text = (descriptions / "paper.json").read_text()
    (tmp_path / "other.json").write_text(text.replace("1605730", "7654321"))
    assert "7,654,321" in words_of(tmp_path, "other")


def test_page_is_of_the_journal_and_the_same_every_time(tmp_path, descriptions):
    files = [{"pdf": tmp_path / f"{name}.pdf", "png": tmp_path / f"{name}.png"} for name in ("one", "two")]
    for pair in files:
        draw(descriptions / "paper.json", **pair)
    assert files[0]["pdf"].read_bytes() == files[1]["pdf"].read_bytes()
    assert files[0]["png"].read_bytes() == files[1]["png"].read_bytes()
    width = float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", files[0]["pdf"].read_bytes()).group(1))
    assert width == pytest.approx(DOUBLE_COLUMN * 72)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"kind": "ptychoformer", "modules": []}'])
def test_files_that_are_no_description_are_refused(tmp_path, content):
    (tmp_path / "broken.json").write_text(content)
    with pytest.raises(InputError, match=r"broken\.json cannot be read"):
        read_network(tmp_path / "broken.json")


def test_other_networks_are_refused(tmp_path):
    (tmp_path / "dpi.json").write_text(json.dumps({"kind": "dpi"}))
    with pytest.raises(InputError, match=r"'dpi'; Fig\. 2 shows ptychoformer"):
        read_network(tmp_path / "dpi.json")
