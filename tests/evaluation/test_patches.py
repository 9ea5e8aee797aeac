"""A prediction comes back from its file as it went in, and a damaged one is refused."""

import h5py
import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.evaluation import patches as contract
from ptychoformer.evaluation.patches import chunks, create_patches, open_patches
from ptychoformer.training.normalisation import Normalisation

NORMALISATION = Normalisation(0.5, 1.0, -3.0, 1.0)
BLOCKS = {"corner": np.array([1, 2, 5, 9]), "all": np.arange(10)}


@pytest.fixture
def prediction(tmp_path, make_split):
    path, rng = tmp_path / "patches.h5", np.random.default_rng(0)
    values = rng.random((2, 10, 4, 6), dtype=np.float32)
    positions = rng.integers(0, 50, (15, 2))
    split = make_split(positions, (4, 6), test=np.arange(5, 15), blocks=BLOCKS, true_positions=positions + 1)
    with create_patches(path, split, NORMALISATION) as arrays:
        for array, data in zip(arrays, values, strict=True):
            array[:] = data
    return path, positions[5:], values


def test_what_is_written_is_read_in_order_chunk_by_chunk(prediction, monkeypatch):
    path, positions, values = prediction
    monkeypatch.setattr(contract, "PIXELS_PER_CHUNK", 3 * 24)
    with open_patches(path) as patches:
        assert patches.window == (4, 6)
        assert patches.normalisation == NORMALISATION
        np.testing.assert_array_equal(patches.index, np.arange(5, 15))
        np.testing.assert_array_equal(patches.positions, positions)
        np.testing.assert_array_equal(patches.true_positions, positions + 1)
        parts, amplitude, phase = zip(*patches.chunks(), strict=True)
    assert [part.stop - part.start for part in parts] == [3, 3, 3, 1]
    np.testing.assert_array_equal([np.concatenate(amplitude), np.concatenate(phase)], values)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_its_own_patches_and_no_others(prediction, name, monkeypatch):
    path, positions, values = prediction
    monkeypatch.setattr(contract, "PIXELS_PER_CHUNK", 3 * 24)
    with open_patches(path) as patches:
        block = patches.block(name)
        np.testing.assert_array_equal(block.index, 5 + BLOCKS[name])
        np.testing.assert_array_equal(block.positions, positions[BLOCKS[name]])
        _, amplitude, phase = zip(*block.chunks(), strict=True)
    np.testing.assert_array_equal([np.concatenate(amplitude), np.concatenate(phase)], values[:, BLOCKS[name]])


def test_patches_that_were_cut_elsewhere_say_so(tmp_path, make_split):
    split = make_split([[0, 0], [0, 1]], (4, 4))
    with create_patches(tmp_path / "patches.h5", split, NORMALISATION, cut_at=np.array([[2, 2], [3, 3]])):
        pass
    with open_patches(tmp_path / "patches.h5") as patches:
        np.testing.assert_array_equal(patches.true_positions, [[2, 2], [3, 3]])


def test_a_window_larger_than_a_chunk_is_a_chunk():
    assert list(chunks(2, (1024, 1024))) == [slice(0, 1), slice(1, 2)]


def test_the_file_describes_itself(prediction):
    with h5py.File(prediction[0]) as file:
        arrays = []
        file["patches"].visititems(lambda name, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None)
        assert len(arrays) == 7
        assert all({"units", "axes"} <= set(array.attrs) for array in arrays)


def test_a_patch_that_was_never_filled_is_named(tmp_path, make_split):
    path = tmp_path / "patches.h5"
    with create_patches(
        path, make_split(np.zeros((9, 2), int), (4, 4), test=np.array([7, 8])), NORMALISATION
    ) as arrays:
        for array in arrays:
            array[0] = 1
    with open_patches(path) as patches, pytest.raises(InputError, match="pattern 8 holds NaN"):
        list(patches.chunks())


def drop_a_constant(group):
    del group.attrs["phase_max"]


def shorten_the_positions(group):
    positions = group["positions"][:-1]
    del group["positions"]
    group["positions"] = positions


def drop_the_phase(group):
    del group["phase"]


def drop_the_blocks(group):
    del group["blocks"]


def point_beyond_the_patches(group):
    group["blocks/corner"][-1] = 10


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (drop_a_constant, "lacks a constant"),
        (shorten_the_positions, "do not fit"),
        (drop_the_phase, "no dataset"),
        (drop_the_blocks, "names no blocks"),
        (point_beyond_the_patches, "'patches/blocks/corner' must hold increasing numbers from 0 to 9"),
    ],
)
def test_a_damaged_prediction_is_refused(prediction, damage, complaint):
    with h5py.File(prediction[0], "r+") as file:
        damage(file["patches"])
    with pytest.raises(InputError, match=complaint), open_patches(prediction[0]):
        pass


def test_an_empty_prediction_is_refused(tmp_path, make_split):
    with create_patches(tmp_path / "patches.h5", make_split(np.empty((0, 2), int), (4, 4)), NORMALISATION):
        pass
    with pytest.raises(InputError, match="holds no patches"), open_patches(tmp_path / "patches.h5"):
        pass
