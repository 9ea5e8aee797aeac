"""Files are written whole or not at all, and errors say why."""

import errno
import fcntl
import gzip
import os
import stat
import subprocess
import sys
import time

import h5py
import numpy as np
import pandas as pd
import pytest

from ptychoformer import files
from ptychoformer.errors import InputError, OutputError
from ptychoformer.files import JUST_BEGUN, alone, atomic, locked, write_text
from ptychoformer.storage import create_hdf5, open_hdf5, read, write
from ptychoformer.tables import read_csv, read_text, write_csv, write_records, write_rows


def test_a_file_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    with atomic(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.suffix == ".txt"
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def fail_half_way(target, failure):
    with atomic(target) as temporary:
        temporary.write_text("half")
        raise failure


@pytest.mark.parametrize(
    "failure", [ValueError("bug"), KeyboardInterrupt(), OSError(errno.ENOENT, "gone"), RuntimeError("odd")]
)
def test_a_failure_leaves_the_old_file_and_passes_on(tmp_path, failure):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(type(failure)) as caught:
        fail_half_way(target, failure)
    assert caught.value is failure
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "permission denied"),
        (OSError(errno.EROFS, "Read-only file system"), "permission denied"),
    ],
)
def test_what_keeps_a_file_from_being_written_is_said(tmp_path, failure, reason):
    with pytest.raises(OutputError, match=rf"a\.h5 cannot be written: {reason}.*Nothing was left half-written"):
        fail_half_way(tmp_path / "a.h5", failure)
    assert not list(tmp_path.iterdir())


def test_a_file_is_announced_when_it_is_whole_before_it_appears(tmp_path):
    seen = []

    def announce():
        (whole,) = tmp_path.glob(".a.partial.*.h5")
        with h5py.File(whole, locking=False) as file:  # its writer has it locked
            seen.append((file["x"][()], (tmp_path / "a.h5").exists()))

    with create_hdf5(tmp_path / "a.h5", announce) as file:
        file["x"] = 7
        assert not seen
    assert seen == [(7, False)]
    with pytest.raises(KeyboardInterrupt), create_hdf5(tmp_path / "a.h5", announce):
        raise KeyboardInterrupt
    assert len(seen) == 1


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np, pandas as pd
from ptychoformer.errors import OutputError
from ptychoformer.files import write_text
from ptychoformer.storage import create_hdf5
from ptychoformer.tables import write_csv

def while_writing(path):
    with create_hdf5(path) as file:
        data = file.create_dataset("data", (5000, 1000), np.float32, chunks=(1, 1000))
        for row in range(5000):
            data[row] = row
    print("never reached")

def while_closing(path):
    with create_hdf5(path) as file:
        data = file.create_dataset("data", (50, 1000), np.float32, chunks=(1, 1000))
        for row in range(50):
            data[row] = row
        print("all written")

kinds = {
    "a.h5": while_writing,
    "b.h5": while_closing,
    "a.txt": lambda path: write_text("x" * 1_000_000, path),
    "a.csv": lambda path: write_csv(pd.DataFrame({"x": np.arange(200_000)}), path),
}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for name, fill in kinds.items():
    try:
        fill(Path(sys.argv[1]) / name)
    except OutputError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a POSIX matter")
def test_a_disk_that_fills_up_is_one_sentence_and_no_file(tmp_path):
    folder = tmp_path / "results"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    full = "cannot be written: the disk is full; free some space and run the same command again. Nothing was left half-written."
    sentences = [f"{folder / name} {full}" for name in ("a.h5", "b.h5", "a.txt", "a.csv")]
    assert done.stdout.splitlines() == [sentences[0], "all written", *sentences[1:]]
    assert not list(folder.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the administrator")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permission denied"):
        write_text("x", tmp_path / "a.txt")


