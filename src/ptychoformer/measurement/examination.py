"""Which pixels and patterns of a measured scan can be used, judged by the patterns themselves.

Each is judged by the other: a pixel by the patterns that are used, a pattern by the pixels that are
good. So the scan is looked at again until neither changes, which takes one pass over a scan without
faults, two over one with bad pixels, and three with both. Patterns that are overexposed as a whole
tell nothing of any pixel, and go first.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from ptychoformer.errors import InputError
from ptychoformer.measurement.frames import REASONS, overexposed, sentences, unusable
from ptychoformer.measurement.pixels import (
    ALIVE,
    BESIDE_A_SHADOW,
    Filling,
    Survey,
    beam_centre,
    beam_in_corners,
    blind_pixels,
    defects,
    full_pixels,
    made_of_counts,
    overexposed_pixels,
    shadows,
    survey,
)
from ptychoformer.measurement.plausibility import effective_area
from ptychoformer.measurement.readers import RawScan
from ptychoformer.measurement.same_place import about_places
from ptychoformer.memory import check_memory

BLOCK = 2**22  # pixels read at a time
PIXEL = 110  # bytes that an examination takes for each pixel of a frame, measured on 18 million
# From the third pass on a pixel that was bad stays bad, or one that flashes in some patterns and
# these patterns could take turns for ever.
MOST_PASSES, SETTLED = 8, 2
KINDS = ("blind", "overexposed", "hot", "dead", "shaded")  # of bad pixels that no mask names
FAINT = 100  # photons of a pattern; fewer tell little of an object
LEAST_LIGHT = 0.1  # of the pattern, that a mask must leave
MUCH = 0.1  # of the area that the light falls on, to be overexposed
# A beam varies if its monitor does by UNSTEADY from pattern to pattern, and patterns follow it if
# their counts have more than half of its relative changes, in FEWEST patterns at least, and by so
# many standard errors (SURE) more than none: an object's absorption goes with the beam by chance.
UNSTEADY, FOLLOWING, FEWEST, SURE = 0.02, 0.5, 16, 4
# Dim pixels count as much as each other on an offset or an even background, at their least too:
# there the LOWEST of them have half of what so many (DIM) have. STANDING is the share of all counts
# from which it harms the object.
LOWEST, DIM, STANDING = 0.01, 0.25, 0.01


@dataclass(frozen=True)
class Examined:
    """What an examination found.

    Args:
        mean: (h, w) float64, of the patterns that are used, bad pixels filled.
        bad: (h, w) bool for each kind of bad pixel: ``masked`` in the file, ``blind``,
            ``overexposed``, ``hot``, ``dead`` and ``shaded``; none is of two kinds.
        used: (n,) bool.
        counts: (n,) float64, of each pattern on the good pixels of the whole frame.
        part_counts: (n, 4, 4) float32, the same of each part of the frame.
        unusable: numbers of the patterns that should not be used, for each of `frames.REASONS`.
        centres: (n, 2) y, x of the centre of mass of each pattern's counts, detector pixels.
        swapped: whether the corners of the frame hold the beam, see `pixels.beam_in_corners`.
        function: of counts that the patterns are, see `pixels.made_of_counts`; None if of none.
        warnings: full sentences for people.
    """

    mean: np.ndarray
    bad: dict[str, np.ndarray]
    used: np.ndarray
    counts: np.ndarray
    part_counts: np.ndarray
    unusable: dict[str, np.ndarray]
    centres: np.ndarray
    swapped: bool
    function: str | None
    warnings: tuple[str, ...]

    @property
    def any_bad(self) -> np.ndarray:
        """(h, w) bool."""
        return _united(self.bad)


def at_once(raw: RawScan) -> int:
    """Compute how many frames may be in memory together."""
    return max(1, BLOCK // (raw.frame[0] * raw.frame[1]))


def examine(raw: RawScan, keep_frames: bool) -> Examined:
    """Look at all patterns, and judge them and the detector's pixels.

    Args:
        keep_frames: whether patterns are used that should not be. Those of a simulated scan always
            are, which is as it should be.

    Raises:
        InputError: frames are too large for this machine; there is no light, no good pixel, or
            fewer than two patterns are left; the mask takes away nearly all of the light; or a
            pattern is damaged.
    """
    sizes, pixels = f"{raw.frame[0]} x {raw.frame[1]}", raw.frame[0] * raw.frame[1]
    check_memory(f"{raw.path}: a frame of {sizes} pixels", PIXEL * pixels, _smaller_frames)
    count, kept = len(raw.positions), keep_frames or raw.simulated
    masked = np.zeros(raw.frame, bool) if raw.mask is None else raw.mask
    used, united, bad, about_mask = np.ones(count, bool), masked, {}, None
    for turn in range(MOST_PASSES):
        seen = survey(raw.frames(at_once(raw)), used, ~united, raw.saturation)
        if not seen.highest.max() > 0:
            raise InputError(f"{raw.path}: no pixel of any pattern counts a photon.")
        if turn == 0 and not kept and (over := overexposed(seen)).any() and (~over).sum() >= 2:
            used = ~over
            continue
        if about_mask is None:
            about_mask = () if raw.mask is None else _about_mask(raw, seen)
        now = bad_pixels(raw, seen, masked)
        bad = {kind: those | (bad[kind] & ~_united(now)) for kind, those in now.items()} if turn >= SETTLED else now
        before, united = (used, united), _united(bad)
        # By pixels that are none, such as gaps that say -1, no pattern is judged.
        settled = np.array_equal(before[1], united) or turn == MOST_PASSES - 1
        reasons = unusable(seen, raw.positions) if settled and not raw.simulated else {}
        used = ~_united(reasons) if reasons and not kept else used
        if united.all():
            raise InputError(f"{raw.path}: no detector pixel is good, all are masked, overexposed, blind, hot or dead.")
        if used.sum() < 2:
            raise InputError(f"{raw.path}: {used.sum()} of {count} patterns can be used; the others {_why(reasons)}.")
        if np.array_equal(before[0], used) and np.array_equal(before[1], united):
            break
    numbers = {reason: raw.numbered[those] for reason, those in reasons.items()}
    _check_numbers(raw, seen, ~united)
    function = None if raw.simulated else made_of_counts(seen, ~united)
    warnings = (
        about_mask
        + _about_pixels(raw, seen, bad)
        + _about_counts(raw, seen, ~united, function)
        + _about_dark(raw, seen, ~(bad["masked"] | bad["blind"]))
        + _about_offset(raw, seen, ~united)
        + _about_monitor(raw, seen, used)
        + sentences(raw.path, numbers, count, kept)
        + (() if raw.simulated else about_places(raw, used, ~united, at_once(raw)))
    )
    known = bad["masked"] | bad["blind"] | bad["overexposed"]
    swapped = not raw.simulated and beam_in_corners(seen, _filled(seen, known))
    of_patterns = (used, seen.total, seen.parts, numbers, seen.centres)
    return Examined(_filled(seen, united), bad, *of_patterns, swapped, function, warnings)


def _smaller_frames(part: float) -> str:
    return f"write a file with the part of the detector that counts, {math.sqrt(part):.0%} of each side would do"


def bad_pixels(raw: RawScan, seen: Survey, masked: np.ndarray) -> dict[str, np.ndarray]:
    """Find the kinds of `Examined.bad`, (h, w) bool each; a simulated detector has no faults."""
    if raw.simulated:
        return {"masked": masked} | {kind: np.zeros_like(masked) for kind in KINDS}
    blind = blind_pixels(seen) & ~masked
    known = {"masked": masked, "blind": blind, "overexposed": overexposed_pixels(seen) & ~masked & ~blind}
    if (unknown := _united(known)).all():
        raise InputError(f"{raw.path}: no detector pixel is good, all are masked, blind or overexposed.")
    mean, good = _filled(seen, unknown), ~unknown
    hot, dead = defects(seen, mean)
    known |= {"hot": hot & good, "dead": dead & good & ~hot}
    return known | {"shaded": shadows(seen, mean, good) & ~_united(known)}


def _filled(seen: Survey, bad: np.ndarray) -> np.ndarray:
    """Fill the ``bad`` pixels (h, w) of the mean pattern, (h, w)."""
    return Filling(bad)(seen.mean[None].copy())[0]


def _united(those: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.logical_or.reduce(list(those.values()))


def _why(reasons: Mapping[str, np.ndarray]) -> str:
    return " or ".join(REASONS[reason] for reason, those in reasons.items() if those.any())


def _about_mask(raw: RawScan, seen: Survey) -> tuple[str, ...]:
    """Warn of a mask that leaves nearly nothing of the light on pixels that are good by their data;
    single bright ones are no light.

    Raises:
        InputError: it does, and masks more than half of the pixels.
    """
    united = _united(bad_pixels(raw, seen, np.zeros(raw.frame, bool)))
    if united.all():
        return ()
    light = np.where(united, 0, np.maximum(median_filter(_filled(seen, united), 3, mode="mirror"), 0))
    taken, part = 1 - light[~raw.mask].sum() / max(light.sum(), np.finfo(float).tiny), raw.mask.mean()
    if not light.any() or taken <= 1 - LEAST_LIGHT:
        return ()
    sentence = f"{raw.path}: the mask excludes {raw.mask.sum()} of {raw.mask.size} pixels and {taken:.0%} of the light"
    if part > 0.5:
        raise InputError(
            f"{sentence}; it may be inverted: it must be 0 where the detector is good, and another number where it is"
            " bad."
        )
    return (f"{sentence}.",)


def _check_numbers(raw: RawScan, seen: Survey, good: np.ndarray) -> None:
    """Refuse a scan in which a good pixel holds no number in one of the patterns that are used.

    Raises:
        InputError: one does not.
    """
    if (broken := good & (seen.broken >= 0)).any():
        y, x = np.argwhere(broken)[0]
        where = (
            f"detector pixel ({y}, {x})"
            if broken.sum() == 1
            else f"{broken.sum()} detector pixels, the first is ({y}, {x})"
        )
        pattern = raw.numbered[seen.broken[broken].min()]
        raise InputError(
            f"{raw.path}: pattern {pattern} holds NaN or infinity that no mask covers, in {where}; mask or repair it."
        )


def _about_pixels(raw: RawScan, seen: Survey, bad: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    warnings = []
    largest, full = full_pixels(seen, ~_united(bad))
    over = bad["blind"] & (seen.highest == np.float32(largest)) & (full > 0)
    if over.any():
        warnings.append(
            f"{raw.path}: {over.sum()} detector pixels are masked that are overexposed in every pattern, they always"
            f" say {largest:.10g}."
        )
    if (blind := bad["blind"] & ~over).any():
        values = np.unique(seen.highest[blind])
        shown = ", ".join("NaN" if value == -np.inf else f"{value:.6g}" for value in values[:3]) + (
            ", ..." if len(values) > 3 else ""
        )
        warnings.append(
            f"{raw.path}: {blind.sum()} detector pixels are masked that count nothing, but always say {shown}."
        )
    if bad["overexposed"].any():
        warnings.append(_about_overexposed(raw, seen, bad))
    if bad["hot"].any() or bad["dead"].any():
        warnings.append(f"{raw.path}: {bad['hot'].sum()} hot and {bad['dead'].sum()} dead detector pixels are masked.")
    return tuple(warnings) + _about_shadows(raw, seen, bad)


def _about_overexposed(raw: RawScan, seen: Survey, bad: Mapping[str, np.ndarray]) -> str:
    """Put in words that pixels are masked because of a marker in some patterns."""
    count, light = bad["overexposed"].sum(), np.maximum(_filled(seen, _united(bad)), 0)
    sentence = (
        f"{raw.path}: {count} detector pixels are masked that say {seen.limit:.10g} in some patterns, which is no count"
        " but marks an overflow"
    )
    if count < MUCH * effective_area(light):
        return f"{sentence}."
    return f"{sentence}; without so much of the light the object may be wrong: measure with a shorter exposure."


def _about_shadows(raw: RawScan, seen: Survey, bad: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Warn of what is dark amid light, a beam stop most likely."""
    if raw.simulated:
        return ()
    if (shaded := bad["shaded"]).any():
        y, x = np.argwhere(shaded).mean(axis=0).round().astype(int)
        return (
            f"{raw.path}: {shaded.sum()} detector pixels around ({y}, {x}) count nothing in any pattern, amid light: a"
            " beam stop, or a dead part of the detector, and they are masked.",
        )
    mean = _filled(seen, _united(bad))
    y, x = raw.centre or beam_centre(mean)
    inside = 0 <= y < raw.frame[0] and 0 <= x < raw.frame[1]
    counts = seen.photons(mean)
    if inside and counts.max() >= BESIDE_A_SHADOW and counts[y, x] < ALIVE:
        return (
            f"{raw.path}: the detector is dark at its beam's centre, ({y}, {x}); if a beam stop is there, mask it.",
        )
    return ()


