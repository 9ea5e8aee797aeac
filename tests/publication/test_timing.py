"""Time by room: sums, pauses, and what was no work."""

import json
import os

import pytest

from ptychoformer.errors import InputError
from ptychoformer.publication.timing import Job, read_jobs, summarise


def jobs(*spans, startup=0.0, room="training"):
    return [Job(room, start, end, startup, 100) for start, end in spans]


def test_two_cores_that_never_wait_are_all_work():
    timing = summarise(jobs((0, 100), (0, 60), (60, 100)))
    assert (timing.elapsed, timing.at_once) == (100, 2)
    assert timing.idle == pytest.approx(0)
    assert timing.startup == 0


def test_a_core_that_waits_for_the_other_is_idle():
    assert summarise(jobs((0, 100), (0, 50))).idle == pytest.approx(0.25)


def test_short_gaps_are_scheduling_and_long_ones_pauses():
    assert summarise(jobs((0, 90), (100, 190))).idle == pytest.approx(10 / 190)
    paused = summarise(jobs((0, 100), (10_000, 10_100)))
    assert paused.elapsed == 200
    assert paused.idle == pytest.approx(0)


def test_starting_programs_is_a_share_of_all_cores_time():
    timing = summarise(jobs((0, 50), (0, 50), startup=5.0))
    assert timing.startup == pytest.approx(10 / 100)


def test_rooms_are_summed_in_the_order_of_the_workflow():
    timing = summarise([*jobs((5, 7), room="publication"), *jobs((0, 1), (1, 3), room="simulation")])
    assert list(timing.rooms.index) == ["simulation", "publication"]
    assert list(timing.rooms["jobs"]) == [2, 1]
    assert list(timing.rooms["seconds"]) == [3, 2]


def test_nothing_cannot_be_summed_up():
    with pytest.raises(InputError, match="no benchmarks"):
        summarise([])


def test_a_job_is_read_from_its_benchmark_and_its_provenance(tmp_path):
    folder = tmp_path / "training/clean"
    folder.mkdir(parents=True)
    (folder / "train.benchmark.tsv").write_text("s\th:m:s\tmax_rss\n12.5\t0:00:12\t345.0\n")
    os.utime(folder / "train.benchmark.tsv", (1000.0, 1000.0))
    facts = {"artefact": "model.pt", "rule": "train", "seconds": 12.0, "import_seconds": 2.0}
    (folder / "model.pt.provenance.json").write_text(json.dumps(facts))
    (tmp_path / "smoke/training").mkdir(parents=True)  # another scale's results, not ours
    (tmp_path / "smoke/training/train.benchmark.tsv").write_text("s\tmax_rss\n1\t1\n")
    assert read_jobs(tmp_path) == [Job("training", 987.5, 1000.0, pytest.approx(2.5), 345.0)]


def test_a_damaged_benchmark_is_named(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training/train.benchmark.tsv").write_text("")
    with pytest.raises(InputError, match=r"train.benchmark.tsv cannot be read as a benchmark"):
        read_jobs(tmp_path)
