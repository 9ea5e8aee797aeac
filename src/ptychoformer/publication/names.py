"""What references and parts of the test patterns are called, in tables and figures alike."""

from ptychoformer.evaluation import SYNCHRONISED
from ptychoformer.simulation.scan import LOWER_LEFT, LOWER_RIGHT, STRIP, WHOLE_SCAN

# Of `evaluation.references`; what stands in brackets may be left out where room is short.
REFERENCES = {
    "floor": "Floor",
    "ceiling": "Ceiling",
    "one_pattern": "One pattern (constant unknown)",
    "epie": "ePIE (many patterns)",
}
BLOCKS = {LOWER_RIGHT: "lower right block", LOWER_LEFT: "lower left block", STRIP: "test strip", WHOLE_SCAN: "whole scan"}


def short(reference: str) -> str:
    """A reference's name without what stands in brackets."""
    return REFERENCES[reference].split(" (")[0]


def scene_name(block: str, level: str) -> str:
    """A stitched scene of a block of the test patterns, by how its phase was stitched."""
    return f"{'phase-synchronised' if level == SYNCHRONISED else 'stitched'} scene of the {BLOCKS[block]}"
