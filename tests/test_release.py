"""What a release consists of: one version, its changes, its container, its place in a catalogue."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ptychoformer import __version__
from ptychoformer.provenance import _reached

ROOT = Path(__file__).resolve().parents[1]
CHANGES = (ROOT / "CHANGELOG.md").read_text()
RELEASES = re.findall(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", CHANGES, re.MULTILINE)
CONTAINER = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE)


def test_package_citation_and_changelog_name_one_version_of_one_day():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["date-released"]) == (__version__, RELEASES[0][1])
    assert RELEASES[0][0] == __version__


def test_changes_are_grouped_and_wrapped():
    groups = re.findall(r"^### (.+)$", CHANGES, re.MULTILINE)
    assert set(groups) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert max(map(len, CHANGES.splitlines())) <= 100


@pytest.mark.parametrize("module", ["training.fit", "evaluation.deployment", "publication.report.page"])
def test_another_version_re_runs_nothing(module):
    """It stands in the package's own file, which no digest of code has."""
    assert not {"", "__init__", "__version__"} & set(_reached([module]))


def test_the_container_has_the_python_of_the_conda_environment():
    pinned = [pin for pin in yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"] if "python=" in pin]
    assert re.findall(r"^FROM .*/python:(\S+)-slim-bookworm$", CONTAINER, re.MULTILINE) == [pinned[0].split("=")[1]]


def test_the_container_installs_by_make_from_the_locks_alone(tmp_path):
    copied = []
    for names, folder in re.findall(r"^COPY (.+) (\S+/)$", CONTAINER, re.MULTILINE):
        (tmp_path / folder).mkdir(exist_ok=True)
        copied += [Path(shutil.copy(ROOT / name, tmp_path / folder)) for name in names.split()]
    build = re.search(r"^ARG (TORCH=\w*)$", CONTAINER, re.MULTILINE)[1]
    planned = subprocess.run(["make", "--dry-run", "install", build], cwd=tmp_path, capture_output=True, text=True)
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.count("--require-hashes") == 2
    assert "bash workflow/torch.sh '' .venv/bin/python" in planned.stdout
    assert tmp_path / "workflow/torch.sh" in copied
    assert {path.name for path in ROOT.glob("requirements*.lock")} < {path.name for path in copied}
    assert "pip install" not in CONTAINER


def test_an_audit_is_of_all_that_is_locked_and_apart_from_what_must_pass():
    planned = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "audit"], cwd=ROOT, capture_output=True, text=True
    )
    assert planned.returncode == 0, planned.stderr
    command = planned.stdout.splitlines()[-1]
    locks = {path.name for path in ROOT.glob("requirements*.lock")} - {"requirements-torch-cpu.lock"}
    assert set(re.findall(r"--requirement (\S+)", command)) == locks
    assert {"--strict", "--require-hashes"} <= set(command.split())
    audit = yaml.safe_load((ROOT / ".github/workflows/audit.yml").read_text())
    assert audit["jobs"]["audit"]["steps"][-1] == {"run": "make audit"}
    assert "audit" not in (ROOT / ".ci/run").read_text() + (ROOT / ".github/workflows/ci.yml").read_text()


def test_the_container_leaves_out_what_git_does_and_nothing_of_the_project():
    ignored = set((ROOT / ".containerignore").read_text().split())
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    lost = [path for path in tracked if any(path == name or path.startswith(f"{name}/") for name in ignored)]
    assert set(lost) <= {"results/README.md"}
    assert {".venv", ".snakemake", "results", "resources/files"} <= ignored  # gigabytes, or of this machine


def test_the_catalogue_of_workflows_is_told_what_there_is():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    deployment = usage["software-stack-deployment"]
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert deployment["conda"] == ("conda:" in rules)
    assert deployment["apptainer"] == deployment["apptainer+conda"] == ("container:" in rules)
    assert deployment["report"] == ("report(" in rules)
    readme = (ROOT / "config/README.md").read_text()
    overlays = {path.relative_to(ROOT).as_posix() for path in (ROOT / "config").glob("*.yaml")}
    assert overlays - {"config/mine.yaml"} == set(re.findall(r"`(config/[\w-]+\.yaml)`", readme))


def test_keys_that_the_configurations_page_names_are_of_the_schema():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())["properties"]
    rows = re.findall(r"^\| (`.+?) \|", (ROOT / "config/README.md").read_text(), re.MULTILINE)
    keys = [key for row in rows for key in re.findall(r"`(\w+)[`:]", row)]
    assert len(keys) >= 8
    assert set(keys) <= set(schema)
