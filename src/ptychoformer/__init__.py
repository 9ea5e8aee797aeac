"""Ptychoformer, reproduced: simulation, training, evaluation and publication of deep-learning ptychography."""

__version__ = "0.1.0"
