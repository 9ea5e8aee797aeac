"""What `reconstruct` tells besides the object: how fine it is, and how it comes about."""

import errno
import re

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ptychoformer import cli
from ptychoformer.cli import watching
from ptychoformer.errors import InputError
from ptychoformer.files import content_digest
from ptychoformer.measurement import reconstruct as module
from ptychoformer.measurement.cxi import Optics, create_dataset
from ptychoformer.measurement.iterative import Reconstruction
from ptychoformer.measurement.windows import windows
from ptychoformer.provenance import read_provenance
from ptychoformer.simulation.diffraction import diffraction

WINDOW, PIXEL = 32, 8e-9


def write_scan(path, photons, optics=True):
    """Patterns of a rough object, with photon noise; returns the file's path."""
    random = np.random.default_rng(0)
    corners = np.indices((11, 10)).reshape(2, -1).T * 5 + random.integers(0, 2, (110, 2))
    corners -= corners.min(axis=0)
    shape = corners.max(axis=0) + WINDOW
    thing = (0.7 + 0.3 * random.random(shape)) * np.exp(1j * random.random(shape))
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW // 2
    probe = (np.exp(-(y**2 + x**2) / 72) * np.exp(0.04j * (y**2 + x**2))).astype(np.complex64)
    probe *= np.sqrt(photons / np.sum(np.abs(probe) ** 2))
    parts = {"window": probe.shape, "positions": corners.astype(float), "probe": probe}
    parts |= {"optics": Optics(1.4e-10, PIXEL, 2.0)} if optics else {}
    with create_dataset(path, **parts) as data:
        data[:] = random.poisson(diffraction(probe * windows(thing, corners, probe.shape)))
    return path


def reconstruct(path, output, *options):
    arguments = ["reconstruct", path, "-o", output, "--iterations", 30, "--probe-known", "--threads", 1, *options]
    return cli.main([str(argument) for argument in arguments])


def test_several_modes_are_found_watched_drawn_and_asked_of_both_halves(tmp_path, capsys):
    path, output, words = write_scan(tmp_path / "scan.cxi", 1e6), tmp_path / "object.h5", ["--probe-modes", 2]
    words += ["--frc", "--png", tmp_path / "a.png", "--watch", tmp_path / "b.png"]
    arguments = ["reconstruct", path, "-o", output, "--iterations", 6, "--threads", 1, *words]
    assert cli.main([str(argument) for argument in arguments]) == 0
    assert capsys.readouterr().err.count("The modes of the probe hold ") == 3
    for name in ("object.h5", "object.half1.h5", "object.half2.h5"):
        with h5py.File(tmp_path / name) as file:
            assert file["probe/modes"].shape == (2, WINDOW, WINDOW)
    for name in ("a.png", "b.png"):
        with Image.open(tmp_path / name) as image:
            image.verify()
    assert reconstruct(path, output, "--probe-modes", 2) == 1
    assert "--probe-modes: 2 is not allowed where the probe is not refined" in capsys.readouterr().err


@pytest.mark.parametrize(("r_factor", "told"), [(0.99, False), (1.01, True)])
def test_an_object_that_explains_less_than_darkness_is_told(tmp_path, monkeypatch, capsys, r_factor, told):
    monkeypatch.setattr(Reconstruction, "finish", lambda run: r_factor)
    assert reconstruct(write_scan(tmp_path / "scan.cxi", 1e5), tmp_path / "object.h5", "--iterations", 1) == 0
    assert ("scan.cxi: with an R factor above 1 the object explains" in capsys.readouterr().err) == told


def test_a_recorded_probe_of_zeros_is_refused_with_its_file(tmp_path, capsys):
    path = write_scan(tmp_path / "scan.cxi", 1e5)
    with h5py.File(path, "a") as file:
        file["ptychography/probe"][...] = 0
    assert reconstruct(path, tmp_path / "object.h5") == 1
    assert "scan.cxi: its probe is zero everywhere in the window; --probe" in capsys.readouterr().err
    assert not list(tmp_path.glob("object*"))


