"""What would fail late or lose what is finished is one sentence before the work."""

import os
import re
import subprocess
import sys
import tempfile
import time

import pytest

from ptychoformer.errors import InputError, OutputError
from ptychoformer.files import locked
from ptychoformer.provenance import record
from ptychoformer.readiness import (
    AHEAD,
    REFUSED,
    Kept,
    check_alone,
    check_made,
    check_not_empty,
    check_times,
    check_trials,
    check_writable,
)

SOMEBODY = 65534


@pytest.mark.parametrize("ahead", [2 * AHEAD, 86400, 3600 * 24 * 365 * 3])
def test_a_file_of_the_future_is_named_with_both_times(tmp_path, ahead):
    files = [str(tmp_path / name) for name in ("a.csv", "b.csv", "c.csv")]
    for file in files[:2]:
        open(file, "w").close()
    check_times(files)
    os.utime(files[1], (time.time() + ahead,) * 2)
    with pytest.raises(
        InputError, match=r"b\.csv is dated \d{4}-.*clock says.*touch \S+b\.csv, and after it snakemake"
    ):
        check_times(files)
    os.utime(files[0], (time.time() + ahead,) * 2)
    with pytest.raises(InputError, match=r"a\.csv \(and 1 more\) is dated"):
        check_times(files)


def test_the_command_that_dates_several_files_anew_does_so_and_touches_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = ["results/a b/a.csv", "results/c.csv", "resources/files/d.tif", str(tmp_path / "elsewhere/e.csv")]
    others = ["src/a.py", "results/of before.csv"]
    for file in [*files, *others]:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        ahead = 3600 if file != others[1] else -3600
        os.utime(path, (time.time() + ahead,) * 2)
    before = [os.stat(file).st_mtime for file in others]
    with pytest.raises(InputError, match=r"\(and 3 more\) is dated") as refused:
        check_times(files)
    subprocess.run(re.search("else run (.*?), and", str(refused.value))[1], shell=True, check=True)
    check_times(files)
    assert [os.stat(file).st_mtime for file in others] == before


def test_clocks_of_one_cluster_may_differ_a_little(tmp_path):
    (tmp_path / "a.csv").touch()
    os.utime(tmp_path / "a.csv", (time.time() + AHEAD / 2,) * 2)
    check_times([str(tmp_path / "a.csv")])


CLOSED = """
import os, sys
from ptychoformer.errors import PtychoformerError
from ptychoformer.places import check_results, named_once
from ptychoformer.provided import ProvidedFiles, data_folder
from ptychoformer.readiness import check_writable
if os.geteuid() == 0:
    os.setgid({user}); os.setuid({user})
folder = sys.argv[1]
print(named_once(folder + "/in/a.csv"))
print(ProvidedFiles(dict(data_dir=folder), "memory").at_hand(dict(file="in/a.csv")))
for check in (
    lambda: data_folder(folder),
    lambda: data_folder(folder + "/in"),
    lambda: check_results(folder + "/in", "/usr"),
    lambda: check_writable([folder + "/in/a.csv"]),
):
    try:
        check()
    except PtychoformerError as error:
        print(error)
"""
CHECK = """
import os, sys
from ptychoformer.errors import OutputError
from ptychoformer.readiness import check_writable
if os.geteuid() == 0:
    os.setgid({user}); os.setuid({user})
try:
    check_writable(sys.argv[1:])
except OutputError as error:
    print(error)
"""


