"""From objects and probes to diffraction patterns (Eq. 2)."""
