"""From a trained network to numbers: predictions, scenes, metrics, statistics."""

# Results that stand beside those of every network, as models of their own names (`evaluation.references`). They are named here so that
# the workflow need not import what makes them.
REFERENCES = ("floor", "ceiling", "epie")
