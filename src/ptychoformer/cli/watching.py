"""A picture of a reconstruction that is renewed while it converges."""

import os
import time

import numpy as np
import pandas as pd

from ptychoformer.errors import first_line
from ptychoformer.measurement.gauge import fix_gauge
from ptychoformer.measurement.iterative import Reconstruction
from ptychoformer.measurement.preparation import PreparedScan
from ptychoformer.progress import say
from ptychoformer.publication.scan.pictures import draw_progress

SECONDS_BETWEEN_PICTURES = 3.0  # at least, and
PART_FOR_PICTURES = 0.05  # of the time at most goes into drawing them


class Watch:
    """Draws a reconstruction into ``png``, which says what it is ``about``, now and then, called
    after every iteration of it; a picture that cannot be written ends the watching, not the
    reconstruction.
    """

    def __init__(self, png: str | os.PathLike, about: str = ""):
        self.png, self.about, self._next = png, about, -np.inf

    def __call__(self, run: Reconstruction, scan: PreparedScan) -> None:
        if (began := time.monotonic()) < self._next:
            return
        try:
            self._draw(run, scan)
        except Exception as error:  # no picture is worth a reconstruction
            say(f"{first_line(error)} The reconstruction goes on without its picture.")
            self._next = np.inf
            return
        ended = time.monotonic()
        self._next = ended + max(SECONDS_BETWEEN_PICTURES, (ended - began) / PART_FOR_PICTURES)

    def _draw(self, run: Reconstruction, scan: PreparedScan) -> None:
        light, known = run.light(), run.options.probe_from is None
        transmission, probe = fix_gauge(run.finished_object(), run.probe.cpu().numpy(), light, probe_known=known)
        shown = {
            "iterations": run.options.iterations,
            "pixel_size": scan.optics.pixel_size if scan.optics else None,
        }
        draw_progress(transmission, probe, light, pd.DataFrame(run.history), **shown, png=self.png, about=self.about)
