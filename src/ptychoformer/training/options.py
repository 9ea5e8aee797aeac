"""How a network is trained: the options of the config's ``training``, with what each allows.

Type, range, default and meaning of an option stand here alone. `plugins.fields_of` reads them
from this file for the config's schema and the command line, so that annotations and defaults must
be literals, and nothing here imports torch.
"""

from dataclasses import dataclass
from typing import Annotated, Literal


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained, by Adam with Keras's ReduceLROnPlateau; defaults are the paper's
    (Sec. IV-A) where it says so.
    """

    epochs: Annotated[
        int,
        {"description": "how often every fitted pattern is seen", "minimum": 1, "maximum": 10000},
    ] = 25
    batch_size: Annotated[int, {"description": "patterns a step", "minimum": 1, "maximum": 65536}] = 32
    learning_rate: Annotated[
        float,
        {"description": "of Adam at the start", "exclusiveMinimum": 0, "maximum": 1},
    ] = 1e-3
    min_learning_rate: Annotated[
        float,
        {"description": "below which ReduceLROnPlateau does not go", "minimum": 0, "maximum": 1},
    ] = 1e-4
    factor: Annotated[
        float,
        {
            "description": "by which ReduceLROnPlateau multiplies the rate",
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1,
        },
    ] = 0.5
    patience: Annotated[
        int,
        {
            "description": "epochs in a row without progress at which ReduceLROnPlateau lowers the rate,"
            " counted as Keras does",
            "minimum": 0,
        },
    ] = 2
    subset: Annotated[
        Literal["scattered", "square"],
        {
            "description": "which training patterns n_train takes; scattered: drawn by the seed;"
            " square: one block of the scan, as in Figure 7"
        },
    ] = "scattered"
    validation_fraction: Annotated[
        float,
        {
            "description": "part of the training patterns that is watched instead of fitted",
            "exclusiveMinimum": 0,
            "maximum": 0.5,
        },
    ] = 0.05
    validation: Annotated[
        Literal["random", "block"],
        {"description": "random: scattered patterns, as published; block: the last in scan order"},
    ] = "random"
    weights: Annotated[
        Literal["last", "best"],
        {"description": "last: of the last epoch, as published; best: of the lowest validation loss"},
    ] = "last"
    precision: Annotated[
        Literal["float32", "mixed", "bfloat16"],
        {
            "description": "on a GPU; float32: all of it; mixed: attention in bfloat16, products in TF32;"
            " bfloat16: automatic mixed precision, on a CPU too, where mixed is float32"
        },
    ] = "mixed"
    deterministic: Annotated[
        bool,
        {
            "description": "on a GPU, the kernels of torch that give the same bits every time, where there are any,"
            " at up to a fifth of the speed; on a CPU it is always so"
        },
    ] = False
    compile: Annotated[
        bool,
        {
            "description": "torch.compile fuses the kernels of whole batches, which takes a minute or so a network"
            " once a machine; for a GPU"
        },
    ] = False
