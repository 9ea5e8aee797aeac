"""Jobs and cards: pretended cards, real processes."""

import multiprocessing
import tempfile
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from ptychoformer.device import lookup_device

FORK = multiprocessing.get_context("fork")


def pretend(patch, cards, folder):
    """Let torch see cards of these UUIDs, and locks lie in ``folder``; ``current`` of the returned is what was made current."""
    seen = SimpleNamespace(current=None)
    patch.setattr(torch.accelerator, "is_available", lambda: True)
    patch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    patch.setattr(torch.cuda, "device_count", lambda: len(cards))
    patch.setattr(torch.cuda, "get_device_properties", lambda place: SimpleNamespace(uuid=cards[place]))
    patch.setattr(torch.cuda, "set_device", lambda device: setattr(seen, "current", device))
    patch.setattr(tempfile, "tempdir", str(folder))
    lookup_device.cache_clear()
    return seen


def take_and_wait(cards, folder, start, answer):
    """The whole life of a job, which ends by a kill."""
    pretend(pytest.MonkeyPatch(), cards, folder)
    start.wait()
    answer.send(cards[lookup_device().index])
    FORK.Event().wait()


@pytest.fixture
def launch(tmp_path):
    """Start jobs that see cards of the given UUIDs, all at once; returns them as pairs of process and taken card."""
    processes = []

    def launched(*jobs):
        start, pipes = FORK.Event(), []
        for cards in jobs:
            ours, theirs = FORK.Pipe()
            processes.append(FORK.Process(target=take_and_wait, args=(cards, tmp_path, start, theirs), daemon=True))
            processes[-1].start()
            theirs.close()  # so that a job that fails is noticed at once
            pipes.append(ours)
        start.set()
        assert all(pipe.poll(30) for pipe in pipes)
        return list(zip(processes[-len(jobs) :], [pipe.recv() for pipe in pipes]))

    yield launched
    for process in processes:
        kill(process)


@pytest.fixture
def patch(monkeypatch):
    """A monkeypatch whose end forgets the pretended device too."""
    yield monkeypatch
    lookup_device.cache_clear()


def kill(process):
    process.kill()
    process.join()


def taken(jobs):
    return [card for _, card in jobs]


@pytest.mark.parametrize(("jobs", "cards", "shares"), [(4, "abcd", [1, 1, 1, 1]), (8, "abc", [2, 3, 3]), (3, "a", [3])])
def test_jobs_that_start_at_once_are_spread_evenly(launch, jobs, cards, shares):
    assert sorted(Counter(taken(launch(*[cards] * jobs))).values()) == shares


def test_two_jobs_never_race_onto_one_card(launch):
    for _ in range(20):
        jobs = launch("ab", "ab")
        assert set(taken(jobs)) == {"a", "b"}
        for process, _ in jobs:
            kill(process)


def test_a_killed_job_frees_its_card(launch):
    jobs = launch("abc", "abc", "abc")
    for process, card in jobs:
        kill(process)
        assert taken(launch("abc")) == [card]


def test_a_shared_card_counts_every_holder(launch):
    jobs = launch(*["ab"] * 6)
    for process in [process for process, card in jobs if card == "b"][:2]:
        kill(process)
    assert taken(launch("ab") + launch("ab")) == ["b", "b"]


def test_jobs_that_see_other_parts_of_the_cards_agree_by_uuid(launch):
    """As with CUDA_VISIBLE_DEVICES=1, 0,1 and 1,0,2: number 0 is another card for each."""
    assert taken(launch("b")) == ["b"]
    assert taken(launch("ab")) == ["a"]
    assert taken(launch("bac")) == ["c"]


def test_what_dead_jobs_leave_is_removed(launch, tmp_path):
    for process, _ in launch(*["a"] * 5):
        kill(process)
    launch("a")
    (folder,) = tmp_path.iterdir()
    assert sorted(path.name[:2] for path in folder.iterdir()) == ["a.", "ga"]
    assert folder.stat().st_mode & 0o077 == 0


def test_a_process_takes_one_card_and_makes_it_current(launch, patch, tmp_path):
    launch("ab")
    seen = pretend(patch, "ab", tmp_path)
    assert lookup_device() == lookup_device() == seen.current == torch.device("cuda", 1)
    assert set(taken(launch("ab", "ab"))) == {"a", "b"}  # one holder each before: the second look took nothing


def test_without_a_folder_for_locks_the_first_card_is_used_and_said(patch, tmp_path, capsys):
    pretend(patch, "ab", tmp_path / "nowhere")
    assert lookup_device() == torch.device("cuda", 0)
    assert "No card can be reserved" in capsys.readouterr().err


@pytest.mark.parametrize("found", [None, torch.device("mps")])
def test_other_devices_are_not_locked(patch, tmp_path, found):
    pretend(patch, "ab", tmp_path)
    patch.setattr(torch.accelerator, "is_available", lambda: found is not None)
    patch.setattr(torch.accelerator, "current_accelerator", lambda: found)
    assert lookup_device() == (found or torch.device("cpu"))
    assert not list(tmp_path.iterdir())
