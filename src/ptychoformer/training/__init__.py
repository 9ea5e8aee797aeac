"""From a dataset to a trained network.

The columns of its history stand here, so that who reads one need not import torch.
"""

HISTORY = ("epoch", "learning_rate", "train_loss", "validation_loss", "seconds")  # a row for every epoch
