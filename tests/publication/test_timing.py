"""Time by room: sums, pauses, and what was no work."""

import json

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


def test_an_overlap_in_passing_is_no_third_core():
    timing = summarise(jobs((0, 51), (50, 101), (0, 101)))
    assert timing.at_once == 2
    assert timing.idle == pytest.approx(0)


def test_at_once_is_what_was_reached_for_a_tenth_of_the_time():
    assert summarise(jobs((0, 100), (80, 92), (85, 100), (90, 93))).at_once == 2
    assert summarise(jobs((0, 100), (80, 92), (80, 100), (90, 93))).at_once == 3


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


def leave(folder, job="train", artefact="model.pt", **facts):
    """What a finished job leaves: its benchmark, and the provenance of its output."""
    folder.mkdir(parents=True)
    (folder / f"{job}.benchmark.tsv").write_text("s\th:m:s\tmax_rss\n12.5\t0:00:12\t345.0\n")
    facts = {"artefact": artefact, "rule": job, "started": 1000.0, "seconds": 12.0, "import_seconds": 2.0} | facts
    (folder / f"{artefact}.provenance.json").write_text(json.dumps(facts))


RUN = "clean/dpi/mse/n50/seed0"


def test_a_job_is_read_from_its_benchmark_and_its_provenance(tmp_path):
    leave(tmp_path / "training" / RUN)
    leave(tmp_path / "smoke/training" / RUN)  # another scale's
    assert read_jobs(tmp_path, {RUN}) == [Job("training", 999.5, 1012.0, pytest.approx(2.5), 345.0)]


def test_a_job_of_all_seeds_and_one_of_a_rule_made_from_another_count_too(tmp_path):
    cell = tmp_path / "training/clean/dpi/mse/n9"
    leave(cell)
    (cell / "model.pt.provenance.json").unlink()
    leave(cell / "seed3", rule="train_together")
    (cell / "seed3/train.benchmark.tsv").unlink()
    leave(tmp_path / "evaluation/clean/epie/none/n9/seed3/on_clean", "reference", "patches.h5", rule="many_pattern_reference")
    assert [job.room for job in read_jobs(tmp_path, {"clean/dpi/mse/n9/seed3"})] == ["training", "evaluation"]


def test_what_is_left_of_runs_that_are_no_longer_asked_for_does_not_count(tmp_path):
    for room in ("training", "evaluation"):
        leave(tmp_path / room / RUN)
        leave(tmp_path / room / RUN.replace("n50", "n60"))
    leave(tmp_path / "evaluation/clean/floor/none/n50/seed0/on_clean", job="reference", artefact="patches.h5")
    leave(tmp_path / "simulation/datasets/clean", job="seed0", artefact="seed0.cxi", rule="dataset")
    rooms = [job.room for job in read_jobs(tmp_path, {RUN})]
    assert rooms == ["simulation", "training", "evaluation", "evaluation"]


def test_a_damaged_benchmark_is_named(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training/train.benchmark.tsv").write_text("")
    with pytest.raises(InputError, match=r"train.benchmark.tsv cannot be read as a benchmark"):
        read_jobs(tmp_path, set())