def as_somebody(*files):
    """What an ordinary user is told of files that are to be written."""
    command = [sys.executable, "-c", CHECK.format(user=SOMEBODY), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def open_folder():
    """A folder that everybody reaches, and may write into."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield folder


@pytest.mark.parametrize("name", ["a.csv", "new/a.csv", "new/deep/a.csv"])
def test_a_folder_that_is_read_only_is_named_to_an_ordinary_user(open_folder, name, tried):
    results = os.path.join(open_folder, "results")
    os.mkdir(results)
    os.chmod(results, 0o777)
    assert as_somebody(os.path.join(results, name)) == ""
    os.chmod(results, 0o555)
    with tried("a results folder that is read-only to an ordinary user: one sentence before the work"):
        told = as_somebody(os.path.join(results, name))
        assert told.startswith(f"The folder {results} cannot be written to:")
        assert len(told.splitlines()) == 1


def test_what_lies_in_a_folder_that_may_not_be_entered_is_one_sentence(open_folder):
    os.makedirs(f"{open_folder}/closed/in")
    os.chmod(f"{open_folder}/closed", 0o700 if os.geteuid() == 0 else 0)
    folder = f"{open_folder}/closed"
    command = [sys.executable, "-c", CLOSED.format(user=SOMEBODY), folder]
    told = subprocess.run(command, capture_output=True, text=True, cwd="/usr").stdout.splitlines()
    os.chmod(folder, 0o700)
    assert told[:2] == [f"{folder}/in/a.csv", "False"]
    for sentence, expected in zip(
        told[2:],
        [
            f"data_dir: there is no folder '{folder}' that you may enter;",
            f"data_dir: there is no folder '{folder}/in' that you may enter;",
            f"pathvars.results: '{folder}/in' is not allowed, which may not be entered;",
            f"The folder {folder} cannot be written to:",
        ],
        strict=True,
    ):
        assert sentence.startswith(expected)


def test_a_file_where_a_folder_is_to_be_is_named(tmp_path):
    (tmp_path / "results").touch()
    with pytest.raises(OutputError, match=r"The folder \S+results/a cannot be made: \S+results is no folder"):
        check_writable([str(tmp_path / "results/a/b.csv")])


@pytest.mark.parametrize(
    ("in_the_way", "make"),
    [
        ("results/a/b.csv", lambda path: path.mkdir(parents=True)),
        ("results/a", lambda path: (path.parent.mkdir(), path.touch())),
        ("results", lambda path: path.symlink_to("nowhere")),
        ("results/a", lambda path: (path.parent.mkdir(), os.mkfifo(path))),
    ],
)
def test_what_lies_in_the_way_of_an_output_is_named_before_the_work(tmp_path, in_the_way, make):
    make(tmp_path / in_the_way)
    with pytest.raises(OutputError, match=f"{tmp_path / in_the_way} is (a|no) folder"):
        check_writable([str(tmp_path / "results/a/b.csv"), str(tmp_path / "results/c.csv")])


def test_a_link_to_a_folder_is_one(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "results").symlink_to("scratch")
    check_writable([str(tmp_path / "results/a/b.csv")])


def test_what_was_cut_off_to_nothing_is_named(tmp_path):
    for name, content in (("a.csv", "x"), ("b.png", "")):
        (tmp_path / name).write_text(content)
    check_not_empty([str(tmp_path / name) for name in ("a.csv", "not made yet", ".")])
    with pytest.raises(InputError, match=r"b\.png is empty, so it was cut off; delete it"):
        check_not_empty([str(tmp_path / name) for name in ("a.csv", "b.png")])


def test_a_job_that_outlived_its_workflow_is_told_before_its_outputs_are_deleted(tmp_path):
    files = [str(tmp_path / name) for name in ("run/model.pt", "other/model.pt", "new/model.pt")]
    for name in ("run", "other"):
        (tmp_path / name).mkdir()
    check_alone(files)
    with locked(tmp_path / "run"), pytest.raises(OutputError, match="run is being written into by another process"):
        check_alone(files)
    check_alone(files)


MADE = dict(training=dict(epochs=1, rate=1e-3, place=(0, 1)), code="a", wildcards=dict(seed="0"))


class TestMade:
    """What is kept was made as the config asks now, as far as its provenance tells."""

    @pytest.fixture
    def kept(self, tmp_path):
        def kept(name="a.h5", **now):
            record(tmp_path / name, MADE, 1.0, {})
            return Kept(str(tmp_path / name), "train", {"training": MADE["training"], "code": "a"} | now)

        return kept

    def test_the_same_in_another_order_and_spelling_and_what_has_no_provenance_is_no_other(self, kept, tmp_path):
        same = kept(training=dict(place=[0, 1], rate=1e-3, epochs=1.0))
        assert check_made([same, Kept(str(tmp_path / "b.h5"), "train", {})], "write") == []

    def test_another_value_is_named_with_both_and_with_what_makes_it_anew(self, kept):
        files = [kept(), kept("b.h5", training=MADE["training"] | dict(epochs=5)), kept("c.h5", training={})]
        sentence = r"b\.h5 \(and 1 more\) was made with training\.epochs 1, which is 5 by .* --forcerun train "
        with pytest.raises(InputError, match=sentence):
            check_made(files, "write")

    def test_other_code_and_what_another_version_tells_its_jobs_is_told_and_not_refused(self, kept):
        files = [kept(code="b"), kept("b.h5", more="of a newer version"), kept("c.h5")]
        assert check_made(files, "write") == files[:2]


@pytest.mark.parametrize("python", ["/bin/false", "/bin/cat"])
def test_what_cannot_be_tried_is_left_to_the_jobs(python):
    check_trials([{"dataset": "gone.cxi"}], python)


def test_the_sentence_of_a_trial_is_what_is_wrong_whatever_else_is_printed(tmp_path):
    assert REFUSED == "\0"
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nprintf 'hello \\377\\n\\0The network is wrong.\\0\\nbye\\n'\n")
    python.chmod(0o755)
    with pytest.raises(InputError, match=r"^The network is wrong\. So nothing was begun; finished trainings are as"):
        check_trials([{}], str(python))
