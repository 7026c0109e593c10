"""Rows written by hand, for what keeps them."""

import math

from idxbench.store.round_rows import RoundRow

NAN = math.nan


def round_row(n=0):
    return RoundRow(
        1,
        n,
        0,
        "raw",
        "numpy",
        "",
        "",
        0,
        1e3,
        2e3,
        NAN,
        1e-3,
        NAN,
        NAN,
        NAN,
        NAN,
        NAN,
        0.1,
        0.0,
        0.2,
        3,
        True,
        False,
        True,
    )
