"""Three lines in a notebook do what the command line does."""

import argparse
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import ptychoformer
from ptychoformer import cli, open_scan, predict, reconstruct, train
from ptychoformer.cli.arguments import add_reading
from ptychoformer.cli.keywords import parsed
from ptychoformer.errors import InputError, OutputError
from ptychoformer.measurement.summary import as_mapping
from ptychoformer.measurement.windows import windows
from ptychoformer.provenance import sidecar
from ptychoformer.simulation.diffraction import diffraction

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
SIDE, STEP = 16, 4
LENGTHS = {"wavelength": 1.4e-10, "distance": 2.0, "detector_pixel": 75e-6}
PIXEL = LENGTHS["wavelength"] * LENGTHS["distance"] / (SIDE * LENGTHS["detector_pixel"])  # metres, of the object
QUICK = {"model": "ptychonn", "epochs": 2, "threads": 1}


def scanned(rows=9, columns=6):
    """Patterns (n, 16, 16) of counted photons, positions (n, 2) in pixels and the probe of a smooth object."""
    random = np.random.default_rng(0)
    corners = np.indices((rows, columns)).reshape(2, -1).T * STEP + random.integers(0, 2, (rows * columns, 2))
    corners -= corners.min(axis=0)
    y, x = np.indices(corners.max(axis=0) + SIDE)
    thing = (0.8 + 0.2 * np.sin(y / 5) * np.cos(x / 7)) * np.exp(0.5j * np.sin(y / 9 + x / 6))
    y, x = np.indices((SIDE, SIDE)) - SIDE // 2
    probe = np.exp(-(y**2 + x**2) / (2 * 3.0**2)) * np.exp(0.05j * (y**2 + x**2))
    probe *= np.sqrt(2e5 / np.sum(np.abs(probe) ** 2))
    return np.rint(diffraction(probe * windows(thing, corners, probe.shape))), corners, probe


PATTERNS, POSITIONS, PROBE = scanned()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def scan(folder):
    return open_scan(PATTERNS, POSITIONS, probe=PROBE, unit="pixels", folder=folder, **LENGTHS)


@pytest.fixture(scope="module")
def obj(scan):
    return reconstruct(scan, iterations=3, threads=1)


@pytest.fixture(scope="module")
def run(scan, obj):
    return train(scan, obj, **QUICK)


# What the notebook's functions make is what the commands make


def command(*arguments):
    lengths = [f"--{name.replace('_', '-')}={value}" for name, value in LENGTHS.items()]
    assert cli.main([*map(str, arguments), *lengths, "--threads=1"]) == 0


def test_a_reconstruction_is_that_of_the_command(scan, obj, tmp_path):
    command("reconstruct", scan.path, "-o", tmp_path / "object.h5", "--iterations", 3)
    with h5py.File(tmp_path / "object.h5") as file:
        np.testing.assert_array_equal(obj.amplitude, file["object/amplitude"])
        np.testing.assert_array_equal(obj.phase, file["object/phase"])
        np.testing.assert_array_equal(obj.probe, file["probe/wavefield"])
        np.testing.assert_array_equal(obj.probe_modes, file["probe/wavefield"][:][None])
        np.testing.assert_array_equal(obj.positions, file["positions"])
        assert obj.pixel_size == file.attrs["pixel_size"] == pytest.approx(PIXEL)
    np.testing.assert_array_equal(obj.r_factor, pd.read_csv(tmp_path / "object.convergence.csv")["r_factor"])
    assert len(obj.r_factor) == 3


def test_a_run_and_its_scene_are_those_of_the_commands(scan, obj, run, tmp_path):
    command("train", scan.path, "--object", obj.path, "-o", tmp_path / "run", "--model", "ptychonn", "--epochs", 2)
    columns = ["epoch", "learning_rate", "train_loss", "validation_loss"]
    pd.testing.assert_frame_equal(run.history[columns], pd.read_csv(tmp_path / "run" / "history.csv")[columns])
    command("predict", scan.path, "--checkpoint", tmp_path / "run", "-o", tmp_path / "scene.h5")
    scene = predict(scan, run, threads=1)
    with h5py.File(tmp_path / "scene.h5") as file:
        np.testing.assert_array_equal(scene.amplitude, file["scene/amplitude"])
        np.testing.assert_array_equal(scene.phase, file["scene/phase"])
        np.testing.assert_array_equal(scene.positions, file["positions"])
        assert scene.origin == tuple(file["scene"].attrs["origin"])
    assert scene.pixel_size == pytest.approx(PIXEL)


