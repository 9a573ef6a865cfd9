"""Small classical data that show what pooling does: facts, typed in, with their sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ebgenes.arrays import FloatArray, IntArray, TextArray, text_array


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Hospitals:
    """Deaths in H hospitals: ``observed`` and, given their patients, ``expected``, both (H,)."""

    hospital: TextArray
    observed: IntArray
    expected: FloatArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Baseball:
    """P batters early in a season and later.

    Attributes
    ----------
    player
        Names, (P,).
    at_bats, hits
        Of the early part, (P,).
    average
        hits / at_bats to three digits, as printed, (P,).
    remainder
        Batting average over the rest of the season, (P,): what the early part should predict.
    """

    player: TextArray
    at_bats: IntArray
    hits: IntArray
    average: FloatArray
    remainder: FloatArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Schools:
    """Effects of coaching in S schools, points of a test, with their standard errors, (S,)."""

    school: TextArray
    estimate: FloatArray
    se: FloatArray


def _whole(*values: int) -> IntArray:
    array = np.array(values, dtype=np.int64)
    array.flags.writeable = False
    return array


def _real(*values: float) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def hospitals() -> Hospitals:
    """Observed and expected deaths in two small hospitals and a large one.

    A classroom example of standardized mortality ratios, of no named register: the two small hospitals have the
    largest and the smallest ratio, as small ones do.
    """
    return Hospitals(
        hospital=text_array("ABC"),
        observed=_whole(6, 2, 48),
        expected=_real(4, 4, 40),
    )


def baseball() -> Baseball:
    """Eighteen batters of the season 1970 after 45 times at bat, and over its remainder.

    Source: Efron and Morris (1975), J. Am. Stat. Assoc. 70, 311, table 1; averages to the three digits printed there.
    """
    players = {
        "Clemente": (18, 0.346),
        "F. Robinson": (17, 0.298),
        "F. Howard": (16, 0.276),
        "Johnstone": (15, 0.222),
        "Berry": (14, 0.273),
        "Spencer": (14, 0.270),
        "Kessinger": (13, 0.263),
        "L. Alvarado": (12, 0.210),
        "Santo": (11, 0.269),
        "Swoboda": (11, 0.230),
        "Unser": (10, 0.264),
        "Williams": (10, 0.256),
        "Scott": (10, 0.303),
        "Petrocelli": (10, 0.264),
        "E. Rodriguez": (10, 0.226),
        "Campaneris": (9, 0.286),
        "Munson": (8, 0.316),
        "Alvis": (7, 0.200),
    }
    hits = _whole(*(early for early, _ in players.values()))
    return Baseball(
        player=text_array(players),
        at_bats=_whole(*[45] * len(players)),
        hits=hits,
        average=_real(*(round(int(each) / 45, 3) for each in hits)),
        remainder=_real(*(late for _, late in players.values())),
    )


def eight_schools() -> Schools:
    """Effects of coaching for the verbal SAT in eight randomized experiments.

    Source: Rubin (1981), J. Educ. Stat. 6, 377, table 1.
    """
    return Schools(
        school=text_array("ABCDEFGH"),
        estimate=_real(28, 8, -3, 7, -1, 1, 18, 12),
        se=_real(15, 10, 16, 11, 9, 11, 10, 18),
    )
