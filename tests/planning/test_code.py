"""A job that would run other code than it was planned with is refused, be it that the edit is taken back later."""

import pytest

from ptychoformer import provenance
from ptychoformer.errors import InputError
from ptychoformer.owners import WORKFLOWS
from ptychoformer.planning import code
from ptychoformer.planning.code import check_planned, planned_code, remember
from ptychoformer.provenance import code_digest

NET = "def build(window):\n    return 1\n"
JOB = "results/model.pt"


def forget():
    """Read files anew, as another process does."""
    for cached in (code_digest, provenance._source, provenance._code, provenance._imports, provenance._first_content):
        cached.cache_clear()


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A network of a user's own that a job is planned with."""
    monkeypatch.chdir(tmp_path)
    WORKFLOWS.mkdir(parents=True)
    (tmp_path / "net.py").write_text(NET)
    forget()
    yield tmp_path / "net.py"
    forget()


@pytest.fixture
def digest(net):
    found = planned_code("outside:net.py", "errors")
    remember(WORKFLOWS / "run.plan", {JOB: [found]})
    forget()
    return found


EDITED = r"^net\.py changed since this run was planned; the same command again makes with it what is missing\.$"


def test_digests_are_those_of_provenance(net):
    assert planned_code("errors") == code_digest("errors")


def test_code_that_is_as_it_was_planned_is_let_through_and_edited_code_is_refused(net, digest):
    check_planned(JOB, [digest])
    net.write_text(NET.replace("1", "2"))
    forget()
    with pytest.raises(InputError, match=EDITED):
        check_planned(JOB, [digest])
    net.write_text("# The same.\n" + NET)
    forget()
    check_planned(JOB, [digest])
    net.unlink()
    forget()
    with pytest.raises(InputError, match=r"there is no file 'net\.py'"):
        check_planned(JOB, [digest])


def test_a_job_that_was_planned_anew_where_it_began_is_refused(net, digest):
    """A Snakemake of its own on a cluster's node takes the edited code for that of the plan."""
    net.write_text(NET.replace("1", "2"))
    forget()
    with pytest.raises(InputError, match=EDITED):
        check_planned(JOB, [planned_code("outside:net.py", "errors")])


def test_another_run_in_the_same_folder_changes_nothing(net, digest):
    net.write_text(NET.replace("1", "2"))
    forget()
    remember(WORKFLOWS / "another.plan", {"results/other.csv": [planned_code("outside:net.py", "errors")]})
    check_planned("results/other.csv", [code_digest("outside:net.py", "errors")])
    with pytest.raises(InputError, match=EDITED):
        check_planned(JOB, [digest])


def test_where_no_file_was_edited_nothing_is_parsed(digest, monkeypatch):
    monkeypatch.setattr(code, "code_digest", lambda *_: "that of another Python")
    check_planned(JOB, [digest])


def test_of_a_job_that_no_run_planned_nothing_is_said(net, digest):
    net.write_text(NET.replace("1", "2"))
    check_planned("results/other.csv", [digest])
    (WORKFLOWS / "run.plan").write_text("cut o")
    check_planned(JOB, [digest])