def test_the_probe_of_one_sample_serves_the_next_and_its_file_is_recorded_and_never_replaced(tmp_path, capsys):
    path = write_scan(tmp_path / "scan.cxi", 1e5)
    assert reconstruct(path, tmp_path / "first.h5", "--iterations", 2) == 0
    with h5py.File(path, "a") as file:
        del file["ptychography/probe"]
    words = ("--probe", tmp_path / "first.h5", "--iterations", 2)
    assert reconstruct(path, tmp_path / "first.h5", *words) == 1
    assert "first.h5 would be replaced by what is made of it" in capsys.readouterr().err
    assert reconstruct(path, tmp_path / "next.h5", *words) == 0
    with h5py.File(tmp_path / "first.h5") as first, h5py.File(tmp_path / "next.h5") as file:
        np.testing.assert_allclose(abs(file["probe/wavefield"][:]), abs(first["probe/wavefield"][:]), rtol=1e-4)
    configuration = read_provenance(tmp_path / "next.h5")["configuration"]
    assert configuration["reading"]["probe"] == str(tmp_path / "first.h5")
    assert configuration["probe_digest"] == content_digest(tmp_path / "first.h5")


def test_the_probe_in_the_provenance_is_the_one_that_was_read(tmp_path, monkeypatch):
    path, probe = write_scan(tmp_path / "scan.cxi", 1e5), tmp_path / "flat.npy"
    np.save(probe, np.ones((32, 32), complex))
    before, run_iteration = content_digest(probe), Reconstruction.run_iteration

    def replacing(run):
        probe.write_bytes(b"another")
        run_iteration(run)

    monkeypatch.setattr(Reconstruction, "run_iteration", replacing)
    arguments = ["reconstruct", path, "-o", tmp_path / "object.h5", "--probe", probe, "--iterations", 1, "--threads", 1]
    assert cli.main([str(argument) for argument in arguments]) == 0
    assert read_provenance(tmp_path / "object.h5")["configuration"]["probe_digest"] == before


def test_a_probe_that_has_to_be_found_cannot_be_known(tmp_path, capsys):
    path = write_scan(tmp_path / "scan.cxi", 1e5)
    assert reconstruct(path, tmp_path / "object.h5", "--probe", "found") == 1
    assert "holds no probe to be taken as it is; leave out --probe-known" in capsys.readouterr().err


@pytest.mark.slow
def test_more_photons_resolve_more_and_the_line_says_it_in_nanometres(tmp_path, capsys):
    found = {}
    for photons in (5e3, 1e4, 1e7):
        path = write_scan(tmp_path / "scan.cxi", photons)
        assert reconstruct(path, tmp_path / f"object{photons:g}.h5", "--frc") == 0
        last = capsys.readouterr().out.splitlines()[-1]
        words = re.search(r"at ([\d.]+) cycles/pixel, half-period ([\d.]+) pixels, ([\d.]+) nm", last)
        found[photons] = last if words is None else float(words[1])
        if words:
            assert float(words[2]) == pytest.approx(1 / (2 * float(words[1])), rel=0.01)
            assert float(words[3]) == pytest.approx(float(words[2]) * PIXEL * 1e9, rel=0.01)
    assert 0 < found[5e3] < found[1e4] < 0.5
    assert "not crossed within the band" in found[1e7]
    table = pd.read_csv(tmp_path / "object1e+07.frc.csv")
    assert list(table.columns) == ["frequency", "frc", "half_bit"]
    assert (table["frc"][3:] > table["half_bit"][3:]).all()


