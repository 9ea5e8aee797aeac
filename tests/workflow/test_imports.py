"""What the script of a rule imports before it works: hundreds of jobs start, and most work for less time than torch takes
to import.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = {
    path.stem: path
    for path in (Path(__file__).resolve().parents[2] / "workflow/scripts").glob("*.py")
    if path.stem != "adapter"
}
TRAINING = {"attention_maps", "describe_network", "predict", "reconstruct", "train"}
NUMBERS = {"keep_file", "make_object", "make_probe", "provide_file", "reference", "score", "simulate_dataset"}
# Which runs once, and resamples.
MEASURED = {"measured_dataset"}
ALL_THAT_IS_PRINTED = SCRIPTS.keys() - TRAINING - NUMBERS - MEASURED
# Half a second and more each.
SLOW_TO_IMPORT = {"matplotlib", "pandas", "scipy.signal", "scipy.stats", "skimage", "statsmodels", "torch"}


@pytest.mark.parametrize(
    ("scripts", "needed"),
    [(TRAINING, {"torch"}), (NUMBERS, set()), (ALL_THAT_IS_PRINTED, {"matplotlib", "pandas"})],
    ids=["training", "numbers", "printed"],
)
def test_a_job_imports_only_what_it_works_with(scripts, needed):
    imports = [
        ast.unparse(node)
        for name in sorted(scripts)
        for node in ast.walk(ast.parse(SCRIPTS[name].read_text()))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("ptychoformer.")
    ]
    assert len(imports) >= len(scripts)
    program = "\n".join([*imports, f"import sys; print(*sorted({SLOW_TO_IMPORT} & sys.modules.keys()))"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, sorted(needed)), done.stderr