def _about_counts(raw: RawScan, seen: Survey, good: np.ndarray, function: str | None) -> tuple[str, ...]:
    """Warn of what is odd about the counts of good pixels, but can be lived with; they may be a
    ``function`` of counts.
    """
    remarks = []
    largest, full = full_pixels(seen, good)
    if full and not raw.simulated:
        remarks.append(f"{raw.path}: some patterns are overexposed, pixels that reach {largest:.10g}: {full}.")
    if (lowest := seen.lowest[good].min()) < 0:
        remarks.append(f"{raw.path}: counts below zero, down to {lowest:g}, are set to zero.")
    return tuple(remarks) + _about_scale(raw, seen, largest, function)


def _about_dark(raw: RawScan, seen: Survey, known: np.ndarray) -> tuple[str, ...]:
    """Warn of a dark frame that leaves most pixels (h, w) with ``known`` counts below zero."""
    below = known & (seen.highest < 0)
    if raw.simulated or below.sum() <= known.sum() / 2:
        return ()
    return (
        f"{raw.path}: {below.sum()} of {known.sum()} detector pixels are below zero in every pattern; the dark may have"
        " been subtracted twice, or too much of it.",
    )


def _about_offset(raw: RawScan, seen: Survey, good: np.ndarray) -> tuple[str, ...]:
    """Warn of an offset that the counts of ``good`` pixels (h, w) have in all patterns. Light that
    an object scatters leaves a dim pixel dark in one pattern or another.
    """
    lowest, dim = np.quantile(seen.lowest[good], (LOWEST, DIM))
    level, usual = np.quantile(seen.mean[good], LOWEST), seen.mean[good].mean()
    if raw.simulated or not (lowest > 0 and lowest >= dim / 2 and level >= STANDING * usual):
        return ()
    return (
        f"{raw.path}: all pixels stand on a level of about {level:.4g} counts in every pattern, {level / usual:.0%} of"
        " all counts: an offset of the detector, or a background, which makes the object wrong and the R factor low;"
        " subtract a dark frame, or this level.",
    )


