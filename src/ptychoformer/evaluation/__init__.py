"""From a trained network to numbers: predictions, scenes, metrics, statistics.

The names of what is scored stand here, so that the workflow need not import what makes them.
"""

# Results that stand beside those of every network, as models of their own names
# (`evaluation.references`).
REFERENCES = ("floor", "ceiling", "one_pattern", "epie")
NEEDED_REFERENCES = ("floor", "ceiling")  # what no table can do without
# Levels of a score (`evaluation.metrics`): two ways to stitch a scene, the mean over single
# patterns, and how the authors' release scores.
SCENE, SYNCHRONISED, PATTERN, RELEASED = "scene", "synchronised", "pattern", "released"
LEVELS = (SCENE, SYNCHRONISED, PATTERN, RELEASED)
# Parts of a block: all of it, and what no training pattern illuminates.
WHOLE, UNSEEN = "whole", "unseen"
REGIONS = (WHOLE, UNSEEN)
# What a network predicts, and what is scored of it. A pattern does not change with the constant
# phase of its window; the relative phase is the phase with its mean error taken off, of each
# pattern or of a whole scene.
CHANNELS = ("amplitude", "phase")
RELATIVE_PHASE = "relative_phase"
SCORED = (*CHANNELS, RELATIVE_PHASE)
