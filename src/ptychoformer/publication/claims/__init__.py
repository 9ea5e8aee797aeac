"""From the claims of the paper to verdicts."""
