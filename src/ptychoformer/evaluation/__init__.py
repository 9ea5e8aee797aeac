"""From a trained network to numbers: predictions, scenes, metrics, statistics."""
