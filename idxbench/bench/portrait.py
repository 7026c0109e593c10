"""What the vectors of a strategy look like: how their norms spread, and how many directions carry them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.embed import Embedded
from idxbench.bench.inputs import Inputs
from idxbench.bench.panels import Panels
from idxbench.bench.session import Finding, Session
from idxbench.config.recover import Recover
from idxbench.linalg.factors import qr_factor
from idxbench.linalg.norms import norms
from idxbench.store.files import unwritable

# Quantiles of the norms: dense at the ends, where the odd ones are.
LEVELS = (0.0, 0.001, 0.005, *(round(step / 40, 3) for step in range(1, 40)), 0.995, 0.999, 1.0)
# Shares further down are not seen in a picture.
MOST_DIRECTIONS = 128
# Rows that the spectrum is computed from; it says no more from all of a million.
MOST_ROWS = 50_000
# Items of a heatmap where nobody asked for more.
MOST_ITEMS = 300


def portray(session: Session, inputs: Inputs, spaces: Sequence[Embedded]) -> None:
    """Keep what pictures of the vectors need: portraits in ``run.json``, cosines of labelled items in a file.

    ``[recover]`` draws heatmaps of its own models and, where it does, no others are made.
    """
    session.once({"kind": "portraits"}, lambda: _portraits(session, spaces))
    recover = session.config.recover
    if inputs.dataset.labels is not None and (recover is None or recover.heatmaps is False):
        session.once({"kind": "panels"}, lambda: _panels(session, inputs, spaces))


def _portraits(session: Session, spaces: Sequence[Embedded]) -> Finding:
    seed, threads = session.config.seed, session.threads
    session.facts["vectors"] = {one.space.name: portrait(one, seed, threads) for one in spaces}
    return Finding()


def _panels(session: Session, inputs: Inputs, spaces: Sequence[Embedded]) -> Finding:
    labels = inputs.dataset.labels
    if labels is not None:
        items = {one.space.name: one.items for one in spaces}
        asked = Recover(heatmaps=True)
        panels = Panels(asked, [one.space for one in spaces], session.config.seed, most=MOST_ITEMS, every=True)
        panels.add("", inputs.items, labels, None, lambda space: items[space.name])
        try:
            panels.save(session.directory.path)
        except OSError as error:
            raise unwritable(session.directory.path, error) from None
    return Finding()


def portrait(embedded: Embedded, seed: int, threads: int) -> dict[str, Any]:
    """Describe items and queries of a strategy.

    Parameters
    ----------
    embedded
        The vectors.
    seed
        Of the rows that stand for all where there are more than 50,000.
    threads
        Of the factorization.

    Returns
    -------
    By side (``items``, ``queries``): ``norm_levels`` and ``norms``, quantiles of the norms of all rows; ``spectrum``,
    the shares of the vectors' squared length in each principal direction, largest first, 128 at most.
    """
    sides = {"items": embedded.items, "queries": embedded.queries}
    return {side: _portrait(rows, seed, threads) for side, rows in sides.items() if rows is not None and len(rows)}


def _portrait(rows: NDArray[np.float32], seed: int, threads: int) -> dict[str, Any]:
    lengths = norms(rows, threads=threads)
    chosen: NDArray[Any] = rows
    if len(rows) > MOST_ROWS:
        drawn = np.random.default_rng(seed).choice(len(rows), MOST_ROWS, replace=False)
        chosen = np.ascontiguousarray(rows[np.sort(drawn)])
    squares = np.linalg.svd(qr_factor(chosen, threads=threads), compute_uv=False) ** 2
    total = float(squares.sum())
    return {
        "norm_levels": list(LEVELS),
        "norms": [float(value) for value in np.quantile(lengths, LEVELS)],
        "spectrum": [float(value / total) for value in squares[:MOST_DIRECTIONS]] if total > 0 else [],
    }