def _about_monitor(raw: RawScan, seen: Survey, used: np.ndarray) -> tuple[str, ...]:
    """Warn of a beam that varied, as its monitor says and the counts of ``used`` patterns (n,) do
    too: those that were divided by the monitor do not. Changes from one pattern to the next are
    compared, as a beam that decays slowly looks like an object that is thicker at one end.
    """
    if raw.monitor is None or raw.simulated:
        return ()
    known = used & (seen.total > 0) & np.isfinite(raw.monitor) & (raw.monitor > 0)
    if known.sum() < FEWEST:
        return ()
    beam, counts = np.diff(np.log([raw.monitor[known], seen.total[known]]))
    spread = beam.std() / math.sqrt(2)  # both of a pair vary
    if spread < UNSTEADY:
        return ()
    part = beam @ counts / (beam @ beam)
    error = (counts - part * beam).std() / np.linalg.norm(beam)
    if part < max(FOLLOWING, SURE * error):
        return ()
    return (
        f"{raw.path}: the beam varied by {spread:.0%} (standard deviation) from pattern to pattern, as its monitor"
        " says and the counts of the patterns do too, which goes into the object's amplitude; divide each pattern by"
        " its monitor over the mean of all, if that was not done yet.",
    )


def _about_scale(raw: RawScan, seen: Survey, largest: float, function: str | None) -> tuple[str, ...]:
    """Warn of patterns of which somebody took a root or a logarithm, or which somebody multiplied,
    or divided by a number such as their ``largest`` count.
    """
    usual = float(np.median(seen.total))
    if raw.simulated or (seen.whole and seen.photon == 1):
        return ()
    multiples = (
        f"all are multiples of {seen.photon:.7g}, by which bad pixels are judged, but what is called photons is none."
        " Divide the patterns by it."
    )
    if seen.whole:
        return (f"{raw.path}: the counts are no photons, {multiples}",)
    if function:
        return (f"{raw.path}: the counts are no photons, they are {function} of counts; undo that.",)
    if largest > 1 and usual >= FAINT:
        return ()
    sentence = f"{raw.path}: the counts are no photons, they are fractions that come to {usual:.4g} in a usual pattern"
    if seen.photon != 1:
        return (f"{sentence}; {multiples}",)
    return (
        f"{sentence}: dead pixels, gaps and beam stops cannot be told from light, unless a mask names them, and what"
        " is called photons is none. Undo the normalisation.",
    )
