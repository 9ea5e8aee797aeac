"""`workflow/scaling.py`: what list scheduling gives where the answer is known."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def scaling():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("scaling", ROOT / "workflow/scaling.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["scaling"] = module  # dataclasses look for it
    spec.loader.exec_module(module)
    return module


def job(scaling, seconds, *after, **more):
    return scaling.Job("work", seconds, after=frozenset(after), **more)


def test_independent_jobs_share_the_cores(scaling):
    jobs = {number: job(scaling, 1.0) for number in range(10)}
    assert [scaling.scheduled(jobs, scaling.Machine("", cores=cores)) for cores in (1, 2, 4, 20)] == [10, 5, 3, 1]


def test_a_chain_takes_its_length_however_many_cores_there_are(scaling):
    jobs = {0: job(scaling, 1.0)} | {number: job(scaling, number + 1.0, number - 1) for number in range(1, 5)}
    assert scaling.scheduled(jobs, scaling.Machine("", cores=100)) == 1 + 2 + 3 + 4 + 5


def test_the_longest_path_starts_first(scaling):
    """A long chain beside short jobs: the other order would take 6 s."""
    jobs = {0: job(scaling, 1.0), 1: job(scaling, 1.0), 2: job(scaling, 1.0), 3: job(scaling, 3.0, 2)}
    assert scaling.scheduled(jobs, scaling.Machine("", cores=1)) == 6
    assert scaling.scheduled(jobs, scaling.Machine("", cores=2)) == 4


def test_gpus_and_submissions_limit_what_runs_at_once(scaling):
    jobs = {number: job(scaling, 1.0, gpus=1) for number in range(8)}
    assert scaling.scheduled(jobs, scaling.Machine("", cores=100, gpus=2)) == 4
    jobs = {number: job(scaling, 1.0, cores=4) for number in range(8)}
    assert scaling.scheduled(jobs, scaling.Machine("", cores=100, submissions=1)) == 8


def test_a_job_that_fits_nowhere_is_told(scaling):
    with pytest.raises(ValueError, match="no room for work"):
        scaling.scheduled({0: job(scaling, 1.0, gpus=1)}, scaling.Machine("one core", cores=1))


def test_no_schedule_is_shorter_than_its_longest_path_or_its_work_over_the_cores(scaling):
    """Nor longer than the two together: the bound of list scheduling."""
    jobs = {
        number: job(scaling, 1.0 + number * 7 % 5, *({number // 2, number // 3} - {number})) for number in range(60)
    }
    longest = max(scaling.paths_to_the_end(jobs).values())
    work = sum(entry.seconds for entry in jobs.values())
    for cores in (1, 2, 3, 7, 60):
        took = scaling.scheduled(jobs, scaling.Machine("", cores=cores))
        assert max(longest, work / cores) <= took <= longest + work / cores


GRAPH = r"""
	0[label = "all", color = "x"];
	1[label = "score\ntest: clean", color = "x"];
	2[label = "train\nmodel: dpi\nn_train: 2928", color = "x"];
	3[label = "dataset\ndataset: clean\nseed: 4", color = "x"];
	1 -> 0
	2 -> 1
	3 -> 1
	3 -> 2
"""


def test_a_printed_plan_gives_every_job_its_wildcards_and_what_it_waits_for(scaling):
    plan = scaling.parsed(GRAPH)
    assert (plan[1].rule, plan[1].after) == ("score", {2, 3})
    assert plan[2].wildcards == {"model": "dpi", "n_train": "2928", "dataset": "clean", "seed": "4"}
    # 25 epochs of 87 steps, 2.49 ms each, of docs/gpu.md
    assert scaling.timed(plan, gpu=True)[2].seconds == pytest.approx(scaling.START + 25 * 87 * 2.49e-3)


def test_jobs_of_a_group_are_submitted_together_and_those_that_wait_for_each_other_stay_so(scaling):
    """Six scores, each of a reference of its own, two at a time."""
    jobs = {number: scaling.Job("reference", 1.0) for number in range(6)}
    jobs |= {6 + number: scaling.Job("score", 2.0, after=frozenset({number})) for number in range(6)}
    jobs[12] = scaling.Job("collect", 1.0, after=frozenset(range(6, 12)))
    merged = scaling.grouped(jobs, {"reference": "scores", "score": "scores"}, {"scores": 2}, cores=4)
    assert len(merged) == 4
    whole = [entry for entry in merged.values() if entry.rule != "collect"]
    assert {entry.seconds for entry in whole} == {scaling.SUBMISSION + 3.0}
    assert merged[12].after == frozenset(set(merged) - {12})


def test_training_takes_as_long_as_the_reference_runs_on_a_cpu(scaling):
    seconds = scaling.seconds_of_cpu(ROOT / "resources/reference/runs.csv")
    assert set(seconds) == {"ptychonn", "ptynet", "dpi", "ptychoformer"}
    assert seconds["ptynet"] < seconds["ptychonn"] < seconds["ptychoformer"]


def test_the_page_says_what_a_pattern_takes_on_a_core(scaling):
    """Milliseconds of the reference runs, which the estimates rest on."""
    found = scaling.seconds_of_cpu(ROOT / "resources/reference/runs.csv")
    took = {model: 1000 * seconds for model, seconds in found.items()}
    assert (
        f"{took['ptychoformer']:.0f} and {took['dpi']:.0f} ms a fitted pattern and epoch for Ptychoformer and DPI,"
        f" {took['ptychonn']:.1f} and {took['ptynet']:.1f} for PtychoNN and PtyNet"
    ) in (ROOT / "docs/scaling.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("dataset", "side"), [("clean", 61), ("overlap_50", 31), ("overlap_25", 21), ("overlap_0", 16)]
)
def test_a_scan_has_the_patterns_that_fit_onto_its_object(scaling, dataset, side):
    """Windows of 32 pixels on 512, a quarter of a window apart, a half, three quarters, a whole one."""
    assert scaling.patterns(scaling.Node("dataset", {"dataset": dataset}, frozenset())) == side**2