def test_without_lengths_the_resolution_is_in_pixels(tmp_path, capsys):
    path = write_scan(tmp_path / "scan.cxi", 1e4, optics=False)
    assert reconstruct(path, tmp_path / "object.h5", "--frc", "--png", tmp_path / "object.png") == 0
    assert re.search(r"half-period [\d.]+ pixels: \S+object\.frc\.csv$", capsys.readouterr().out.strip())
    assert reconstruct(path, tmp_path / "plain.h5", "--iterations", 2, "--png", tmp_path / "plain.png") == 0
    wide, narrow = (Image.open(tmp_path / name).width for name in ("object.png", "plain.png"))
    assert wide == pytest.approx(narrow * 5 / 4, rel=0.01)  # one panel more


def test_the_halves_are_kept_and_the_whole_is_what_it_is_without(tmp_path):
    path = write_scan(tmp_path / "scan.cxi", 1e4)
    for name, words in (("plain", ()), ("object", ("--frc",))):
        assert reconstruct(path, tmp_path / f"{name}.h5", "--iterations", 4, *words) == 0
    numbers, objects = {}, {}
    for name in ("plain", "object", "object.half1", "object.half2"):
        with h5py.File(tmp_path / f"{name}.h5") as file:
            numbers[name], objects[name] = file["numbers"][:], file["object/phase"][:]
    np.testing.assert_array_equal(objects["plain"], objects["object"])
    assert sorted([*numbers["object.half1"], *numbers["object.half2"]]) == list(range(110))
    assert not list(tmp_path.glob("*.state.pt"))


def test_a_resolution_is_never_that_of_another_object(tmp_path):
    path = write_scan(tmp_path / "scan.cxi", 1e4)
    for words, there in (("--frc",), True), ((), False):
        assert reconstruct(path, tmp_path / "object.h5", "--iterations", 2, *words) == 0
        assert (tmp_path / "object.frc.csv").exists() == there


def test_what_fails_in_a_half_leaves_neither_the_resolution_of_another_object_nor_states(tmp_path, monkeypatch):
    path = write_scan(tmp_path / "scan.cxi", 1e4)
    assert reconstruct(path, tmp_path / "object.h5", "--iterations", 2, "--frc") == 0

    def refuse(*_):
        raise InputError("they do not agree.")

    monkeypatch.setattr("ptychoformer.evaluation.reproducibility.agreement_of_files", refuse)
    assert reconstruct(path, tmp_path / "object.h5", "--iterations", 3, "--frc") == 1
    assert not (tmp_path / "object.frc.csv").exists()
    assert not list(tmp_path.glob("*.state.pt"))


def test_a_scan_that_cannot_be_halved_leaves_its_object_and_picture_and_says_why(tmp_path, capsys):
    few, whole = tmp_path / "few.cxi", write_scan(tmp_path / "scan.cxi", 1e4)
    with (
        h5py.File(whole) as file,
        create_dataset(few, window=(32, 32), positions=np.arange(12.0).reshape(6, 2)) as data,
    ):
        data[:] = file["entry_1/data_1/data"][:6]
    made = tmp_path / "made"
    arguments = ["reconstruct", few, "-o", made / "object.h5", "--iterations", 2, "--threads", 1, "--frc"]
    arguments += ["--png", made / "object.png"]
    assert cli.main([str(argument) for argument in arguments]) == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("Error"))
    assert "object.h5 is written, but how fine it is cannot be told: Two halves need at least 8 patterns" in line
    assert {file.name for file in made.iterdir()} == {
        *("object.h5", "object.convergence.csv", "object.h5.provenance.json", "object.png")
    }


