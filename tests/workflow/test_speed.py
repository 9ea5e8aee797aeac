"""`workflow/speed.py`: a table of what training costs on the device at hand."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_network_asked_for_has_a_row_of_times_and_the_share_of_each_seed(make_scan):
    scans = [str(make_scan(f"{seed}.cxi", seed=seed)) for seed in (0, 1)]
    command = [sys.executable, str(ROOT / "workflow/speed.py"), *scans, "--networks", "PtyNet", "PtychoNN"]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in finished.stdout.splitlines()]
    times = {
        row[0]: [float(cell) for cell in row[1:]]
        for row in rows
        if row and row[0] in ("PtyNet", "PtychoNN") and len(row) == 6
    }
    assert set(times) == {"PtyNet", "PtychoNN"}
    assert all(small < large for small, large in zip(times["PtyNet"], times["PtychoNN"], strict=True))
    assert "2 seeds" in finished.stdout
    _, sample, rates = (row for row in rows if row and row[0] == "PtyNet")
    assert all(float(cell) > 0 for cell in sample[1:])
    assert all(float(cell.replace(",", "")) > 0 for cell in rates[1:])


def test_a_network_that_is_not_known_is_told(tmp_path):
    command = [sys.executable, str(ROOT / "workflow/speed.py"), str(tmp_path / "scan.cxi"), "--networks", "PtychoGPT"]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 2
    assert "--networks: 'PtychoGPT' is not allowed; it must be one of Ptychoformer, " in finished.stderr
