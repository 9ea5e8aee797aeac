"""Which build of PyTorch `make` installs: by the machine, or as it is told; from files, an index, or PyPI."""

import hashlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = (ROOT / "workflow/torch.sh").read_text()
INDEX = re.search(r"^index=(\S+)$", SCRIPT, re.MULTILINE)[1]
OPTIONS = re.search(r"-m pip (install .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
LOCKS = {"cpu": "requirements-torch-cpu.lock", "cuda": "requirements-torch.lock"}
TAKEN = {"cpu": "the build for CPUs", "cuda": "the build for NVIDIA GPUs"}
OTHER = {"cpu": "make TORCH=cuda takes", "cuda": "make TORCH=cpu takes"}
NOBODY = "http://127.0.0.1:9/simple"  # where nothing listens


def program(path, text):
    """A program of the shell's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)


def wheel(folder, name, version, holds=""):
    """A wheel that holds one module; returns its pin."""
    folder.mkdir(parents=True, exist_ok=True)
    path, about = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", holds)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


class Machine:
    """A folder with the script, its locks, programs of its own before all others, and an index over http."""

    def __init__(self, folder, address):
        self.folder, self.address, self.asked = folder, f"http://127.0.0.1:{address[1]}", []
        (folder / "workflow").mkdir()
        (folder / ".venv").mkdir()
        self.indexed_at(f"{self.address}/whl/cpu")
        self.lock("cpu", wheel(folder / "there", "torch", "2.13.0+cpu"))
        self.lock("cuda", wheel(folder / "pypi", "torch", "2.13.0"))
        self.is_a("Linux", "x86_64")
        self.shows("exit 9")

    def lock(self, build, pin):
        (self.folder / LOCKS[build]).write_text(pin)

    def indexed_at(self, address):
        (self.folder / "workflow/torch.sh").write_text(SCRIPT.replace(INDEX, address))

    def is_a(self, system, processor):
        program(self.folder / "bin/uname", f"echo {system} {processor}")

    def shows(self, answer):
        program(self.folder / "bin/nvidia-smi", answer)

    def run(self, build, *command, **variables):
        path = f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        everything = dict(cwd=self.folder, env={"PATH": path, "HOME": str(self.folder)} | variables)
        return subprocess.run(
            ["bash", "workflow/torch.sh", build, *map(str, command)], **everything, text=True, capture_output=True
        )

    def chosen(self, build="", fails=""):
        """What a pretended pip is asked for, and what is said; it fails where a command holds ``fails``."""
        program(
            self.folder / "bin/pip",
            f'echo "$*" >> asked; [[ -n "{fails}" && "$*" == *{fails}* ]] && {{ echo "ERROR: Not here" >&2; exit 1; }}; exit 0',
        )
        finished = self.run(build, "pip", "install", "--requirement")
        asked = self.folder / "asked"
        return (asked.read_text().splitlines() if asked.exists() else []), finished

    def locks(self, commands):
        """The locks that commands of pip name, without where they lie."""
        return [Path(command.split()[2]).name for command in commands]

    def installed(self, build="", **variables):
        """The versions of PyTorch that a real pip puts into a folder, and what is said."""
        known = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": f"{self.address}/pypi"} | variables
        pip = [sys.executable, "-m", "pip", OPTIONS[0], "--target", "site", *OPTIONS[1:]]
        finished = self.run(build, *pip, **known)
        found = (self.folder / "site").glob("torch-*.dist-info")
        return [path.name.removeprefix("torch-").removesuffix(".dist-info") for path in found], finished

    def offers(self, place, wheels):
        """Put the wheels of a folder into an index of this machine."""
        shutil.copytree(self.folder / wheels, self.folder / "served" / place / "torch", dirs_exist_ok=True)


@pytest.fixture
def machine(tmp_path):
    """A Linux machine without a GPU."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "served")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = Machine(tmp_path, server.server_address)
        made.asked = asked
        yield made
        server.shutdown()


GPU = "echo 'GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0)'"


@pytest.mark.parametrize(
    ("answer", "asked", "build"),
    [
        (GPU, "", "cuda"),
        (GPU, "cuda", "cuda"),
        (GPU, "cpu", "cpu"),
        ("exit 127", "", "cpu"),
        ("exit 127", "cuda", "cuda"),
        ("echo 'No devices were found'; exit 6", "", "cpu"),
        ("echo 'NVIDIA-SMI has failed because it could not communicate with the driver'; exit 9", "", "cpu"),
        (f"{GPU}; exit 15", "", "cpu"),  # a GPU that fell off the bus
        ("", "", "cpu"),
    ],
)
def test_the_machine_or_the_user_says_which_build(machine, answer, asked, build):
    machine.shows(answer)
    commands, finished = machine.chosen(asked)
    assert finished.returncode == 0, finished.stderr
    assert machine.locks(commands) == [LOCKS[build]]
    assert finished.stdout.startswith(f"PyTorch: {TAKEN[build]}, ")
    assert OTHER[build] in finished.stdout
    assert finished.stdout.count("\n") == 1
    assert (f"as TORCH={asked} asks" in finished.stdout) == bool(asked)


def test_a_driver_that_never_answers_is_no_gpu():
    """In the script's own time; here it is looked up, since waiting for it proves no more."""
    assert re.search(r"timeout (\d+) nvidia-smi", SCRIPT)[1] == "20"


@pytest.mark.parametrize("here", [("Darwin", "arm64"), ("Linux", "ppc64le"), ("FreeBSD", "amd64")])
def test_elsewhere_there_is_one_build(machine, here):
    machine.is_a(*here)
    commands, finished = machine.chosen()
    assert machine.locks(commands) == [LOCKS["cuda"]]
    assert finished.stdout == f"PyTorch: the build that PyPI has for {' '.join(here)}.\n"


def test_no_gigabytes_that_nobody_asked_for_where_the_lock_has_no_build_for_cpus(machine):
    machine.is_a("Linux", "ppc64le")
    commands, finished = machine.chosen("cpu")
    assert (commands, finished.returncode) == ([], 2)
    assert "is for Linux x86_64 and aarch64, and this is Linux ppc64le" in finished.stderr


@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
def test_linux_has_both_builds(machine, processor):
    machine.is_a("Linux", processor)
    commands, _ = machine.chosen()
    assert machine.locks(commands) == [LOCKS["cpu"]]


def test_files_come_before_the_index_and_the_index_before_pypi(machine):
    commands, _ = machine.chosen(fails="cpu")
    assert ["--no-index" in command for command in commands] == [True, False, False]
    assert [f"--extra-index-url {machine.address}/whl/cpu" in command for command in commands] == [False, True, False]
    assert machine.locks(commands) == [LOCKS["cpu"], LOCKS["cpu"], LOCKS["cuda"]]


def test_a_build_for_cpus_does_not_pass_for_the_other(machine):
    """It is the newer one of the two by its version, and in a folder that is looked at first."""
    machine.offers("pypi", "pypi")
    versions, finished = machine.installed("cuda", PIP_FIND_LINKS=str(machine.folder / "there"))
    assert (versions, finished.returncode) == (["2.13.0"], 0), finished.stderr


def test_a_folder_of_wheels_is_enough_and_no_index_is_asked(machine):
    machine.offers("whl/cpu", "there")
    versions, finished = machine.installed(PIP_FIND_LINKS=str(machine.folder / "there"))
    assert (versions, finished.returncode) == (["2.13.0+cpu"], 0), finished.stderr
    assert machine.asked == []


def test_the_index_of_builds_for_cpus_is_enough(machine):
    machine.offers("whl/cpu", "there")
    machine.offers("pypi", "pypi")
    versions, finished = machine.installed()
    assert (versions, finished.returncode) == (["2.13.0+cpu"], 0), finished.stderr
    assert "could not be had" not in finished.stdout


def test_a_mirror_that_pip_knows_may_have_it_too(machine):
    """As inside a company, from which no other place is reached."""
    machine.indexed_at(NOBODY)
    machine.offers("pypi", "there")
    versions, finished = machine.installed()
    assert (versions, finished.returncode) == (["2.13.0+cpu"], 0), finished.stderr


def nothing_listens(machine):
    machine.indexed_at(NOBODY)


def it_never_answers(machine):
    """Connections are taken, and nothing comes."""
    machine.silent = socket.create_server(("127.0.0.1", 0))
    machine.indexed_at(f"http://127.0.0.1:{machine.silent.getsockname()[1]}/whl/cpu")
    text = (machine.folder / "workflow/torch.sh").read_text()
    assert "--timeout 15" in text  # in less here
    (machine.folder / "workflow/torch.sh").write_text(text.replace("--timeout 15", "--timeout 1"))


def it_has_none_of_this_name(machine):
    (machine.folder / "served/whl/cpu/torch").mkdir(parents=True)


def it_has_another_version(machine):
    wheel(machine.folder / "served/whl/cpu/torch", "torch", "2.12.0+cpu")


def it_has_another_content(machine):
    wheel(machine.folder / "served/whl/cpu/torch", "torch", "2.13.0+cpu", holds="raise SystemExit")


def it_has_it_for_another_python(machine):
    made = wheel(machine.folder / "other", "torch", "2.13.0+cpu")
    machine.lock("cpu", made)
    (machine.folder / "served/whl/cpu/torch").mkdir(parents=True)
    found = machine.folder / "other/torch-2.13.0+cpu-py3-none-any.whl"
    shutil.copy(found, machine.folder / "served/whl/cpu/torch/torch-2.13.0+cpu-cp39-cp39-any.whl")


TROUBLES = [
    nothing_listens,
    it_never_answers,
    it_has_none_of_this_name,
    it_has_another_version,
    it_has_another_content,
    it_has_it_for_another_python,
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_the_index_does_not_have_is_taken_from_pypi_soon_and_said(machine, trouble):
    trouble(machine)
    machine.offers("pypi", "pypi")
    began = time.monotonic()
    versions, finished = machine.installed()
    assert time.monotonic() - began < 60  # not the minutes that pip waits by itself
    assert (versions, finished.returncode) == (["2.13.0"], 0), finished.stderr
    _, said = finished.stdout.splitlines()
    assert "cannot be reached, or has none for this Python that requirements-torch-cpu.lock lists (pip: " in said
    assert said.endswith("The one for NVIDIA GPUs is taken, with several GB of their libraries.")
    assert re.search(r"\(pip: \w.+\)", said)


@pytest.mark.parametrize("trouble", TROUBLES[:3])
def test_who_asks_for_cpus_gets_no_gigabytes_in_their_place(machine, trouble):
    trouble(machine)
    machine.offers("pypi", "pypi")
    versions, finished = machine.installed("cpu")
    assert (versions, finished.returncode) == ([], 2)
    assert finished.stderr.count("Without TORCH=cpu, make takes the one for NVIDIA GPUs in its place.") == 1


def test_nothing_anywhere_is_pips_own_error(machine):
    nothing_listens(machine)
    versions, finished = machine.installed()
    assert (versions, finished.returncode) == ([], 1)
    assert "No matching distribution found for torch===2.13.0" in finished.stderr


@pytest.mark.parametrize("build", ["gpu", "CPU", "cpu cuda", "no; touch harm", "$(touch harm)"])
def test_no_third_build(tmp_path, build):
    shutil.copy(ROOT / "Makefile", tmp_path)
    finished = subprocess.run(
        ["make", f"TORCH={build.replace('$', '$$')}", "help"], cwd=tmp_path, text=True, capture_output=True
    )
    assert finished.returncode == 2
    assert f"TORCH={build} is not allowed; it must be cpu or cuda" in finished.stderr
    assert not (tmp_path / "harm").exists()


@pytest.mark.slow
def test_make_installs_keeps_and_changes_the_build(machine):
    """With a Python environment of its own, and locks of one small wheel each."""
    folder, wheels = machine.folder, machine.folder / "there"
    shutil.copy(ROOT / "Makefile", folder)
    shutil.rmtree(folder / ".venv")
    machine.offers("pypi", "pypi")
    (folder / "requirements.lock").write_text(wheel(wheels, "tabulate", "0.10.0"))

    def made(*arguments):
        path = f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        known = {"PATH": path, "HOME": str(folder), "PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": str(wheels)}
        command = ["make", f"PYTHON={sys.executable}", ".venv/installed", *arguments]
        everything = dict(cwd=folder, env=known | {"PIP_INDEX_URL": f"{machine.address}/pypi"})
        finished = subprocess.run(command, **everything, text=True, capture_output=True)
        assert finished.returncode == 0, finished.stderr
        (found,) = folder.glob(".venv/lib/python*/site-packages/torch-*.dist-info")
        return found.name, "PyTorch: " in finished.stdout

    for_cpus, for_gpus = "torch-2.13.0+cpu.dist-info", "torch-2.13.0.dist-info"
    assert made() == (for_cpus, True)
    assert made() == made("TORCH=cpu") == (for_cpus, False)
    assert made("TORCH=cuda") == (for_gpus, True)
    assert made() == made("TORCH=cuda") == (for_gpus, False)
    assert made("TORCH=cpu") == (for_cpus, True)
    machine.shows(GPU)
    assert made() == (for_cpus, False)  # what is there stays
    (folder / ".venv/installed").unlink()
    assert made() == (for_gpus, True)
