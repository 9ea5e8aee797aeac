"""Whether a scan leaves enough patterns to train on, in words; apart from `split`, so that no
training is done again for other words.
"""

from ptychoformer.training.split import Split

# Patterns: at the paper's full size the networks that were trained on 100 are no better than the
# mean of their labels in phase, those trained on 200 are.
FEW = 100


def about_few(split: Split) -> str:
    """Say how many patterns may be trained on, why no others, and how there would be more; empty
    where they are many, and not fewer than those that are left out.
    """
    total, train, tested, left_out = len(split.scan.positions), len(split.train), len(split.test), _left_out(split)
    if train > FEW and train >= left_out:
        return ""
    overlapping = (
        f", and {left_out} are left out, whose windows of {split.scan.window[0]} pixels overlap with those"
        if left_out
        else ""
    )
    return (
        f"{train} of {total} patterns may be trained on: {tested}, the lowest fifth of the scan, are kept for"
        f" testing{overlapping}; {more_patterns(split)} would give more."
    )


def more_patterns(split: Split) -> str:
    """Say how there would be more patterns to train on."""
    smaller = "a larger --bin (windows that are smaller on the object) or "
    return f"{smaller if _left_out(split) else ''}a larger scan"


def _left_out(split: Split) -> int:
    """Count the patterns that neither train nor test."""
    return len(split.scan.positions) - len(split.train) - len(split.test)
