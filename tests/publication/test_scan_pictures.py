"""Pictures of one scan are drawn of whole files; of others a sentence says what is missing."""

import h5py
import numpy as np
import pytest
from PIL import Image

from ptychoformer.errors import InputError
from ptychoformer.publication.figures.parts.style import house_style
from ptychoformer.publication.scan.pictures import draw_reconstruction, draw_scene


@pytest.fixture
def files(tmp_path):
    """A reconstruction of 40 x 40 pixels, its convergence, and the ring correlation of its halves."""
    paths = [tmp_path / name for name in ("object.h5", "object.csv", "object.frc.csv")]
    with h5py.File(paths[0], "w") as file:
        for part in ("amplitude", "phase", "light"):
            file[f"object/{part}"] = np.ones((40, 40))
        file["probe/wavefield"] = np.ones((8, 8), complex)
        file.attrs["r_factor"] = 0.1
    paths[1].write_text("iteration,r_factor\n1,0.5\n2,0.1\n")
    paths[2].write_text("frequency,frc,half_bit\n0.1,0.9,0.8\n0.5,0.1,0.4\n")
    return paths


def test_a_reconstruction_has_a_panel_for_each_of_its_parts(files):
    assert [axes.get_title() for axes in draw_reconstruction(*files[:2], frc=files[2]).axes if axes.get_title()] == [
        "Amplitude",
        "Phase",
        "Probe, modulus",
        "R factor, 0.100 of the result (dotted)",
        "FRC of halves, half-bit dotted",
    ]


def test_a_dotted_line_is_dotted_where_the_picture_is_shrunk_to_a_third(files, tmp_path):
    with h5py.File(files[0], "a") as file:
        file.attrs["r_factor"] = 0.2  # apart from the curve's end
    figure = draw_reconstruction(*files[:2], png=tmp_path / "object.png")
    with Image.open(tmp_path / "object.png") as image:
        small = np.asarray(image.convert("L").resize((image.width // 3, image.height // 3), Image.Resampling.LANCZOS))
    box = next(axes for axes in figure.axes if axes.get_title().startswith("R factor"))
    (left, y), (right, _) = figure.transFigure.inverted().transform(box.transData.transform([(1, 0.2), (1.4, 0.2)]))
    row, ends = round((1 - y) * small.shape[0]), (int(left * small.shape[1]), int(right * small.shape[1]))
    line = small[row - 2 : row + 3, slice(*ends)].min(axis=0).astype(int)
    assert line.max() - line.min() > 60
    assert np.count_nonzero(np.diff(line > line.mean())) > 10


@pytest.mark.parametrize(("r_factor", "words"), [(2e-4, "0.000200"), (0.0824, "0.0824"), (1.25, "1.25")])
def test_an_r_factor_has_three_digits_however_small_it_is(files, r_factor, words):
    with h5py.File(files[0], "a") as file:
        file.attrs["r_factor"] = r_factor
    titles = [axes.get_title() for axes in draw_reconstruction(*files[:2]).axes]
    assert f"R factor, {words} of the result (dotted)" in titles


@pytest.mark.parametrize("first", [0.95, 0.5, 0.36, 0.2, 0.11])
@pytest.mark.parametrize("last", [0.09, 0.0799, 0.04, 0.011, 3e-4])
def test_the_axis_of_r_factors_has_three_ticks_and_no_more_room_than_the_curve_needs(files, first, last):
    files[1].write_text(f"iteration,r_factor\n1,{first}\n2,{last}\n")
    with h5py.File(files[0], "a") as file:
        file.attrs["r_factor"] = last
    axes = next(axes for axes in draw_reconstruction(*files[:2]).axes if axes.get_title().startswith("R factor"))
    low, high = axes.get_ylim()
    assert last / 1.5 < low <= last < first <= high < first * 1.5
    assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 3


def test_several_modes_of_a_probe_are_drawn_as_one_light_that_says_so(files):
    with h5py.File(files[0], "a") as file:
        file["probe/modes"] = np.stack([np.full((8, 8), 3), np.full((8, 8), 4j)])
    panel = next(axes for axes in draw_reconstruction(*files[:2]).axes if axes.get_title().startswith("Probe"))
    assert panel.get_title() == "Probe, modulus of 2 modes"
    np.testing.assert_allclose(panel.images[0].get_array(), 5)


@pytest.mark.parametrize("shape", [(40, 40), (40, 200), (200, 40)])
@pytest.mark.parametrize(("low", "high"), [(-0.11, 0.01), (-20000, 3), (0.99995, 1.00005), (0, 1)])
def test_all_words_of_a_picture_are_on_the_page_however_long_its_numbers_are(files, experiment, shape, low, high):
    image = np.linspace(low, high, np.prod(shape)).reshape(shape)
    with h5py.File(files[0], "a") as file:
        del file["object"]
        for part, values in (("amplitude", image), ("phase", image), ("light", np.ones(shape))):
            file[f"object/{part}"] = values
    with house_style():
        assert experiment.illegible(draw_reconstruction(*files[:2], frc=files[2])) == []


@pytest.mark.parametrize(("low", "high"), [(-0.11, 0.01), (0, 1)])
def test_all_words_of_a_scene_are_on_the_page(tmp_path, experiment, low, high):
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        for channel in ("amplitude", "phase"):
            file[f"scene/{channel}"] = np.linspace(low, high, 900).reshape(30, 30)
            file["scene"].attrs.update({f"{channel}_min": low, f"{channel}_max": high})
    with house_style():
        assert experiment.illegible(draw_scene(tmp_path / "scene.h5")) == []


@pytest.mark.parametrize("part", ["object/phase", "object/light", "probe/wavefield"])
def test_a_part_that_is_missing_is_named(files, part):
    with h5py.File(files[0], "a") as file:
        del file[part]
    with pytest.raises(InputError, match=f"object.h5 holds no dataset '{part}'"):
        draw_reconstruction(*files[:2])


def test_an_r_factor_that_is_missing_is_named(files):
    with h5py.File(files[0], "a") as file:
        del file.attrs["r_factor"]
    with pytest.raises(InputError, match=r"object\.h5 does not say its R factor"):
        draw_reconstruction(*files[:2])


@pytest.mark.parametrize(("place", "column"), [(1, "iteration"), (1, "r_factor"), (2, "half_bit"), (2, "frc")])
def test_a_column_that_is_missing_is_named(files, place, column):
    text = files[place].read_text()
    files[place].write_text(text.replace(column, "other"))
    with pytest.raises(InputError, match=f"{files[place].name} has no column {column}"):
        draw_reconstruction(*files[:2], frc=files[2])
