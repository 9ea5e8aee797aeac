"""Files that a config names: a user's own is what lies there now, one with a known source keeps its name."""

import os
from hashlib import sha256
from urllib.parse import unquote

import pytest

from ptychoformer.errors import InputError
from ptychoformer.provided import ProvidedFiles, check_project, data_folder, sha256_of

PINNED = {"file": "probe.npy", "url": "https://example.org/probe.npy", "sha256": "0" * 64}
OWN = {"file": "day/scan.cxi", "url": None, "sha256": None}


@pytest.fixture
def keep(tmp_path, monkeypatch):
    """Where the files of one entry would be kept; the working directory is empty."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")

    def kept(data_dir, **parts):
        config = {"data_dir": data_dir and str(data_dir), "objects": {}, "probes": {}, "datasets": {"mine": parts}}
        return ProvidedFiles(config, ".snakemake/checksums").of("datasets", "mine")

    return kept


@pytest.fixture
def write(tmp_path):
    def write(folder, content, name=OWN["file"]):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return tmp_path / folder

    return write


def test_the_same_name_with_another_content_is_another_file(keep, write):
    first, second = keep(write("a", b"1"), scan=OWN), keep(write("b", b"2"), scan=OWN)
    assert first != second
    assert keep(write("a", b"2"), scan=OWN) == second  # replaced in place, the same size


def test_another_content_is_seen_though_size_and_time_of_change_are_those_of_before(keep, write):
    folder = write("a", b"1")
    first, before = keep(folder, scan=OWN), (folder / OWN["file"]).stat()
    write("a", b"2")
    os.utime(folder / OWN["file"], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert keep(folder, scan=OWN) != first


def test_a_touched_file_and_the_same_bytes_elsewhere_are_the_same_file(keep, write):
    folder = write("a", b"1")
    first = keep(folder, scan=OWN)
    os.utime(folder / OWN["file"])
    assert keep(folder, scan=OWN) == first == keep(write("b", b"1"), scan=OWN)


def test_content_that_is_known_is_not_read_again(tmp_path, monkeypatch):
    path = tmp_path / "scan.cxi"
    path.write_bytes(b"photons")
    digest = sha256_of(path, tmp_path / "memory")
    assert digest == sha256(b"photons").hexdigest()
    with monkeypatch.context() as patched:
        patched.setattr("hashlib.file_digest", None)  # reading would fail
        assert sha256_of(path, tmp_path / "memory") == digest
    for note in (tmp_path / "memory").iterdir():
        note.write_text("damaged")
    assert sha256_of(path, tmp_path / "memory") == digest


def test_a_file_with_a_checksum_or_a_download_keeps_its_name(keep, write):
    folder = write("a", b"1", PINNED["file"])
    assert keep(folder, scan=PINNED) == keep(None, scan=PINNED) == {"scan": "probe.npy"}
    assert keep(None, scan=PINNED | {"sha256": None}) == {"scan": "probe.npy"}
    assert keep(folder, scan=PINNED | {"sha256": None}) != {"scan": "probe.npy"}  # the user's own, since it is there


def test_a_name_means_nothing_to_snakemake(keep, write):
    name = "dät {a} <b> 5%7B #'.cxi"
    (path,) = keep(write("a", b"1", name), scan=OWN | {"file": name}).values()
    assert not set("{}<>") & set(path)
    assert unquote(path).endswith(f"/{name}")


@pytest.mark.parametrize("data_dir", [None, "elsewhere"])
def test_a_file_that_is_nowhere_is_named(keep, write, tmp_path, data_dir):
    folder = data_dir and write(data_dir, b"1", "another.cxi")
    stale = tmp_path / "project/resources/files/day/scan.cxi"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"an old copy")
    with pytest.raises(
        InputError, match=r"datasets\.mine\.labels\.file: there is no 'day/scan\.cxi' in .*, and no url"
    ):
        keep(folder, labels=OWN)


def test_folders_that_cannot_be_used_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder("~") == str(tmp_path)
    assert data_folder(None) is None
    with pytest.raises(InputError, match=r"data_dir: there is no folder '.*nowhere'"):
        data_folder(str(tmp_path / "nowhere"))
    check_project("/home/é #1 & 'a b'")
    with pytest.raises(
        InputError, match=r"the project's folder is '/home/\{a\}'; Snakemake needs one without \{ and \}"
    ):
        check_project("/home/{a}")
