"""Every path that is made from a config stays in its folder, and every name is matched whole."""

import os
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from ptychoformer.configuration import complete, load_schema
from ptychoformer.errors import InputError
from ptychoformer.places import LONGEST, check_results, is_within, named_once
from ptychoformer.provenance import record, sidecar
from ptychoformer.provided import ProvidedFiles

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = load_schema(ROOT)
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
DIGEST = "0" * 64


def refused(changes):
    """The sentence about a config.yaml in which entries of catalogues are added or changed."""
    config = deepcopy(CONFIG)
    for catalogue, entries in changes.items():
        config[catalogue] |= entries
    with pytest.raises(InputError) as caught:
        complete(config, SCHEMA)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert len(sentence) < 400
    return sentence


def scan(**file):
    return {"datasets": {"mine": {"kind": "measured", "scan": file, "patterns": {"crop": 64}}}}


@pytest.mark.parametrize(
    "name",
    [
        "a\n", "a\r", "\na", "a b", "", ".", "..", "a/b", "../a", "a\\b", "{a}", "a{seed}", "<a>", "a*", "~", "-rf", "-",
        "a" * 101, "a" * 300, "а", "ｍse", "ſ", "é", "a\u200b", "\u202eesm", "a\x00", "1²", 7, True,
    ],
)  # fmt: skip
@pytest.mark.parametrize("catalogue", ["objects", "probes", "datasets", "models", "losses"])
def test_a_name_is_matched_whole(catalogue, name):
    sentence = refused({catalogue: {name: {}}})
    assert sentence.startswith(f"{catalogue}.")
    assert "the name must be letters, digits, '_' and '-'" in sentence
    assert "'-' not first" in sentence


@pytest.mark.parametrize("name", ["con", "NUL", "Com1", "lpt9"])
def test_a_name_is_that_of_no_device(name):
    assert refused({"losses": {name: {"kind": "mse"}}}).startswith(f"losses.{name}: the name is that of a device")


@pytest.mark.parametrize(
    ("name", "other"), [("MSE", "mse"), ("Npcc", "npcc"), ("nssim_Diffraction", "nssim_diffraction")]
)
def test_names_differ_in_more_than_capitals(name, other):
    assert refused({"losses": {name: {"kind": "mse"}}}).startswith(f"losses.{name}: there is '{other}' too")


@pytest.mark.parametrize("name", ["a" * 100, "_a", "0", "A-b_C", "console", "com", "lpt10"])
def test_other_names_are_names(name):
    assert name in complete(CONFIG | {"losses": CONFIG["losses"] | {name: {"kind": "mse"}}}, SCHEMA)["losses"]


@pytest.mark.parametrize("seed", [2**63, 10**400])
def test_a_number_that_becomes_a_name_has_a_largest_value(seed):
    with pytest.raises(InputError, match=r"seeds\[0\]: \d+.* is not allowed; it must be an integer"):
        complete(CONFIG | {"seeds": [seed]}, SCHEMA)


def test_no_pattern_of_the_schema_lets_a_line_end_pass():
    def patterns(schema):
        if isinstance(schema, dict):
            yield from ([schema["pattern"]] if isinstance(schema.get("pattern"), str) else [])
            for part in schema.values():
                yield from patterns(part)
        elif isinstance(schema, list):
            for part in schema:
                yield from patterns(part)

    texts = ("a", "all", DIGEST)
    found = set(patterns(SCHEMA))
    assert len(found) == 7
    for pattern in found - {"^[^{}<>]+$", "^[^{}<>]*$"}:  # of folders, which `check_results` and the disk judge
        rule = Draft202012Validator({"pattern": pattern})
        assert any(map(rule.is_valid, texts)), pattern
        assert not any(rule.is_valid(f"{text}{end}") for text in texts for end in ("\n", "\r", "\n\n")), pattern


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("../../workflow/evil.py", "leads elsewhere"),
        ("a/../../b.npy", "leads elsewhere"),
        ("/etc/passwd", "leads elsewhere"),
        ("//etc/passwd", "leads elsewhere"),
        ("..", "is no path"),
        (".", "is no path"),
        ("", "is no path"),
        (" ", "is no path"),
        (["a"], "is not allowed; it must be text"),
        ("a\nb.cxi", "control character"),
        ("a.cxi\n", "control character"),
        ("a\x00.cxi", "control character"),
        ("a\ud800.cxi", "control character"),
        ("b" * 300, f"longer than {LONGEST} bytes"),
        (f"a/{'é' * 101}/b.cxi", f"longer than {LONGEST} bytes"),
        ("{" * 70, f"longer than {LONGEST} bytes"),  # which become %7B
        ("by_content/0123456789abcdef/scan.cxi", "not below by_content, where copies lie"),
        ("./by_content/scan.cxi", "not below by_content, where copies lie"),
    ],
)
def test_a_file_is_below_data_dir(file, reason):
    sentence = refused(scan(file=file, url="https://example.org/a", sha256=DIGEST))
    assert sentence.startswith("datasets.mine.scan.file: ")
    assert reason in sentence


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"url": "http://example.org/a"}, "plain http needs a sha256"),
        ({"url": "HTTP://example.org/a"}, "plain http needs a sha256"),
        ({"url": "file:///etc/passwd", "sha256": DIGEST}, "it is no address"),
        ({"url": "file://host/etc/passwd", "sha256": DIGEST}, "by https, not by file"),
        ({"url": "ftp://example.org/a", "sha256": DIGEST}, "by https, not by ftp"),
        ({"url": "data:text/plain,a", "sha256": DIGEST}, "it is no address"),
        ({"url": "example.org/a"}, "it is no address"),
        ({"url": "https:///a"}, "it is no address"),
        ({"url": "https://[::1/a"}, "it is no address"),
        ({"url": "https://example.org:port/a"}, "it is no address"),
        ({"url": "https://example.org/a\nHost: b"}, "it is no address"),
        ({"url": ""}, "it is no address"),
    ],
)
@pytest.mark.parametrize("role", ["scan", "labels"])
def test_a_download_comes_by_https_or_has_a_checksum(source, reason, role):
    changes = scan(file="scan.npz")
    changes["datasets"]["mine"][role] = {"file": "a.npy", **source}
    sentence = refused(changes)
    assert sentence.startswith(f"datasets.mine.{role}.url: ")
    assert reason in sentence


