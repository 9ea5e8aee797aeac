"""Write what README and docs/results.md say of results anew: from the reference runs and the
verdicts on them, which `make full-size` finds, and from a whole run of the workflow at laptop
scale, if there is one.

    python workflow/readme.py

Of the runs, what is told is copied into `resources/reference` and `resources/laptop`, since results
themselves are not kept.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
sys.path.insert(0, str(ROOT / "workflow"))

from reference import configured, run_program

from ptychoformer.configuration import FULL_SIZE
from ptychoformer.contents import CONTENTS, Contents, read_contents
from ptychoformer.escaping import markdown
from ptychoformer.experiments import headline_of, models_of
from ptychoformer.parsing import command_parser
from ptychoformer.publication.report.blocks import write_block
from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.report.readme import (
    BEGIN,
    END,
    Sources,
    Told,
    block_of_results,
    headline_of_results,
    keep,
    keep_verdicts,
)

AT_LAPTOP_SCALE = ("table1", "table2", "measured")  # the experiments that are told of
AT_FULL_SIZE = ("table1", "table2", "table3", "table5")  # first README's
SOURCES = Sources("resources/reference", "resources/laptop", "resources/published/claims.yaml")


def main() -> None:
    """Copy, render and write."""
    command_parser("python workflow/readme.py", __doc__).parse_args()
    os.chdir(ROOT)
    config = configured()
    results = Path("results")  # where Snakemake has <results> at the default scale
    if (results / "report.html").is_file():
        metrics = {
            results / f"evaluation/{name}/metrics.csv": headline_of(config, name)["block"] for name in AT_LAPTOP_SCALE
        }
        found = {path: block for path, block in metrics.items() if path.is_file()}
        keep(results / "publication/claims.csv", found, headline_of(config, "table1")["level"], SOURCES.laptop)
    if (claims := Path("results/full-size/publication/claims.csv")).is_file():
        keep_verdicts(claims, SOURCES.runs)
    for page, text in rendered().items():
        write_block(page, text, (BEGIN, END))


def rendered() -> dict[str, str]:
    """Render each page's text between its marks."""
    laptop, paper = configured(), configured(FULL_SIZE)
    contents = read_contents(CONTENTS)
    tables = [told(paper, contents, name) for name in AT_FULL_SIZE]
    return {
        "README.md": headline_of_results(SOURCES, tables[0]),
        "docs/results.md": block_of_results(SOURCES, tables, labels(laptop, laptop["datasets"], laptop["models"])),
    }


def told(config: dict, contents: Contents, experiment: str) -> Told:
    """Collect what is told of a table of the paper."""
    table, entry = contents.tables[experiment], config["experiments"][experiment]
    names = [*entry["datasets"], *filter(None, [entry["test"]])]
    return Told(
        title="" if experiment == AT_FULL_SIZE[0] else f"{table.source}. ",
        labels=labels(config, names, models_of(config, experiment)),
        published=f"resources/published/{experiment}.csv",
        papers_block=table.papers_block,
        test=entry["test"],
        note=markdown(table.note),
        **headline_of(config, experiment),
    )


def labels(config: dict, datasets: Iterable[str], models: Iterable[str]) -> Labels:
    """Map these to what they are called, in Markdown."""
    named = (
        {name: markdown(config[part][name]["label"] or name) for name in names}
        for part, names in (("datasets", datasets), ("models", models))
    )
    return Labels(*named)


if __name__ == "__main__":
    run_program(main)
