"""A process is called dead when it is known to be, and never when it lives."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from ptychoformer import owners
from ptychoformer.owners import held, is_dead, own_system

WORKER = """
import sys, time
from pathlib import Path
from ptychoformer.owners import held
with held(Path(sys.argv[1])):
    print("here", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def worker(tmp_path):
    """Start processes that leave their names in a folder; they end with the test."""
    with ExitStack() as started:

        def start(*before):
            process = subprocess.Popen(
                [*before, sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE, start_new_session=True
            )
            started.callback(process.wait)
            started.callback(end, process)
            assert process.stdout.readline() == b"here\n"
            return process

        yield start


def end(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def test_a_live_process_is_alive_and_a_killed_one_is_dead(worker, tmp_path):
    process = worker()
    (name,) = tmp_path.iterdir()
    assert not is_dead(name)
    end(process)
    process.wait()
    assert is_dead(name)


def test_a_process_of_another_container_is_alive_whatever_its_number_is_here(worker, tmp_path, tried):
    alone = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may not make a container")
    process = worker(*alone)
    (name,) = tmp_path.iterdir()
    with tried("a live owner of a lock in another container (PID namespace): not taken for dead"):
        assert json.loads(name.read_text())["processes"] != own_system()["processes"]
        assert not is_dead(name)
    end(process)
    process.wait()
    for _ in range(100):
        if is_dead(name):
            break
        time.sleep(0.05)
    assert is_dead(name)


def test_who_ends_leaves_nothing(tmp_path):
    with held(tmp_path / "names") as name:
        assert name.is_file()
        assert not is_dead(name)
    assert not list((tmp_path / "names").iterdir())


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"host": "another"}', '{"host": "h", "pid": 1, "since": 0.0}', "\ud800"],
)
def test_of_whom_nothing_is_known_is_not_called_dead(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    assert not is_dead(tmp_path / "a.json")
    assert not is_dead(tmp_path / "gone.json")


HERE = {"host": "node", "machine": "abc", "boot": "today", "processes": owners.WHOLE_MACHINE}


@pytest.mark.parametrize(
    ("change", "dead"),
    [
        ({}, True),
        ({"processes": "pid:[1]"}, True),  # of a container of this machine, whose lock is free
        ({"boot": "yesterday"}, True),  # the machine was started anew
        ({"boot": "yesterday", "host": "other"}, False),
        ({"boot": "yesterday", "machine": "other"}, False),
        ({"boot": "yesterday", "machine": ""}, False),
        ({"boot": "yesterday", "processes": "pid:[1]"}, False),
        ({"boot": ""}, True),
        ({"boot": "", "host": "other"}, False),
    ],
)
def test_a_name_without_a_lock_is_dead_only_where_its_machine_is_this_one(tmp_path, monkeypatch, change, dead):
    monkeypatch.setattr(owners, "own_system", lambda: HERE)
    (tmp_path / "a.json").write_text(json.dumps(HERE | change))
    assert is_dead(tmp_path / "a.json") is dead


def test_where_containers_have_names_alike_nothing_is_told_of_another_start(tmp_path, monkeypatch):
    inside = HERE | {"processes": "pid:[1]"}
    monkeypatch.setattr(owners, "own_system", lambda: inside)
    (tmp_path / "a.json").write_text(json.dumps(inside | {"boot": "yesterday"}))
    assert not is_dead(tmp_path / "a.json")