@pytest.mark.parametrize("sha256", ["0" * 63, f"{DIGEST}\n", DIGEST.replace("0", "A"), 5, ["0"]])
def test_a_checksum_is_one_in_every_place(sha256):
    changes = scan(file="scan.npz")
    changes["datasets"]["mine"]["labels"] = {"file": "a.npy", "url": "https://example.org/a", "sha256": sha256}
    assert refused(changes).startswith("datasets.mine.labels.sha256: ")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.npy", "A.npy"),
        ("a/b.npy", "./a//b.npy"),
        ("stra\u00dfe.npy", "STRASSE.npy"),
        ("\u00e9.npy", "e\u0301.npy"),
        ("a", "a/b"),
        ("A/b/c", "a"),
    ],
)
def test_two_files_are_kept_under_two_names_on_every_disk(first, second):
    changes = scan(file=first, sha256=DIGEST)
    changes["datasets"]["mine"]["labels"] = {"file": second, "sha256": "1" * 64}
    sentence = refused(changes)
    assert sentence.startswith("datasets.mine.")
    assert "has another url or sha256 for it" in sentence or "has a file where this has a folder" in sentence


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder, in which one is, beside other folders."""
    for folder in ("project/src", "project/results", "scratch/mine", "data", "elsewhere", ".hidden", "home"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "project"


def checked(project, file, data_dir=None):
    part = {"file": file, "url": "https://example.org/a", "sha256": DIGEST}
    config = {"data_dir": data_dir, "objects": {}, "probes": {}, "datasets": {"mine": {"scan": part}}}
    ProvidedFiles(config, ".snakemake/checksums").check()


def test_no_link_leads_a_file_out_of_the_folder_where_it_is_kept(project):
    files = project / "resources/files"
    files.mkdir(parents=True)
    checked(project, "a/b.npy")
    (files / "a").symlink_to(project.parent / "elsewhere")
    (files / "c.npy").symlink_to(project / "src/new.py")
    (files / "loop").symlink_to("loop")
    (files / "near").symlink_to(files)
    checked(project, "near/b.npy")
    for file in ("a/b.npy", "c.npy", "loop/b.npy"):
        with pytest.raises(InputError, match=rf"^datasets\.mine\.scan\.file: '{file}' is not allowed, a symbolic link"):
            checked(project, file)
    # The whole of it may lie on another disk.
    os.rename(files, project.parent / "scratch/files")
    files.symlink_to(project.parent / "scratch/files")
    checked(project, "b.npy")


def test_no_link_leads_a_file_out_of_data_dir(project):
    data, other = project.parent / "data", project.parent / "elsewhere/secret.npy"
    other.write_bytes(b"1")
    (data / "mine.npy").write_bytes(b"1")
    (data / "near.npy").symlink_to("mine.npy")
    (data / "far.npy").symlink_to(other)
    (data / "folder").symlink_to(other.parent)
    (project.parent / "link").symlink_to(data)
    for folder in (data, project.parent / "link"):
        checked(project, "near.npy", str(folder))
    for file in ("far.npy", "folder/secret.npy"):
        with pytest.raises(InputError, match=r"a symbolic link leads it out of .*data; copy the file into that folder"):
            checked(project, file, str(data))


@pytest.mark.parametrize(
    "folder",
    [None, "results", "results/mine", "other", "scratch 1/a.b", "é #1 & 5%", "{scratch}/mine", "{project}/results"],
)
def test_results_may_go_below_the_project_and_to_a_folder_that_exists(project, folder):
    check_results(folder and folder.format(project=project, scratch=project.parent / "scratch"), project)


@pytest.mark.parametrize("folder", ["results", "results/smoke", "results/mine/new"])
def test_results_may_be_a_link_to_another_disk(project, folder):
    (project / "results").rmdir()
    (project / "results").symlink_to(project.parent / "scratch")
    check_results(folder, project)


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("..", "no name may be"),
        ("results/../../a", "no name may be"),
        ("~/results", "no name may be"),
        ("-rf", "no name may be"),
        (" results", "no name may be"),
        ("results\n", "control character"),
        ("a" * 300, "longer than"),
        (".", "holds the project itself"),
        ("{project}", "holds the project itself"),
        ("{scratch}/..", "no name may be"),
        ("/", "holds the project itself"),
        ("{project}/..//", "no name may be"),
        ("src", "one of the project's own folders"),
        ("SRC/mine", "one of the project's own folders"),
        ("./workflow/rules", "one of the project's own folders"),
        ("resources/files", "one of the project's own folders"),
        (".git", "one of the project's own folders"),
        (".snakemake/a", "one of the project's own folders"),
        ("{project}/src", "one of the project's own folders"),
        ("to_src", "one of the project's own folders"),
        ("to_nowhere", "no folder that exists"),
        ("loop/a", "a symbolic link in a circle"),
        ("{scratch}/new", "no folder that exists"),
        ("{scratch}/file", "no folder that exists"),
        ("{home}", "a home folder or one of the system's"),
        ("/etc", "a home folder or one of the system's"),
        ("//etc/cron.d", "a home folder or one of the system's"),
        ("to_etc", "a home folder or one of the system's"),
        ("/usr/local/bin", "a home folder or one of the system's"),
        ("/var/spool/cron", "a home folder or one of the system's"),
        ("/dev", "a home folder or one of the system's"),
        ("{hidden}", "a hidden folder"),
    ],
)
def test_results_go_to_no_other_place(project, folder, reason):
    scratch = project.parent / "scratch"
    (scratch / "file").write_text("a file")
    for link, target in {"to_src": "src", "to_nowhere": scratch / "new", "loop": "loop", "to_etc": "/etc"}.items():
        (project / link).symlink_to(target)
    places = {"project": project, "scratch": scratch, "home": Path.home(), "hidden": project.parent / ".hidden"}
    with pytest.raises(
        InputError, match=rf"^pathvars\.results: .* is not allowed, .*{reason}.*; it must be a folder of its own"
    ):
        check_results(folder.format(**places), project)


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_results_go_to_no_folder_that_may_not_be_written_to(project):
    (project.parent / "scratch/mine").chmod(0o500)
    with pytest.raises(InputError, match="which may not be written to"):
        check_results(str(project.parent / "scratch/mine"), project)


@pytest.mark.parametrize("folder", ["/dev/shm", "/var/tmp"])
def test_users_folders_among_the_systems_are_places_for_results(project, folder):
    check_results(folder, project)


def test_what_does_not_exist_is_where_its_folder_is(project):
    assert is_within("results/new/a", "results")
    assert not is_within("results/../src", "results")
    assert not is_within("resultsother", "results")


@pytest.mark.parametrize("ending", ["", ".h5", ".cxi"])
def test_beside_a_file_of_the_longest_name_there_is_room_for_its_provenance(tmp_path, ending):
    artefact = tmp_path / f"{'b' * (LONGEST - len(ending))}{ending}"
    record(artefact, {}, 0.0, {})
    assert sidecar(artefact).is_file()


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("results/mine", "results/mine"),
        ("./results//mine/", "results/mine"),
        ("../project/results/mine", "results/mine"),
        ("{project}/results/mine", "results/mine"),
        ("{scratch}/to_project/results/mine/", "results/mine"),
        ("{scratch}/mine/", "{scratch}/mine"),
    ],
)
def test_a_folder_has_one_name_however_it_is_written(project, folder, name):
    scratch = project.parent / "scratch"
    (scratch / "to_project").symlink_to(project)
    places = {"project": project, "scratch": scratch}
    assert named_once(folder.format(**places)) == name.format(**places)