def test_a_scene_is_predicted_as_the_network_was_trained_however_the_scan_was_opened(scan, run):
    opened = open_scan(scan.path, crop=8, **LENGTHS)
    np.testing.assert_array_equal(
        predict(opened, run, threads=1).phase, predict(scan, run.checkpoint.parent, threads=1).phase
    )


def test_files_do_in_place_of_objects(scan, obj, run, tmp_path):
    scene = predict(scan.path, run.checkpoint, folder=tmp_path / "new", threads=1)
    assert scene.path == tmp_path / "new" / "scene.h5"
    assert scene.pixel_size is None  # which arrays do not record
    assert train(scan.path, obj.path, **QUICK | {"epochs": 1}).history["epoch"].tolist() == [1]


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        (["inspect", "s.cxi"], {}),
        (
            ["inspect", "s.cxi", "--centre", "7", "9", "--crop", "8", "--json"],
            {"centre": (7, 9), "crop": np.int64(8), "json": True},
        ),
        (
            ["inspect", "s.cxi", "--wavelength", "1.4e-10"],
            {"wavelength": np.float64(1.4e-10), "bin": None, "json": np.False_},
        ),
        (
            ["reconstruct", "s.cxi", "--output=o.h5", "--refine-positions"],
            {"output": Path("o.h5"), "refine_positions": True},
        ),
        (
            ["train", "s.cxi", "--object=o.h5", "--output=r", "--option=attention=none", "--option=blocks=release"],
            {"object": "o.h5", "output": "r", "option": {"attention": "none", "blocks": "release"}},
        ),
        (
            ["predict", "s.cxi", "--checkpoint=r", "--output=s.h5", "--tie=0.5"],
            {"checkpoint": "r", "output": "s.h5", "tie": 0.5},
        ),
        (["export", "run", "--onnx", "n.onnx"], {"onnx": "n.onnx"}),
    ],
)
def test_keywords_are_the_options_of_the_command(arguments, keywords):
    assert parsed(*arguments[:2], **keywords) == cli.parser().parse_args(arguments)


# Arrays


def test_arrays_are_read_as_they_are(scan):
    np.testing.assert_array_equal(scan.patterns, PATTERNS.astype(np.float32))
    np.testing.assert_allclose(scan.positions - scan.positions.min(axis=0), POSITIONS, atol=1e-9)
    np.testing.assert_allclose(scan.probe, PROBE, rtol=1e-5, atol=1e-4)
    assert scan.pixel_size == pytest.approx(PIXEL)
    assert not scan.mask.any()
    assert "54, frames of 16 x 16 pixels" in repr(scan)


def test_every_option_of_how_a_scan_is_read_is_a_keyword():
    part = argparse.ArgumentParser()
    add_reading(part)
    options = {action.dest for action in part._actions} - {"help", "scan"}
    assert options <= set(inspect.signature(open_scan).parameters)


def test_a_file_of_no_format_is_read_by_the_paths_of_its_datasets(scan, tmp_path):
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["detector/frames"], file["stage/xy"] = PATTERNS, -POSITIONS[:, ::-1] * PIXEL
    found = open_scan(tmp_path / "any.h5", data="detector/frames", positions="stage/xy", positions_unit="m", **LENGTHS)
    np.testing.assert_allclose(np.ptp(found.positions, axis=0), np.ptp(scan.positions, axis=0), rtol=1e-6)


def test_positions_in_metres_are_those_in_pixels(scan):
    metres = open_scan(PATTERNS, POSITIONS * PIXEL - 3e-6, unit="metres", **LENGTHS)
    np.testing.assert_allclose(metres.positions, scan.positions, atol=1e-6)


def test_metres_stay_metres_on_a_frame_that_is_not_square():
    wide = np.pad(PATTERNS, [(0, 0), (0, 0), (4, 4)])
    metres = POSITIONS * 1.1e-7
    scan = open_scan(wide, metres, unit="metres", crop=12, **LENGTHS)
    np.testing.assert_allclose(np.diff(scan.positions, axis=0) * scan.pixel_size, np.diff(metres, axis=0), atol=1e-15)