def test_interrupted_in_a_half_the_same_command_goes_on_there(tmp_path, monkeypatch, capsys):
    path = write_scan(tmp_path / "scan.cxi", 1e4)
    reconstruct(path, tmp_path / "unbroken.h5", "--iterations", 6, "--frc")
    monkeypatch.setattr(module, "SECONDS_BETWEEN_STATES", 0)
    monkeypatch.setattr(module, "PART_FOR_STATES", 1e9)
    run_iteration, turns = Reconstruction.run_iteration, []

    def broken(run):
        turns.append(len(run.amplitudes))
        if len(turns) == 15:  # 6 of the whole, 6 of one half, 3 of the other
            raise KeyboardInterrupt
        run_iteration(run)

    monkeypatch.setattr(Reconstruction, "run_iteration", broken)
    again = (path, tmp_path / "object.h5", "--iterations", 6, "--frc")
    assert reconstruct(*again) == 130
    capsys.readouterr()
    assert reconstruct(*again) == 0
    assert capsys.readouterr().err.count("Going on after iteration 6.") == 2
    assert turns[15:] == [55] * 4  # what was left, and no more
    unbroken, broken = (pd.read_csv(tmp_path / f"{name}.frc.csv") for name in ("unbroken", "object"))
    pd.testing.assert_frame_equal(unbroken, broken)


def test_a_watched_picture_is_renewed_and_never_half_written(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "SECONDS_BETWEEN_PICTURES", 0)
    monkeypatch.setattr(watching, "PART_FOR_PICTURES", 1e9)
    picture, seen, run_iteration = tmp_path / "now.png", [], Reconstruction.run_iteration

    def looked_at(run):
        if picture.exists():
            with Image.open(picture) as image:
                image.verify()
            seen.append(picture.read_bytes())
        run_iteration(run)

    monkeypatch.setattr(Reconstruction, "run_iteration", looked_at)
    path = write_scan(tmp_path / "scan.cxi", 1e4)
    assert reconstruct(path, tmp_path / "object.h5", "--iterations", 4, "--watch", picture) == 0
    assert len(seen) == len(set(seen)) == 3
    assert picture.read_bytes() not in seen  # at the end it shows the result
    assert {file.name for file in tmp_path.iterdir()} == {
        *("scan.cxi", "now.png", "object.h5", "object.convergence.csv", "object.h5.provenance.json")
    }


def test_watching_takes_a_twentieth_of_the_time_at_most(monkeypatch):
    now, drawn = [0.0], []
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])

    def draw(*_):
        drawn.append(now[0])
        now[0] += 2.0

    monkeypatch.setattr(watching.Watch, "_draw", draw)
    watch = watching.Watch("now.png")
    while now[0] < 1000:
        watch(None, None)
        now[0] += 0.5
    assert 2.0 * len(drawn) <= 0.05 * 1000 + 2.0
    assert len(drawn) > 20


def test_watching_changes_no_number_and_a_lost_picture_ends_no_reconstruction(tmp_path, monkeypatch, capsys):
    path = write_scan(tmp_path / "scan.cxi", 1e4)
    assert reconstruct(path, tmp_path / "plain.h5", "--iterations", 4) == 0
    monkeypatch.setattr(watching, "SECONDS_BETWEEN_PICTURES", 0)
    monkeypatch.setattr(watching, "PART_FOR_PICTURES", 1e9)
    draw, calls = watching.draw_progress, []

    def full(*parts, png, **more):
        calls.append(png)
        if len(calls) == 2:
            from ptychoformer.files import atomic

            with atomic(png):
                raise OSError(errno.ENOSPC, "No space left on device")
        draw(*parts, png=png, **more)

    monkeypatch.setattr(watching, "draw_progress", full)
    capsys.readouterr()
    assert reconstruct(path, tmp_path / "object.h5", "--iterations", 4, "--watch", tmp_path / "now.png") == 0
    assert len(calls) == 2
    assert "the disk is full" in (said := capsys.readouterr().err)
    assert "goes on without it" in said
    with h5py.File(tmp_path / "plain.h5") as plain, h5py.File(tmp_path / "object.h5") as watched:
        np.testing.assert_array_equal(plain["object/phase"][:], watched["object/phase"][:])


def test_a_watched_picture_is_a_png(tmp_path, capsys):
    with pytest.raises(SystemExit):
        reconstruct("scan.cxi", tmp_path / "object.h5", "--watch", "now.jpg")
    assert "must end in .png" in capsys.readouterr().err