def test_hdf5_keeps_numbers_units_and_axes(tmp_path):
    with create_hdf5(tmp_path / "a.h5") as file:
        write(file, "object/phase", np.eye(3), "rad", "y,x")
    with open_hdf5(tmp_path / "a.h5") as file:
        found = read(file, "object/phase", 2)
        np.testing.assert_array_equal(found, np.eye(3))
        assert dict(found.attrs) == {"units": "rad", "axes": "y,x"}


@pytest.mark.parametrize(
    ("name", "ndim", "reason"),
    [
        ("b", 2, "holds no dataset 'b'"),
        ("group", 2, "holds no dataset 'group'"),
        ("a", 3, r"'a' must have 3 axes, found shape \(2, 5\)"),
    ],
)
def test_what_is_missing_from_an_hdf5_file_is_named(tmp_path, name, ndim, reason):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.zeros((2, 5))
        file.create_group("group")
    with open_hdf5(tmp_path / "a.h5") as file, pytest.raises(InputError, match=reason):
        read(file, name, ndim)


def test_what_is_no_hdf5_file_is_named(tmp_path):
    (tmp_path / "a.h5").write_text("an HTML page, say")
    with pytest.raises(InputError, match="cannot be read as HDF5"), open_hdf5(tmp_path / "a.h5"):
        pass
    with pytest.raises(InputError, match=r"b\.h5 does not exist"), open_hdf5(tmp_path / "b.h5"):
        pass


def test_the_same_numbers_are_the_same_csv_bytes(tmp_path):
    frame = pd.DataFrame({"metric": ["psnr", "ssim"], "value": [1 / 3, 12345.6789012]})
    for name in ("a.csv", "b.csv"):
        write_csv(frame, tmp_path / name)
    assert (
        (tmp_path / "a.csv").read_bytes()
        == (tmp_path / "b.csv").read_bytes()
        == b"metric,value\npsnr,0.333333333\nssim,12345.6789\n"
    )


TYPES = {"name": str, "seed": int, "best": bool}


def table(path, *rows):
    path.write_text("\n".join(["name,seed,best,value", *rows]) + "\n")
    return path


@pytest.mark.parametrize("name", ["NA", "nan", "None", "075", "12345e678901", "true", ""])
def test_a_name_is_text_whatever_it_looks_like(tmp_path, name):
    frame = read_csv(table(tmp_path / "a.csv", f"{name},1,True,2.5"), TYPES)
    assert frame["name"].tolist() == [name]


def test_only_an_empty_number_is_missing(tmp_path):
    frame = read_csv(table(tmp_path / "a.csv", "a,1,True,", "b,2,,inf", "c,3,False,1e-3"), TYPES, ["name", "value"])
    assert frame["value"].isna().tolist() == [True, False, False]
    assert frame["value"].tolist()[1:] == [np.inf, 0.001]
    assert frame["seed"].tolist() == [1, 2, 3]
    assert frame["best"].tolist() == [True, None, False]


