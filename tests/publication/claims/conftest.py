"""Numbers of networks whose means are known, the paper's own numbers, and its claims."""

from dataclasses import replace

import numpy as np
import pandas as pd
import yaml

from ptychoformer.evaluation.columns import SCORES
from ptychoformer.publication.claims.catalogue import read_claims

from ..conftest import HERE, PUBLISHED

CLAIMS = PUBLISHED / "claims.yaml"
NETWORKS = ("ptychonn", "ptynet", "dpi", "ptychoformer")
MEANS = dict(zip(NETWORKS, (13.0, 13.2, 13.6, 14.4), strict=True))
HIGHER = {"psnr", "ssim"}
DIGESTS = ("12345e678901", "98765e432109")  # both infinite to a careless reader
OURS = dict(better=("ptychoformer",), worse=("ptychonn", "ptynet", "dpi"))
PLAIN = dict(
    experiment="table1",
    dataset=("clean",),
    channel=("amplitude",),
    metric=("psnr",),
    comparison="greater",
    **HERE,
    **OURS,
)

# An entry of the file of claims, and its test.
TEST = dict(
    experiment="table1",
    dataset="clean",
    channel="amplitude",
    metric="psnr",
    better="a",
    worse="b",
    comparison="greater",
)
CLAIM = dict(id="one", place="there", quote="said", statement="So.", judges="ranking", scope="all", test=TEST)


def read_entry(folder, entry):
    """The claims of a file in ``folder`` that holds one entry."""
    path = folder / "claims.yaml"
    path.write_text(yaml.safe_dump({"claims": [entry]}), encoding="utf-8")
    return read_claims(path)


def rows(dataset, model, values, *, loss="mse", n_train=640, channel="amplitude", metric="psnr", test=None):
    """One number per seed, of the whole block of the headline."""
    place = dict(dataset=dataset, test=test or dataset, model=model, loss=loss, n_train=n_train, **HERE)
    place |= dict(region="whole", channel=channel, metric=metric)
    return pd.DataFrame([place | dict(seed=seed, value=value) for seed, value in enumerate(values)])[list(SCORES)]


def networks(means, *, seeds=8, spread=0.05, draw=3, **place):
    """Networks with these means, each seed shifted for all alike and each number by ``spread``."""
    rng = np.random.default_rng(draw)
    shared = 5 * spread * rng.standard_normal(seeds)
    parts = [
        rows("clean", name, mean + shared + spread * rng.standard_normal(seeds), **place)
        for name, mean in means.items()
    ]
    return pd.concat(parts, ignore_index=True)


def published_metrics():
    """The paper's tables as metrics of one seed, by the names that runs have."""
    parts = []
    for number in range(1, 6):
        table = pd.read_csv(PUBLISHED / f"table{number}.csv")
        by_loss = number == 4
        dataset = "clean" if by_loss else table["condition"]
        frame = pd.DataFrame(index=table.index).assign(dataset=dataset, test="curved" if number == 2 else dataset)
        frame = frame.assign(
            model=table["condition"] if by_loss else table["method"], loss=table["method"] if by_loss else "mse"
        )
        block = "scan" if number == 2 else HERE["block"]
        frame = frame.assign(n_train=2928, seed=0, block=block, region="whole", level="scene")
        frame = frame.assign(channel=table["channel"], metric=table["metric"])
        parts.append((f"table{number}", frame.assign(value=table["mean"])[list(SCORES)]))
    return dict(parts)


CATALOGUE = [replace(claim, test=claim.test.on(**HERE)) for claim in read_claims(CLAIMS)]
PRINTED = [claim for claim in CATALOGUE if claim.published is not None and claim.test.experiment.startswith("table")]
# Section V-A of the paper.
TRUTH = (0.9958, 0.0038, 0.0004)
SHARES = {"ptychoformer": (0.9975, 0.0022, 0.0003), "ptychonn": (0.9993, 0.0006, 0.0001)}


def bands(shares, truth, seeds=5):
    """Shares (low, mid, high) of every network; seeds lie around them by 1 % of the distance from 0 or 1, whichever is closer."""
    rng = np.random.default_rng(6)
    place = dict(dataset="clean", test="clean", loss="mse", n_train=640, channel="amplitude")
    found = []
    for model, parts in shares.items():
        for band, share, true in zip(("low", "mid", "high"), parts, truth, strict=True):
            noise = rng.standard_normal(seeds)
            estimates = share + 0.01 * min(share, 1 - share) * (noise - noise.mean())
            found += [
                place | dict(model=model, seed=seed, band=band, estimate=e, truth=true)
                for seed, e in enumerate(estimates)
            ]
    return pd.DataFrame(found)
