"""Figure 9: sections, energy by band with its interval, and ring correlation, of one condition."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ptychoformer.errors import InputError
from ptychoformer.evaluation.spectra import BANDS, spectra
from ptychoformer.publication.figures.fig9 import band_ratios, compose, draw
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, colour, house_style
from ptychoformer.tables import write_csv

MODELS = {"ptychonn": "First", "ptychoformer": "Second"}
HEADLINE = dict(block="lower_right", level="scene")


@pytest.fixture
def files(tmp_path, dataset, run_files):
    """Spectra of two networks that blur, of three seeds that are alike."""
    scenes = [
        (scene, {"dataset": "clean", "test": "clean", "model": model, "loss": "mse", "n_train": 320, "seed": seed})
        for model, (_, scene) in run_files.items()
        for seed in range(3)
    ]
    outputs = tmp_path / "spectra.csv", tmp_path / "bands.csv"
    headline = dict(block="lower_right", level="scene")
    spectra(
        dict.fromkeys(range(3), dataset), scenes, **headline, output_spectra_csv=outputs[0], output_bands_csv=outputs[1]
    )
    return outputs


def test_ratio_is_a_geometric_mean_with_its_interval():
    shares = np.array([0.02, 0.05, 0.03])
    rows = {"model": "any", "channel": "phase", "band": "mid", "seed": range(3), "estimate": shares, "truth": 0.1}
    (row,) = band_ratios(pd.DataFrame(rows)).itertuples()
    interval = stats.ttest_1samp(np.log(shares / 0.1), 0).confidence_interval(0.95)
    assert row.mean == pytest.approx(stats.gmean(shares) / 0.1)
    assert (row.low, row.high) == pytest.approx(tuple(np.exp(interval)))
    (single,) = band_ratios(pd.DataFrame(rows).head(1)).itertuples()
    assert np.isnan(single.low)


def test_networks_that_blur_lose_what_is_not_low(files):
    ratios = band_ratios(pd.read_csv(files[1])).set_index(["channel", "band", "model"])["mean"]
    for channel in ("amplitude", "phase"):
        for model in MODELS:
            assert ratios[channel, "low", model] > 1
            assert all(ratios[channel, band, model] < 0.5 for band in BANDS[1:])


def test_panels_hold_what_the_files_hold(files, experiment):
    curves, bands = (pd.read_csv(path) for path in files)
    with house_style():
        figure = compose(curves, bands, MODELS, "scene of a block")
    named = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "Diagonal section of the scene of a block; bands end at 0.24 and 0.47 cycles/pixel (dotted)" in named
    assert len(figure.axes) == 2 * len(MODELS) + 2 + 3
    section = curves[(curves["model"] == "ptychonn") & (curves["seed"] == 0) & (curves["channel"] == "amplitude")]
    truth, first = figure.axes[0].lines[:2]
    np.testing.assert_allclose(truth.get_ydata(), section.loc[section["quantity"] == "psd_diagonal_truth", "value"])
    np.testing.assert_allclose(first.get_ydata(), section.loc[section["quantity"] == "psd_diagonal", "value"])
    correlation = curves[(curves["model"] == "ptychoformer") & (curves["seed"] == 0) & (curves["channel"] == "object")]
    # Strong up to the threshold, faint from there on, and whole together.
    expected = correlation.loc[correlation["quantity"] == "frc", "value"].to_numpy()
    curves = [line for line in figure.axes[-1].lines if line.get_color() == colour("ptychoformer")]
    strong, faint = (np.asarray(line.get_ydata(), float) for line in curves[:2])
    np.testing.assert_allclose(np.where(np.isnan(strong), faint, strong), expected)
    (end,) = correlation.loc[correlation["quantity"] == "crossing", "frequency"]
    frequency = np.asarray(curves[0].get_xdata(), float)
    np.testing.assert_array_equal(np.isnan(strong), frequency > end)
    assert curves[0].get_alpha() is None
    assert curves[1].get_alpha() < 0.5
    assert {"low", "mid", "high"} <= set(named)
    headings = [axes.get_title() for axes in figure.axes[: len(MODELS)]]
    assert headings == [*MODELS.values()]
    assert [text.get_text() for text in figure.legends[0].get_texts()][1:-1] == headings
    assert not experiment.illegible(figure)


@pytest.mark.parametrize(("factor", "shown"), [(0.02, True), (1e-9, False), (1e9, True)])
def test_sections_of_networks_are_shown_down_to_a_hundredth_of_the_truth(files, factor, shown):
    curves, bands = (pd.read_csv(path) for path in files)
    truth = curves.query(
        "quantity == 'psd_diagonal_truth' and channel == 'amplitude' and model == 'ptychonn' and seed == 0"
    )
    usual = truth["value"].quantile(0.25)
    curves.loc[(curves["quantity"] == "psd_diagonal") & (curves["channel"] == "amplitude"), "value"] = factor * usual
    with house_style():
        axes = compose(curves, bands, MODELS, "scene of a block").axes[0]
    low, high = axes.get_ylim()
    assert truth["value"].max() < high
    assert factor * usual < high
    assert (low < factor * usual) == shown
    assert low > usual / 301


def test_where_a_correlation_falls_is_marked_on_the_threshold_and_has_its_interval(files):
    curves, bands = (pd.read_csv(path) for path in files)
    crossing = (curves["quantity"] == "crossing") & (curves["channel"] == "amplitude")
    falls = {"ptychonn": (0.2, 0.21, 0.22), "ptychoformer": (0.1, 0.3, 0.38)}
    for model, frequencies in falls.items():
        for seed, frequency in enumerate(frequencies):
            curves.loc[crossing & (curves["model"] == model) & (curves["seed"] == seed), "frequency"] = frequency
    with house_style():
        axes = compose(curves, bands, MODELS, "scene of a block").axes[-3]
    threshold = next(line for line in axes.lines if line.get_color() == "grey")
    for bars, (model, frequencies) in zip(axes.containers, falls.items(), strict=True):
        interval = stats.ttest_1samp(frequencies, 0).confidence_interval(0.95)
        ((start, _), (end, height)) = bars.lines[2][0].get_segments()[0]
        assert (start, end) == pytest.approx(tuple(interval))
        on_threshold = [
            line
            for line in axes.lines
            if line.get_color() == colour(model) and list(line.get_xdata()) == [np.mean(frequencies)]
        ]
        assert np.interp(np.mean(frequencies), *threshold.get_data()) in [line.get_ydata()[0] for line in on_threshold]
        # Below the curves; beyond the frequencies that there are is an arrowhead.
        lowest, _ = axes.get_ylim()
        assert lowest < height < -0.4
        cut = [line.get_marker() for line in axes.lines if line.get_gid() == "cut" and line.get_ydata()[0] == height]
        assert cut == ([] if model == "ptychonn" else ["<", ">"])


def test_files(files, tmp_path):
    for name in ("first", "second"):
        draw(*files, models=MODELS, **HEADLINE, pdf=tmp_path / f"{name}.pdf", png=tmp_path / f"{name}.png")
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()
    assert f"{DOUBLE_COLUMN * 72:.2f}".encode() in (tmp_path / "first.pdf").read_bytes()


def test_other_networks_and_mixed_conditions_are_refused(files, tmp_path):
    output = {"pdf": tmp_path / "a.pdf", "png": tmp_path / "a.png"}
    with pytest.raises(InputError, match="no spectra of the network 'dpi'"):
        draw(*files, models={"dpi": "DPI"}, **HEADLINE, **output)
    table = pd.read_csv(files[1])
    write_csv(pd.concat([table, table.assign(n_train=5)]), tmp_path / "mixed.csv")
    with pytest.raises(InputError, match="two runs of one network and seed"):
        draw(files[0], tmp_path / "mixed.csv", models=MODELS, **HEADLINE, **output)