def test_numbers_come_back_to_the_last_bit(tmp_path):
    values = np.random.default_rng(0).standard_normal(200)
    pd.DataFrame({"value": values}).to_csv(tmp_path / "a.csv", index=False)
    assert (read_csv(tmp_path / "a.csv", {})["value"] == values).all()


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("a,1,True,NA", "the column value holds 'NA', which is not a number"),
        ("a,1,True,nan", "the column value holds 'nan', which is not a number"),
        ("a,1.5,True,2", "the column seed holds '1.5', which is not a whole number"),
        ("a,,True,2", "the column seed holds '', which is not a whole number"),
        ("a,1,yes,2", "the column best holds 'yes', which is not True or False"),
        ("a,1,True", "breaks off in the middle of a row"),
        ('a,1,True,"2', "cannot be read as a table"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, row, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        read_csv(table(tmp_path / "a.csv", "z,0,False,1", row), TYPES)
    assert str(caught.value).startswith(str(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a,b\n1, NA \n\\N,#\n", [["1", " NA "], ["\\N", "#"]]),
        (b"a,b\n,\n1,2", [["", ""], ["1", "2"]]),
        (b"a,b\r\n1,2\r\n", [["1", "2"]]),
        (b'a,b\n"1,1\n""",2\n', [['1,1\n"', "2"]]),
        (b"a,\n1,2\n", [["1", "2"]]),
        (b"a,a\n1,2\n", [["1", "2"]]),
        ("a,b\n\x85\u2028,\xe9\n".encode(), [["\x85\u2028", "\xe9"]]),
        (b"a,b\n", []),
    ],
)
def test_fields_are_text_digit_for_digit(tmp_path, content, rows):
    """Under the names that stand in the file."""
    (tmp_path / "a.csv").write_bytes(content)
    frame = read_text(tmp_path / "a.csv")
    assert frame.columns.tolist() == content.decode().split("\n")[0].strip("\r").split(",")
    assert frame.to_numpy().tolist() == rows
    assert all(frame.dtypes == "str")


@pytest.mark.parametrize(
    "content", [b"a\n1\n\n2\n", b"a,b\n1,2\n3\n", b"a,b\n1,2,3\n", b"a,b\n1,2,3\n4\n", b"a,b\n1,2\n\n", b"a,b\n3"]
)
def test_a_row_that_is_shorter_or_longer_than_the_head_is_refused(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.csv breaks off in the middle of a row"):
        read_text(tmp_path / "a.csv")


def test_a_compressed_table_is_the_same_table_in_the_same_bytes(tmp_path):
    frame = pd.DataFrame({"model": ["NA", "075"], "value": [0.1, np.nan]})
    for name in ("one.csv.gz", "two.csv.gz", "plain.csv"):
        write_csv(frame, tmp_path / name)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "one.csv.gz").read_bytes()) == (tmp_path / "plain.csv").read_bytes()
    pd.testing.assert_frame_equal(
        read_csv(tmp_path / "one.csv.gz", {"model": str}), read_csv(tmp_path / "plain.csv", {"model": str})
    )


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-9], lambda content: b"model,value", lambda content: content[:30] + b"0" * 30]
)
def test_a_damaged_compressed_table_is_named(tmp_path, damage):
    write_csv(pd.DataFrame({"model": ["dpi"] * 99, "value": np.arange(99)}), tmp_path / "table.csv.gz")
    (tmp_path / "table.csv.gz").write_bytes(damage((tmp_path / "table.csv.gz").read_bytes()))
    with pytest.raises(InputError, match=r"table\.csv\.gz cannot be read as a table"):
        read_text(tmp_path / "table.csv.gz")


def test_a_missing_column_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(InputError, match="has no column here and no column there"):
        read_csv(table(tmp_path / "a.csv"), TYPES, ["name", "here", "there"])
    with pytest.raises(InputError, match="does not exist"):
        read_csv(tmp_path / "b.csv", TYPES)
    (tmp_path / "c.csv").touch()
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_csv(tmp_path / "c.csv", TYPES)


def test_rows_make_the_same_file_as_their_table(tmp_path):
    columns = ["name", "count", "value"]
    values = [0.1 + 0.2, -1e-300, 1 / 3 * 1e12, np.inf, -np.inf, np.nan, 0.0, np.float64(123456789.123)]
    names = ["NA", "075", 'a "b", c', "d", "é", "f", "g", "h"]
    rows = list(zip(names, range(-2, 6), values, strict=True))
    write_rows(columns, rows, tmp_path / "rows.csv")
    write_csv(pd.DataFrame(rows, columns=columns), tmp_path / "table.csv")
    write_records([dict(zip(columns, row, strict=True)) for row in rows], tmp_path / "records.csv")
    assert (tmp_path / "rows.csv").read_bytes() == (tmp_path / "table.csv").read_bytes()
    assert (tmp_path / "records.csv").read_bytes() == (tmp_path / "table.csv").read_bytes()


