"""Downloads, from a server on this machine."""

import errno
import gzip
import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from ptychoformer.errors import InputError
from ptychoformer.files import ABANDONED, atomic
from ptychoformer.simulation import fetch as fetching
from ptychoformer.simulation.fetch import fetch, keep, provide

CONTENT = b"photons" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LIMITS = {"bytes": 1e6, "seconds": 30.0}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def address(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "probe.npy").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def output(tmp_path):
    return tmp_path / "downloads" / "probe.npy"


def test_a_file_arrives_whole(address, output):
    fetch(f"{address}/probe.npy", SHA256, LIMITS, output)
    assert output.read_bytes() == CONTENT
    assert [path.name for path in output.parent.iterdir()] == ["probe.npy"]


@pytest.mark.parametrize(
    ("name", "sha256", "reason"),
    [
        ("probe.npy", "0" * 64, f"another file than expected: its SHA-256 is {SHA256}, it should be {'0' * 64}"),
        ("nothing.npy", SHA256, "cannot be downloaded: the server answered 404 File not found"),
    ],
)
def test_another_answer_is_refused_and_leaves_nothing(address, output, name, sha256, reason):
    with pytest.raises(InputError, match=rf"{address}/{name} .*{reason}.*data_dir"):
        fetch(f"{address}/{name}", sha256, LIMITS, output)
    assert not list(output.parent.iterdir())


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9/probe.npy", "no connection to the server"),
        ("probe.npy", "it is no address"),
        ("file:///etc/hostname", "it is no address"),
        ("ftp://127.0.0.1/probe.npy", "files are downloaded by https, not by ftp"),
    ],
)
def test_an_address_that_cannot_be_reached_is_named(output, url, reason):
    assert f"{url} cannot be downloaded: {reason}" in refusal(url, output)


class Hostile(Quiet):
    """Answers that a server may give, by the name that is asked for."""

    def do_GET(self):
        name = self.path.strip("/")
        getattr(self, name, self.redirected)()

    def answered(self, *headers, status=200):
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.end_headers()

    def redirected(self):
        """To wherever the name says, in hexadecimal digits."""
        self.answered(("Location", bytes.fromhex(self.path.strip("/")).decode()), ("Content-Length", "0"), status=302)

    def circle(self):
        self.answered(("Location", "/circle"), ("Content-Length", "0"), status=302)

    def honest(self):
        self.answered(("Content-Length", str(len(CONTENT))))
        self.wfile.write(CONTENT)

    def without_length(self):
        self.answered()
        self.wfile.write(CONTENT)

    def enormous(self):
        self.answered(("Content-Length", str(10**15)))
        self.wfile.write(CONTENT)

    def endless(self):
        self.answered()
        while True:
            self.wfile.write(bytes(2**16))

    def endless_in_chunks(self):
        self.answered(("Transfer-Encoding", "chunked"))
        while True:
            self.wfile.write(b"10000\r\n" + bytes(2**16) + b"\r\n")

    def bomb(self):
        packed = gzip.compress(bytes(10**8))
        assert len(packed) < LIMITS["bytes"]
        self.answered(("Content-Encoding", "gzip"), ("Content-Length", str(len(packed))))
        self.wfile.write(packed)

    def too_short(self):
        self.answered(("Content-Length", str(len(CONTENT) + 1)))
        self.wfile.write(CONTENT)

    def too_long(self):
        self.answered(("Content-Length", str(len(CONTENT) - 1)))
        self.wfile.write(CONTENT)

    def two_lengths(self):
        self.answered(("Content-Length", "7"), ("Content-Length", str(len(CONTENT))))
        self.wfile.write(CONTENT)

    def no_length_at_all(self):
        self.answered(("Content-Length", "-1"))
        self.wfile.write(CONTENT)

    def byte_by_byte(self):
        self.answered(("Content-Length", str(len(CONTENT))))
        self.slowly(CONTENT)

    def headers_byte_by_byte(self):
        self.slowly(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000)

    def slowly(self, content):
        for place in range(len(content)):
            self.wfile.write(content[place : place + 1])
            self.wfile.flush()
            time.sleep(0.05)


