"""How many threads a command takes where nobody says so."""

import os
from types import SimpleNamespace

import pytest

from ptychoformer.cli import threads

TICKS = int(threads.SECONDS * os.sysconf("SC_CLK_TCK"))  # in the time that is watched


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine whose cores are idle for these parts of the time."""

    def make(*idle, quota="max 100000"):
        path, spent = tmp_path / "stat", [0]

        def write(_seconds=0):
            lines = [f"cpu{core} 9 9 9 {round(part * spent[0])} 0 9 9 9 9 9" for core, part in enumerate(idle)]
            path.write_text("\n".join(["cpu 9 9 9 9 0 9", *lines, "intr 5"]))
            spent[0] += TICKS

        write()
        monkeypatch.setattr(threads, "TIMES", path)
        monkeypatch.setattr(threads, "QUOTA", tmp_path / "cpu.max")
        threads.QUOTA.write_text(quota)
        monkeypatch.setattr(threads.time, "sleep", write)
        monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _process: set(range(len(idle))), raising=False)

    return make


@pytest.mark.parametrize(
    ("idle", "free"),
    [
        ((1, 1), 2),
        ((1, 0), 1),
        ((0.5, 0.5), 1),
        ((0, 0), 1),
        ((0.95, 0.97), 2),
        ((1,) * 7 + (0,), 7),
        ((0.3,) * 16, 4),
        ((0.6, 0.7), 1),
    ],
)
def test_idle_cores_are_free(machine, idle, free):
    machine(*idle)
    assert threads.free_cores() == free


def test_a_container_has_the_cores_that_it_was_given(machine):
    for quota, allowed in (("200000 100000", 2), ("50000 100000", 1), ("max 100000", 8), ("nonsense", 8)):
        machine(*[1] * 8, quota=quota)
        assert threads.cores() == threads.free_cores() == allowed


@pytest.mark.parametrize("text", ["", "cpu 1 2 3 4", "cpu0 1 2 3", "cpu0 a b c d e f"])
def test_where_idle_times_are_not_told_the_load_average_counts(machine, monkeypatch, text):
    machine(1, 1, 1, 1)
    threads.TIMES.write_text(text)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 4)
    for load, free in ((0.2, 4), (2.9, 1), (2.1, 2), (50.0, 1)):
        monkeypatch.setattr(threads.os, "getloadavg", lambda load=load: (load, 0, 0))
        assert threads.free_cores() == free


def test_the_command_line_decides_and_less_than_all_is_told(machine, capsys):
    machine(0, 0, 0)
    assert threads.threads_of(SimpleNamespace(threads=5)) == 5
    assert capsys.readouterr().err == ""
    assert threads.threads_of(SimpleNamespace(threads=None)) == 1
    assert capsys.readouterr().err == "1 of 3 cores is free: as many threads (--threads).\n"
    machine(1, 1, 1)
    assert threads.threads_of(SimpleNamespace(threads=None)) == 3
    assert capsys.readouterr().err == ""