def test_two_writers_of_one_file_do_not_meet_and_the_last_one_to_end_is_read(tmp_path):
    target = tmp_path / "model.pt"
    with atomic(target) as first:
        first.write_text("first")
        with atomic(target) as second:
            assert first != second
            second.write_text("second")
        assert target.read_text() == "second"
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


KILLED = """
import os, signal, sys
from ptychoformer.files import atomic
with atomic(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_in_a_file_says_when_it_was_made(tmp_path):
    with create_hdf5(tmp_path / "a.h5") as file:
        for name, count in (("a/b/small", 3), ("c/d/large", 5000), ("top", 1), ("a/b/more", 3)):
            write(file, name, np.arange(count), "", "n")
        write(file.create_group("e"), "f/g", 1.0, "m", "")
    times = []
    with h5py.File(tmp_path / "a.h5") as file:
        file.visititems(lambda _, found: times.append(h5py.h5o.get_info(found.id)))
    assert len(times) == 11
    assert not any((seen.atime, seen.mtime, seen.ctime, seen.btime) != (0, 0, 0, 0) for seen in times)


def test_what_another_writer_has_just_begun_and_not_locked_yet_stays(tmp_path):
    begun = tmp_path / ".a.partial.begun.txt"
    begun.touch()
    write_text("whole", tmp_path / "a.txt")
    assert begun.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_what_another_user_left_is_in_nobodys_way(tmp_path):
    tmp_path.chmod(0o777)
    left = tmp_path / ".a.partial.left.txt"
    left.touch(0o600)
    os.utime(left, (0, 0))
    program = "import os; from ptychoformer.files import write_text; os.setuid(65534); write_text('whole', 'a.txt')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path, tried):
    target = tmp_path / "a.txt"
    write_text("before", target)
    for _ in range(3):
        with tried("SIGKILL in the middle of writing a file: the old one stays, the half-written one is removed"):
            subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False, timeout=60)
            assert target.read_text() == "before"
            assert len(list(tmp_path.iterdir())) == 2
            past = time.time() - JUST_BEGUN - 1
            for left in tmp_path.glob(".a.partial.*"):
                os.utime(left, (past, past))
    (tmp_path / ".b.partial.left.txt").touch()  # of another file
    write_text("whole", target)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.partial.left.txt", "a.txt"]


@pytest.mark.parametrize("refusal", [errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_folders_cannot_be_locked_a_file_in_them_is(tmp_path, monkeypatch, refusal):
    def flock(descriptor, operation, real=fcntl.flock):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(refusal, "no locks for folders")
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path), pytest.raises(OutputError, match="by another process"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_one_process_at_a_time_makes_a_file_and_a_killed_one_is_in_nobodys_way(tmp_path):
    path = tmp_path / "a.h5"
    (tmp_path / ".a.h5.lock").touch()  # of one that was killed
    with alone(path):
        with pytest.raises(OutputError, match=r"a\.h5 is being written by another process"), alone(path):
            pass
        with alone(tmp_path / "b.h5"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_taken_away_after_it_was_opened_is_none(tmp_path, monkeypatch):
    def ended(descriptor, real=files.try_lock):
        (tmp_path / ".a.h5.lock").unlink()
        return real(descriptor)

    monkeypatch.setattr(files, "try_lock", ended)
    with pytest.raises(OutputError, match="by another process"), alone(tmp_path / "a.h5"):
        pass


def test_where_nothing_can_be_locked_files_are_written_and_only_old_ones_removed(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, "no locks at all")

    monkeypatch.setattr(fcntl, "flock", flock)
    old, young = (tmp_path / f".a.partial.{name}.txt" for name in ("old", "young"))
    for left in (old, young):
        left.touch()
    os.utime(old, (0, 0))
    with locked(tmp_path):
        write_text("whole", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert not old.exists()
    assert young.exists()
