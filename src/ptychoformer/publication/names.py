"""What references and parts of the test patterns are called, in tables and figures alike."""

from ptychoformer.evaluation import SYNCHRONISED
from ptychoformer.simulation.scan import LOWER_LEFT, LOWER_RIGHT, STRIP, WHOLE_SCAN

# Of `evaluation.references`, in full and where room is short.
REFERENCES = {"floor": "Floor", "ceiling": "Ceiling", "one_pattern": "Ceiling of one pattern", "epie": "ePIE (many patterns)"}
SHORT_REFERENCES = {"floor": "Floor", "ceiling": "Ceiling", "one_pattern": "One pattern", "epie": "ePIE"}
BLOCKS = {LOWER_RIGHT: "lower right block", LOWER_LEFT: "lower left block", STRIP: "test strip", WHOLE_SCAN: "whole scan"}


def scene_name(block: str, level: str) -> str:
    """A stitched scene of a block of the test patterns, by how its phase was stitched."""
    return f"{'phase-synchronised' if level == SYNCHRONISED else 'stitched'} scene of the {BLOCKS[block]}"
