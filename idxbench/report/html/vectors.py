"""Pictures of the vectors themselves: norms and spectrum of every strategy, where the run has kept them.

``run.json`` holds them under ``vectors``, by strategy and side (``items``, ``queries``)::

    {"raw": {"items": {"norm_levels": [0, 0.01, ...], "norms": [...], "spectrum": [...]}, "queries": {...}}}

``norms`` are quantiles at ``norm_levels``; ``spectrum`` the shares of the second moment, or of the covariance, in its
principal directions, from the largest, which sum to 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from idxbench.records import Run
from idxbench.report.html.pictures import Column, Picture, Value, control

SIDES = ("items", "queries")


def vector_pictures(run: Run) -> Iterator[Picture]:
    """Yield norms and spectrum; nothing where the run holds neither."""
    facts: Mapping[str, Any] = run.info.get("vectors", {})
    sides = [
        (strategy, side, told[side]) for strategy, told in facts.items() for side in SIDES if told.get(side) is not None
    ]
    norms = [
        (strategy, side, float(level), float(norm))
        for strategy, side, told in sides
        for level, norm in zip(told.get("norm_levels", ()), told.get("norms", ()), strict=True)
    ]
    shares = [
        (strategy, side, direction, float(share))
        for strategy, side, told in sides
        for direction, share in enumerate(told.get("spectrum", ()), start=1)
    ]
    if norms:
        yield _norms(norms)
    if shares:
        yield _spectrum(shares)


def _sides(rows: Sequence[tuple[Value, ...]]) -> dict[str, Any]:
    return control("side", "vectors", [(side, side) for side in SIDES if any(row[1] == side for row in rows)])


def _norms(rows: Sequence[tuple[Value, ...]]) -> Picture:
    return Picture(
        "norms",
        "Norms",
        "Level means equal norms. Length of the vectors as each strategy hands them to the index (log axis), from "
        "the shortest to the longest: the share of vectors up to that length. A steep end on the right is what an "
        "inner-product index returns to everybody.",
        (
            Column("strategy", "strategy"),
            Column("side", "vectors"),
            Column("share", "share of vectors", "share"),
            Column("norm", "norm", "number"),
        ),
        tuple(rows),
        {
            "draw": "curves",
            "x": {"column": "share", "title": "share of vectors", "scale": "share"},
            "y": {"column": "norm", "title": "norm", "scale": "log"},
            "group": "strategy",
            "line": ["strategy"],
            "bare": True,
            "controls": [_sides(rows)],
        },
    )


def _spectrum(rows: Sequence[tuple[Value, ...]]) -> Picture:
    return Picture(
        "spectrum",
        "Spectrum",
        "Level means that all directions count alike. Share of the vectors' squared length in each principal "
        "direction, the largest first (both axes log). One share near 1: a single direction decides all.",
        (
            Column("strategy", "strategy"),
            Column("side", "vectors"),
            Column("direction", "direction", "plain"),
            Column("share", "share", "number"),
        ),
        tuple(rows),
        {
            "draw": "curves",
            "x": {"column": "direction", "title": "direction", "scale": "log"},
            "y": {"column": "share", "title": "share", "scale": "log"},
            "group": "strategy",
            "line": ["strategy"],
            "bare": True,
            "controls": [_sides(rows)],
        },
    )