@pytest.fixture
def hostile():
    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as server:
        server.handle_error = lambda *_: None  # of whom the client left
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def refusal(url, output, sha256=SHA256, **limits):
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        fetch(url, sha256, LIMITS | limits, output)
    assert time.monotonic() - began < 10
    assert not output.parent.exists() or not list(output.parent.iterdir())
    assert "data_dir" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["honest", "without_length"])
def test_an_honest_answer_is_taken_whether_or_not_its_length_is_said(hostile, output, name):
    fetch(f"{hostile}/{name}", SHA256, LIMITS | {"bytes": len(CONTENT)}, output)
    assert output.read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["enormous", "endless", "endless_in_chunks", "bomb"])
def test_a_download_ends_at_its_greatest_size_whatever_the_server_says(hostile, output, name):
    sentence = refusal(f"{hostile}/{name}", output)
    assert "it is larger than 1e+06 bytes (downloads.bytes in the config)" in sentence


@pytest.mark.parametrize("name", ["honest", "without_length"])
def test_one_byte_more_than_the_limit_is_refused(hostile, output, name):
    assert "it is larger than 6999 bytes" in refusal(f"{hostile}/{name}", output, bytes=len(CONTENT) - 1)


@pytest.mark.parametrize("name", ["byte_by_byte", "headers_byte_by_byte", "endless"])
def test_a_download_ends_at_its_longest_time(hostile, output, name):
    sentence = refusal(f"{hostile}/{name}", output, seconds=0.5, bytes=1e15)
    assert "it took longer than 0.5 seconds (downloads.seconds in the config)" in sentence


@pytest.mark.parametrize("name", ["too_short", "too_long", "two_lengths", "no_length_at_all"])
def test_a_length_that_lies_yields_the_file_or_nothing(hostile, output, name):
    with suppress(InputError):
        fetch(f"{hostile}/{name}", SHA256, LIMITS, output)
    assert not output.exists() or output.read_bytes() == CONTENT
    assert [path.name for path in output.parent.iterdir()] in ([], ["probe.npy"])


def test_an_answer_that_breaks_off_is_no_file_without_a_checksum_either(hostile, output, monkeypatch):
    monkeypatch.setattr(fetching, "fault_of_address", lambda *_: "")
    assert "the connection broke off" in refusal(f"{hostile}/too_short", output, sha256=None)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("file:///etc/hostname", "it is no address"),
        ("FILE://localhost/etc/hostname", "files are downloaded by https, not by file"),
        ("ftp://127.0.0.1/a", "files are downloaded by https, not by ftp"),
        ("gopher://127.0.0.1/a", "files are downloaded by https, not by gopher"),
        ("https:///a", "it is no address"),
        ("https://127.0.0.1:9/a", "no connection to the server"),  # which was allowed
    ],
)
def test_nobody_is_sent_on_to_anything_but_an_address(hostile, output, target, reason):
    assert reason in refusal(f"{hostile}/{target.encode().hex()}", output)


def test_nobody_is_sent_on_for_ever(hostile, output):
    assert "sends on more than 5 times" in refusal(f"{hostile}/circle", output)


@pytest.mark.parametrize("target", ["http://example.org/a", "http:/a", "HTTP://example.org/a", "file:///a", "//:0"])
@pytest.mark.parametrize("sha256", [None, SHA256])
def test_nobody_is_sent_from_https_to_anything_else(target, sha256):
    answer = requests.Response()
    answer.url, answer.status_code = "https://example.org/first", 302
    answer.headers["Location"] = target
    with pytest.raises(fetching._Refused, match=r"the server sends on to .*, and "):
        fetching._check_redirect(answer, sha256)
    for allowed in ("https://example.org/second", "/second", "//example.com/second"):
        answer.headers["Location"] = allowed
        fetching._check_redirect(answer, sha256)