def test_without_lengths_positions_are_pixels():
    scan = open_scan(PATTERNS.tolist(), POSITIONS.tolist())
    assert scan.pixel_size is None
    np.testing.assert_allclose(np.diff(scan.positions, axis=0), np.diff(POSITIONS, axis=0), atol=1e-9)
    assert any("records no wavelength" in warning for warning in scan.warnings)


def test_the_largest_integer_is_a_blind_pixel_and_no_light():
    patterns = PATTERNS.astype(np.uint16)
    patterns[:, 2, 3] = 65535
    scan = open_scan(patterns, POSITIONS)
    assert np.argwhere(scan.mask).tolist() == [[2, 3]]
    assert scan.patterns.max() < 65535


def test_a_mask_is_true_where_a_pixel_is_bad(tmp_path):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[5, 1:3] = True
    np.testing.assert_array_equal(open_scan(PATTERNS, POSITIONS, mask=mask).mask, mask)
    np.save(tmp_path / "mask.npy", mask)
    np.testing.assert_array_equal(open_scan(PATTERNS, POSITIONS, mask=tmp_path / "mask.npy").mask, mask)


def test_the_probe_of_a_reconstruction_serves_another_scan(scan, obj, run):
    other = open_scan(PATTERNS, POSITIONS, probe=obj, unit="pixels", **LENGTHS)
    np.testing.assert_allclose(other.probe, obj.probe, rtol=1e-4, atol=1e-3)
    for probe in ({}, {"probe": obj}, {"probe": obj.path}):
        made = reconstruct(other if not probe else scan, iterations=1, threads=1, probe_known=True, **probe)
        np.testing.assert_allclose(abs(made.probe), abs(obj.probe), rtol=1e-4, atol=1e-3)
    assert open_scan(scan.path, probe="found").probe is None
    alone = open_scan(scan.path, probe=reconstruct(scan, iterations=1, threads=1))  # which nothing else keeps
    assert reconstruct(alone, iterations=1, threads=1).probe.shape == scan.probe.shape
    assert predict(other, run, threads=1).amplitude.shape


@pytest.mark.parametrize("unit", ["pixels", "metres"])
def test_arrays_of_a_scan_that_was_stopped_are_read_as_a_file_is(unit):
    """The last patterns hold a gap's marker alone, and have no position."""
    patterns, positions = PATTERNS.astype(np.uint16), POSITIONS * (1.0 if unit == "pixels" else PIXEL)
    patterns[50:], positions[50:] = 0, [0, np.nan]
    patterns[:, 2, 3] = 65535
    scan = open_scan(patterns, positions, unit=unit, **LENGTHS)
    np.testing.assert_allclose(np.diff(scan.positions, axis=0), np.diff(POSITIONS[:50], axis=0), atol=1e-9)
    assert any("4 of 54 patterns have neither a position nor light" in warning for warning in scan.warnings)


