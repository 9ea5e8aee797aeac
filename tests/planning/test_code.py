"""A job that would run other code than it was planned with is refused, be it that the edit is taken back later."""

import time

import pytest

from ptychoformer import provenance
from ptychoformer.errors import InputError
from ptychoformer.planning import code
from ptychoformer.planning.code import check_planned, planned_code, remember
from ptychoformer.provenance import code_digest

NET = "def build(window):\n    return 1\n"


def forget():
    """Read files anew, as another process does."""
    for cached in (code_digest, provenance._source, provenance._code, provenance._imports):
        cached.cache_clear()


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A network of a user's own, the digest of which was planned with."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    (tmp_path / "net.py").write_text(NET)
    forget()
    yield tmp_path / "net.py"
    forget()


def test_digests_are_those_of_provenance(net):
    assert planned_code("errors") == code_digest("errors")


def test_code_that_is_as_it_was_planned_is_let_through_and_edited_code_is_refused(net):
    digest = planned_code("outside:net.py")
    remember(time.time())
    forget()
    check_planned([digest])
    for edited in (NET.replace("1", "2"), "def build(window):\n"):
        net.write_text(edited)
        forget()
        with pytest.raises(InputError, match=r"net\.py"):
            check_planned([digest])
    net.write_text("# The same.\n" + NET)
    forget()
    check_planned([digest])
    net.unlink()
    forget()
    with pytest.raises(InputError, match=r"there is no file 'net\.py'"):
        check_planned([digest])


def test_an_edit_that_is_dated_back_is_refused(net):
    digest = planned_code("outside:net.py")
    remember(time.time() + 60)
    net.write_text(NET.replace("1", "2"))
    forget()
    with pytest.raises(InputError, match=r"^the code changed since this run was planned; the same command again makes"):
        check_planned([digest])


def test_modules_of_the_package_are_read_if_a_file_was_touched_and_not_otherwise(net, monkeypatch):
    read = []
    digest = planned_code("errors")
    monkeypatch.setattr(code, "code_digest", lambda *modules: read.append(modules) or "another")
    remember(time.time())
    check_planned([digest])
    assert not read
    remember(0)
    with pytest.raises(InputError, match=r"errors\.py changed since this run was planned"):
        check_planned([digest])
    assert read == [("errors",)]


def test_where_nothing_was_planned_or_of_other_digests_nothing_is_said(net):
    check_planned(["0123456789ab"])
    remember(0)
    check_planned(["0123456789ab"])