def test_plain_http_is_no_source_without_a_checksum(address, output):
    with pytest.raises(InputError, match=r"probe\.npy cannot be downloaded: plain http needs a sha256\..*data_dir"):
        fetch(f"{address}/probe.npy", None, LIMITS, output)
    assert not output.parent.exists()


def test_a_local_copy_comes_first_and_may_be_of_any_size(tmp_path, address, output):
    (tmp_path / "probe.npy").write_bytes(CONTENT)
    source = {"url": f"{address}/nothing.npy", "sha256": SHA256}
    provide("probe.npy", source, tmp_path, {"bytes": 1, "seconds": 1}, output)
    assert output.read_bytes() == CONTENT
    with pytest.raises(InputError, match="404"):
        provide("probe.npy", source, None, LIMITS, output)


def test_two_workflows_may_download_the_same_file_at_the_same_time(address, output):
    with ThreadPoolExecutor(4) as pool:
        downloads = [pool.submit(fetch, f"{address}/probe.npy", SHA256, LIMITS, output) for _ in range(12)]
    assert not [error for download in downloads if (error := download.exception())]
    assert output.read_bytes() == CONTENT
    assert [path.name for path in output.parent.iterdir()] == ["probe.npy"]


def test_writers_of_a_shared_file_do_not_see_each_other(tmp_path):
    path = tmp_path / "probe.npy"
    with atomic(path, shared=True) as first, atomic(path, shared=True) as second:
        assert first != second
        first.write_bytes(b"1")
        second.write_bytes(b"2")
    assert path.read_bytes() == b"1"  # the last to end
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_ends_while_another_begins_disturbs_nobody(tmp_path):
    class Ended(type(tmp_path)):
        def iterdir(self):
            others = [*super().iterdir(), self / ".probe.partial.ended.npy"]  # seen a moment before it was renamed
            return iter(others)

    with atomic(Ended(tmp_path) / "probe.npy", shared=True) as temporary:
        temporary.write_bytes(b"whole")
    assert (tmp_path / "probe.npy").read_bytes() == b"whole"


def test_what_a_killed_writer_left_is_removed_when_it_is_old(tmp_path):
    left = [tmp_path / f".probe.partial.{name}.npy" for name in ("old", "young")]
    other = tmp_path / ".other.partial.old.npy"
    for file in (*left, other):
        file.write_bytes(b"half")
    past = time.time() - ABANDONED - 1
    for file in (left[0], other):
        os.utime(file, (past, past))
    with atomic(tmp_path / "probe.npy", shared=True) as temporary:
        temporary.write_bytes(b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"probe.npy", left[1].name, other.name}


def test_a_users_file_is_copied_as_it_was_when_the_work_was_planned(tmp_path, output):
    local = tmp_path / "mine.npy"
    local.write_bytes(CONTENT)
    keep(local, SHA256[:16], output)
    assert output.read_bytes() == CONTENT
    local.write_bytes(b"something else")
    with pytest.raises(InputError, match=r"mine\.npy changed since the work was planned; run the same command again"):
        keep(local, SHA256[:16], output.with_name("another.npy"))
    local.unlink()
    with pytest.raises(InputError, match=r"mine\.npy is no longer there"):
        keep(local, SHA256[:16], output.with_name("another.npy"))
    assert [path.name for path in output.parent.iterdir()] == ["probe.npy"]


def test_a_users_file_that_may_not_be_read_is_named_and_not_its_copy(tmp_path, output, monkeypatch):
    local, opened = tmp_path / "mine.npy", open
    local.write_bytes(CONTENT)

    def refusing(file, *mode, **how):
        if file == local:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        return opened(file, *mode, **how)

    monkeypatch.setattr("builtins.open", refusing)
    with pytest.raises(InputError, match=r"mine\.npy cannot be read \(Permission denied\)"):
        keep(local, SHA256[:16], output)
    with pytest.raises(InputError, match=r"mine\.npy cannot be read \(Permission denied\)"):
        provide("mine.npy", {"url": None, "sha256": SHA256}, tmp_path, LIMITS, output)
    assert not list(output.parent.iterdir())
