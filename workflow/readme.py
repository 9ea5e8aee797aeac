"""Write what README and docs/results.md say of results anew, from the reference runs and from a
whole run of the workflow at laptop scale, if there is one.

    python workflow/readme.py

Of the run, what README speaks of is copied into `resources/laptop`, since results themselves are
not kept.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
sys.path.insert(0, str(ROOT / "workflow"))

from reference import CONFIG, configured

from ptychoformer.errors import PtychoformerError
from ptychoformer.escaping import markdown
from ptychoformer.experiments import headline_of, models_of
from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.report.readme import (
    Sources,
    block_of_results,
    headline_of_results,
    keep,
    write_block,
)

TOLD = ("table1", "table2", "measured")  # the experiments that README speaks of
SOURCES = Sources("resources/reference", "resources/published/table1.csv", "resources/laptop")


def main() -> None:
    """Copy, render and write."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.chdir(ROOT)
    config = configured()
    results = Path("results")  # where Snakemake has <results> at the default scale
    if (results / "report.html").is_file():
        metrics = {results / f"evaluation/{name}/metrics.csv": headline_of(config, name)["block"] for name in TOLD}
        found = {path: block for path, block in metrics.items() if path.is_file()}
        keep(results / "publication/claims.csv", found, headline_of(config, "table1")["level"], SOURCES.laptop)
    for page, text in rendered().items():
        write_block(page, text)


def rendered() -> dict[str, str]:
    """Each page to the text between its marks."""
    laptop, paper = configured(), configured(CONFIG)
    full_size = labels(paper, paper["experiments"]["table1"]["datasets"], models_of(paper, "table1"))
    headline = headline_of(laptop, "table1")
    at_laptop_scale = labels(laptop, laptop["datasets"], laptop["models"])
    return {
        "README.md": headline_of_results(SOURCES, full_size, **headline),
        "docs/results.md": block_of_results(SOURCES, full_size, at_laptop_scale, **headline),
    }


def labels(config: dict, datasets: Iterable[str], models: Iterable[str]) -> Labels:
    """What these are called, in Markdown."""
    named = (
        {name: markdown(config[part][name]["label"] or name) for name in names}
        for part, names in (("datasets", datasets), ("models", models))
    )
    return Labels(*named)


if __name__ == "__main__":
    try:
        main()
    except PtychoformerError as error:
        sys.exit(f"Error: {error}")
