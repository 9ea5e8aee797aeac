"""The state of a broken-off reconstruction goes on only where an unbroken one would have been; else it is said what changed."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from ptychoformer import device
from ptychoformer.measurement import reconstruct as module
from ptychoformer.measurement.first_probe import in_focus
from ptychoformer.measurement.iterative import Reconstruction
from ptychoformer.measurement.options import Reading, ReconstructionOptions
from ptychoformer.tensors import load, save

OPTIONS = ReconstructionOptions(
    engine="rpie", regularisation=0.3, iterations=6, momentum=0.2, averaged=2, probe_from=2, positions_from=None
)
DETECTOR = "entry_1/instrument_1/detector_1"


@pytest.fixture
def path(write):
    return write("cxi")


@pytest.fixture
def reconstruct(tmp_path, monkeypatch, capsys):
    """Reconstruct into ``name.h5``, interrupted before iteration ``stop``; returns what was said and the object."""
    monkeypatch.setattr(module, "SECONDS_BETWEEN_STATES", 0)
    monkeypatch.setattr(module, "PART_FOR_STATES", 1e9)
    # Whose iterations are none of these.
    monkeypatch.setattr(module, "first_probe", lambda amplitudes, *_: in_focus(amplitudes))
    run_iteration = Reconstruction.run_iteration

    def made(path, name="object", stop=None, scan=None, **options):
        def break_off(run):
            if run.iteration + 1 == stop:
                raise KeyboardInterrupt
            run_iteration(run)

        monkeypatch.setattr(Reconstruction, "run_iteration", break_off)
        how = {one: options.pop(one) for one in ("seed", "code", "keep_state") if one in options}
        how |= dict(output=tmp_path / f"{name}.h5", convergence=tmp_path / f"{name}.csv")
        if stop:
            with pytest.raises(KeyboardInterrupt):
                module.reconstruct(path, Reading.of(scan or {}), replace(OPTIONS, **options), **how)
            return capsys.readouterr().err, None
        module.reconstruct(path, Reading.of(scan or {}), replace(OPTIONS, **options), **how)
        with h5py.File(how["output"]) as file:
            return capsys.readouterr().err, file["object/amplitude"][:] * np.exp(1j * file["object/phase"][:])

    return made


def mirrored(file):
    file["entry_1/sample_1/geometry_1/translation"][:, 0] *= -1


def one_moved(file):
    file["entry_1/sample_1/geometry_1/translation"][5, 0] += 1e-8  # between others


def masked(file):
    file[f"{DETECTOR}/mask"][20, 20] = 1


def swapped(file):
    data = file[f"{DETECTOR}/data"]
    data[1:3] = data[1:3][::-1]


def of_another_colour(file):
    for name, factor in (("wavelength", 2), ("energy", 0.5)):
        file[f"entry_1/instrument_1/source_1/{name}"][...] *= factor


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (mirrored, "the positions changed since"),
        (one_moved, "the positions changed since"),
        (masked, "the patterns and the mask changed since"),
        (swapped, "the patterns changed since"),
        (of_another_colour, "the geometry and the positions changed since"),
    ],
)
def test_a_file_that_was_corrected_is_reconstructed_anew(reconstruct, path, change, named):
    reconstruct(path, stop=4)
    with h5py.File(path, "r+") as file:
        change(file)
    said, found = reconstruct(path)
    assert f"Starting anew: {named}" in said
    np.testing.assert_array_equal(found, reconstruct(path, name="fresh")[1])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (dict(engine="epie"), "the engine and the regularisation changed"),
        (dict(momentum=0.1), "the momentum changed"),
        (dict(positions_from=2), "the refinement of the positions changed"),
        (dict(full_resolution_from=4), "the number of coarse iterations changed"),
        (dict(probe_from=3), "the refinement of the probe changed"),
        (dict(probe_modes=2), "the number of modes of the probe changed"),
        (dict(bin=2, crop=32), "the bin, the patterns, the positions and the mask changed"),
        (dict(scan=dict(centre=(16, 15))), "the crop, the centre, "),
        (dict(scan=dict(geometry=dict(distance=1.0))), "the geometry and the positions changed"),
        (dict(seed=1), "the seed changed"),
        (dict(code="0123456789ab"), "the code changed"),
    ],
)
def test_other_options_are_reconstructed_with_anew(reconstruct, path, changed, named):
    reconstruct(path, stop=4)
    said, found = reconstruct(path, **changed)
    assert f"Starting anew: {named}" in said
    np.testing.assert_array_equal(found, reconstruct(path, name="fresh", **changed)[1])


def test_a_state_of_another_version_of_pytorch_is_not_continued(reconstruct, path, monkeypatch):
    reconstruct(path, stop=4)
    monkeypatch.setattr(module.torch, "__version__", "0.1")
    assert "Starting anew: the version of PyTorch changed" in reconstruct(path)[0]


def test_another_probe_of_the_file_is_started_from_anew(reconstruct, write, simulate):
    measured = simulate()
    reconstruct(write("velociprobe"), stop=4)
    said, _ = reconstruct(write("velociprobe", scan=replace(measured, probe=measured.probe * np.complex64(1j))))
    assert "Starting anew: the probe changed since" in said


@pytest.mark.parametrize("lacking", ["object", "positions", "history"])
def test_a_state_that_lacks_something_is_set_aside_and_the_result_is_that_of_an_unbroken_run(
    reconstruct, path, tmp_path, lacking
):
    reconstruct(path, stop=4)
    state = module.state_file(tmp_path / "object.h5")
    save({name: part for name, part in load(state).items() if name != lacking}, state)
    said, found = reconstruct(path)
    assert f"Starting anew: the state at {state} cannot be used" in said
    assert state.with_suffix(".unusable.pt").is_file()
    np.testing.assert_array_equal(found, reconstruct(path, name="fresh")[1])


def test_what_is_given_as_the_file_says_it_changes_nothing(reconstruct, path):
    reconstruct(path, stop=4)
    said, _ = reconstruct(path, scan=dict(format="cxi", geometry=dict(distance=2.0)))
    assert "Going on after iteration 3." in said


@pytest.mark.parametrize(
    ("stop", "iterations", "averaged", "goes_on"),
    [
        (4, 9, 2, True),  # nothing was averaged yet
        (6, 9, 2, True),  # what was averaged is not to be
        (6, 9, 5, True),  # the same iterations are averaged, and more
        (6, 6, 1, True),  # the only one that was averaged is not to be
        (6, 5, 1, True),  # fewer, but no fewer than were done
        (6, 9, 6, False),  # one was not averaged that is to be
        (5, 6, 3, False),  # it is the last one
        (6, 4, 2, False),  # more were done
    ],
)
def test_another_number_of_iterations_ends_where_an_unbroken_run_does(
    reconstruct, path, stop, iterations, averaged, goes_on
):
    reconstruct(path, stop=stop)
    said, found = reconstruct(path, iterations=iterations, averaged=averaged)
    assert (f"Going on after iteration {stop - 1}." in said) == goes_on
    assert ("Starting anew" in said and "cannot be made of" in said) != goes_on
    fresh = reconstruct(path, name="fresh", iterations=iterations, averaged=averaged)[1]
    np.testing.assert_array_equal(found, fresh)


def test_a_state_that_was_kept_goes_on_to_where_a_longer_run_ends(reconstruct, path):
    """It is that of the last iteration, not of the means that were written."""
    reconstruct(path, iterations=4, averaged=2, keep_state=True)
    said, found = reconstruct(path, iterations=6, averaged=4)
    assert "Going on after iteration 4." in said
    np.testing.assert_array_equal(found, reconstruct(path, name="fresh", iterations=6, averaged=4)[1])


def test_a_state_of_other_code_is_told(reconstruct, path, tmp_path):
    save({"identity": "0123456789ab", "iteration": 3}, tmp_path / "object.state.pt")
    assert "was written by another version of the code." in reconstruct(path)[0]


def test_a_reconstruction_that_goes_on_elsewhere_says_so(reconstruct, path, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "device_name", lambda _: "Tesla T4")
    reconstruct(path, stop=3)
    monkeypatch.setattr(device, "device_name", lambda _: "cpu")
    assert "It began on Tesla T4 and goes on on cpu" in reconstruct(path, stop=5)[0]
    assert load(module.state_file(tmp_path / "object.h5"))["device"] == "Tesla T4, then cpu"
    assert "It began" not in reconstruct(path)[0]
