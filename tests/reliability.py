"""The tables of docs/reliability.md: what came of the faults that tests try, written into the page
once every test that counts has run, and never of a part of them.
"""

import os
import subprocess
import sys
from collections import Counter

import pytest

from ptychoformer.cli.outputs import check_outputs
from ptychoformer.errors import PtychoformerError
from ptychoformer.publication.report.blocks import around_block, write_block

from .conftest import TABLES


class Page:
    """A page that gets the tables of one target of make.

    Raises:
        PtychoformerError: it cannot get them.
    """

    def __init__(self, path, target):
        self.path, self.target = path, target
        self.marks = f"<!-- {target}: begin, made by `make {target}` -->", f"<!-- {target}: end -->"
        self.ended, self.broken = {}, []
        around_block(path, self.marks)
        check_outputs([path], [])

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and not report.skipped:
            self.ended[report.nodeid] = report
        elif report.failed:
            self.broken.append(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter, exitstatus, config):
        said = f"The tables of make {self.target} in {self.path} are those of this run."
        try:
            if reason := self.why_not(exitstatus, config.rootpath):
                said = f"{self.path} stays as it was: {reason}."
            else:
                write_block(self.path, tables_of(self.ended.values(), TABLES[self.target]), self.marks)
        except PtychoformerError as error:
            said = f"{self.path} stays as it was: {error}"
        terminalreporter.write_line(said)

    def why_not(self, exitstatus, project):
        """Why this run is no whole one; empty if it is."""
        if not self.ended:
            return "no test that counts ran"
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return "the run broke off"
        outside = [name for name, report in self.ended.items() if report.failed and not is_lost(report)]
        if broken := [*self.broken, *outside]:
            return f"{broken[0]} failed outside of what it tries"
        around_block(self.path, self.marks)  # which the tests may have taken long enough to lose
        counting = self.all_that_count(project)
        if counting is None:
            return "not all tests can be collected"
        if missing := sorted(counting - set(self.ended)):
            return f"{len(missing)} of the tests that count did not run, such as {missing[0]}"
        return ""

    def all_that_count(self, project):
        """Names of the tests that a run counts which is asked for nothing else; None if that is not
        known, since one cannot be collected.
        """
        asked = [f"--reliability={self.path}", f"--reliability-of={self.target}"]
        listed = subprocess.run(
            [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "--disable-warnings", *asked],
            cwd=project,
            env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
            text=True,
            capture_output=True,
        )
        return None if listed.returncode else {line for line in listed.stdout.splitlines() if "::" in line}


def is_lost(report):
    return any(outcome == "lost" for _, (_, outcome) in report.user_properties)


def tables_of(reports, tables):
    """Tries and outcomes of each fault as Markdown, a row each in alphabetical order."""
    tries = [(table, *told) for report in reports for table, told in report.user_properties]
    found, blocks = Counter(tries), []
    for table, outcomes in tables.items():
        lines = [(table, "tries", *outcomes), ("---",) * (2 + len(outcomes))]
        for fault in sorted({fault for name, fault, _ in tries if name == table}):
            counts = [found[table, fault, outcome] for outcome in outcomes]
            lines.append((fault, sum(counts), *counts))
        blocks.append("".join(f"| {' | '.join(map(str, line))} |\n" for line in lines))
    return "\n".join(blocks)