def test_arrays_with_light_but_no_position_leave_nothing_behind(tmp_path):
    with pytest.raises(InputError, match=r"^positions: 1 positions are NaN or infinite"):
        open_scan(PATTERNS, LOST, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_patterns_may_stay_on_disk(tmp_path, scan):
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["frames"] = PATTERNS
        np.testing.assert_array_equal(open_scan(file["frames"], POSITIONS).patterns, scan.patterns)


# Files and pictures


def test_temporary_files_go_with_their_object_and_others_stay(scan, folder):
    made = reconstruct(scan, iterations=1, threads=1)
    temporary = made.path.parent
    assert temporary.is_dir()
    del made
    assert not temporary.exists()
    assert (folder / "scan.cxi").exists()


def test_a_saved_scene_is_the_same(scan, run, tmp_path):
    scene = predict(scan, run, threads=1)
    scene.save(tmp_path / "mine" / "kept.h5")
    assert (tmp_path / "mine" / "kept.h5").read_bytes() == scene.path.read_bytes()
    assert json.loads(sidecar(tmp_path / "mine" / "kept.h5").read_text())["artefact"] == "kept.h5"
    with pytest.raises(InputError, match="would be replaced"):
        scene.save(scene.path)
    with pytest.raises(InputError, match=r"must end in \.h5 or \.hdf5\.$"):
        scene.save(tmp_path / "kept.tif")
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        scene.save(tmp_path / "folder.h5")


def test_a_saved_scene_replaces_one_of_the_same_scan_and_network_alone(scan, obj, run, tmp_path):
    scene, saved = predict(scan, run, threads=1), tmp_path / "kept.h5"
    scene.save(saved)
    other = predict(scan, run, threads=1, weighting="uniform")
    other.save(saved)
    assert saved.read_bytes() == other.path.read_bytes()
    sidecar(saved).unlink()
    with pytest.raises(OutputError, match="exists, and nothing beside it says what it was made of"):
        scene.save(saved)
    shutil.copy(obj.path, saved)
    shutil.copy(sidecar(obj.path), sidecar(saved))
    with pytest.raises(OutputError, match="was made by something else than this command"):
        scene.save(saved)
    assert saved.read_bytes() == obj.path.read_bytes()
    # What says what the scene is of is looked at before anything is written.
    sidecar(scene.path).write_text("{}}")
    with pytest.raises(InputError, match="cannot be read as provenance"):
        scene.save(tmp_path / "new.h5")
    assert not (tmp_path / "new.h5").exists()


def test_everything_can_be_plotted(scan, obj, run):
    for made, panels in ((scan, 3), (obj, 4), (run, 1), (predict(scan, run, threads=1), 2)):
        figure = made.plot()
        assert sum(bool(axes.get_title()) for axes in figure.axes) == panels
        assert figure._repr_png_().startswith(b"\x89PNG")  # as a notebook shows it


def test_the_package_is_imported_as_cheaply_as_before():
    heavy = ("torch", "matplotlib", "pandas", "numpy", "h5py")
    program = f"import sys, ptychoformer; print(*[name for name in {heavy} if name in sys.modules])"
    program += (
        f"\nfrom ptychoformer import open_scan, train\nprint(*[name for name in {heavy[:3]} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'recontruct'"):
        _ = ptychoformer.recontruct


# What goes wrong

BAD = PATTERNS.copy()
BAD[7, 3, 4] = np.nan
LOST = POSITIONS.astype(float)
LOST[3, 1] = np.inf
MISTAKES = {
    "no file": (lambda scan: open_scan("none.cxi"), "none.cxi does not exist."),
    "no positions": (lambda scan: open_scan(PATTERNS), "need their positions"),
    "positions of a file": (lambda scan: open_scan(scan.path, POSITIONS), "go with arrays"),
    "NaN": (lambda scan: open_scan(BAD, POSITIONS), "pattern 7 holds NaN"),
    "one pattern": (lambda scan: open_scan(PATTERNS[:1], POSITIONS[:1]), "must hold 2 to"),
    "a raster": (lambda scan: open_scan(PATTERNS.reshape(9, 6, SIDE, SIDE), POSITIONS), "of shape (n, h, w)"),
    "an image": (lambda scan: open_scan(PATTERNS[0], POSITIONS), "must have the axes (n, h, w)"),
    "complex": (lambda scan: open_scan(PATTERNS + 0j, POSITIONS), "patterns must be real numbers, found complex128"),
    "ragged": (lambda scan: open_scan([[[1, 2]], [[1]]], POSITIONS), "patterns must be an array of numbers"),
    "too few positions": (lambda scan: open_scan(PATTERNS, POSITIONS[1:]), "must have the shape (54, 2)"),
    "three axes": (lambda scan: open_scan(PATTERNS, np.zeros((54, 3))), "found (54, 3)"),
    "positions lost": (lambda scan: open_scan(PATTERNS, LOST), "the first is that of pattern 3"),
    "no motion": (lambda scan: open_scan(PATTERNS, np.zeros((54, 2))), "all 54 positions are the same"),
    "which unit": (lambda scan: open_scan(PATTERNS, POSITIONS, **LENGTHS), "must be said where a length is given"),
    "no such unit": (
        lambda scan: open_scan(PATTERNS, POSITIONS, unit="nm"),
        "must be 'pixels' (of the object) or 'metres', found 'nm'",
    ),
    "metres of what": (
        lambda scan: open_scan(PATTERNS, POSITIONS, unit="metres", distance=2.0),
        "need wavelength, detector_pixel too",
    ),
    "millimetres": (
        lambda scan: open_scan(PATTERNS, POSITIONS, unit="metres", **LENGTHS | {"distance": 2e3}),
        "'2000.0' is not allowed",
    ),
    "metres for pixels": (lambda scan: open_scan(PATTERNS, POSITIONS, unit="metres", **LENGTHS), "span an object of"),
    "probe": (
        lambda scan: open_scan(PATTERNS, POSITIONS, probe=PROBE[1:]),
        "probe must have the patterns' shape (16, 16), found (15, 16)",
    ),
    "mask of integers": (
        lambda scan: open_scan(PATTERNS, POSITIONS, mask=np.ones((16, 16))),
        "mask must be bool, True where",
    ),
    "crop": (lambda scan: open_scan(PATTERNS, POSITIONS, crop=99), "a crop of 99 pixels"),
    "crop of half a pixel": (
        lambda scan: open_scan(PATTERNS, POSITIONS, crop=8.5),
        "'8.5' is not allowed; it must be an integer",
    ),
    "no iterations": (
        lambda scan: reconstruct(scan, iterations=0),
        "reconstruct: --iterations: '0' is not allowed",
    ),
    "misspelt": (
        lambda scan: reconstruct(scan, iteration=4),
        "reconstruct: there is no option --iteration; did you mean '--iterations'? `ptychoformer reconstruct --help`",
    ),
    "abbreviated": (lambda scan: reconstruct(scan, iter=4), "there is no option --iter; did you mean '--iterations'?"),
    "help": (lambda scan: reconstruct(scan, help=True), "there is no option --help"),
    "no object": (lambda scan: train(scan, "none.h5", model="ptychonn"), "none.h5 does not exist"),
    "no model": (
        lambda scan: train(scan, "none.h5", model="resnet"),
        "there is no network 'resnet'; there are dpi, ptychoformer",
    ),
    "no run": (lambda scan: predict(scan, "none"), "none does not exist"),
    "too small for a network": (lambda scan: train(scan, "none.h5"), "multiples of 32 pixels, found 16 x 16"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_one_sentence(scan, name):
    wrong, words = MISTAKES[name]
    with pytest.raises(InputError) as raised:
        wrong(scan)
    assert words in str(raised.value)
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("change", ["patterns", "positions", "probe", "a scan of somebody else's", "text"])
def test_arrays_replace_no_other_scan_in_their_folder(tmp_path, change):
    given = {"source": PATTERNS, "positions": POSITIONS, "probe": PROBE}
    made = open_scan(**given, folder=tmp_path)
    if change == "text":
        made.path.write_text("a note")
    elif change == "a scan of somebody else's":
        with h5py.File(made.path, "r+") as file:
            file.attrs["beamline"] = "34-ID"
    before = made.path.read_bytes()
    name = {"patterns": "source"}.get(change, change)
    if name in given:
        assert open_scan(**given, folder=tmp_path).path.read_bytes() == before  # the same again
        given[name] = given[name].copy()
        given[name][1] += 1
    with pytest.raises(OutputError, match=r"scan\.cxi exists, and is not the scan in these arrays"):
        open_scan(**given, folder=tmp_path)
    assert made.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["scan.cxi"]


# The page


def test_the_cells_of_the_notebook_are_stripped_and_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook, names = json.loads(NOTEBOOK.read_text(encoding="utf-8")), {}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
    for cell in cells:
        exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)
    assert names["obj"].r_factor[-1] < min(0.15, 0.6 * names["obj"].r_factor[0])
    losses = names["run"].history["train_loss"]
    assert losses.iloc[-1] < losses.iloc[0] / 2  # an epoch alone may end higher, by how a CPU sums
    judged = json.loads((tmp_path / "run" / "judgement.json").read_text())
    assert judged["better"] == ["amplitude", "relative_phase"]
    assert min(judged[channel]["gain"] for channel in judged["better"]) > 1  # dB over the mean of the labels
    assert as_mapping(names["scan"].summary)["overlap_of_probes"] > 0.6  # as the pages recommend
    assert names["scan"].warnings == ()
    with h5py.File("scene.h5") as file:
        np.testing.assert_array_equal(file["scene/phase"], names["scene"].phase)
