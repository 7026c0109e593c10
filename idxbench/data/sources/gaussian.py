"""Synthetic Gaussian vectors, with a spectrum, a spread of norms and clusters as wanted."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idxbench.data.dataset import Dataset, Labels
from idxbench.errors import DataError, Problem

# Numbers worked on at a time (16 MB of float32). Draws are sequential: the data does not depend on it.
_BLOCK_NUMBERS = 4_000_000


@dataclass(frozen=True)
class _Shape:
    """What items and queries have in common."""

    scales: NDArray[np.float32]
    norm_spread: float
    centres: NDArray[np.float32] | None
    cluster_spread: float


def gaussian(
    n_items: int,
    n_queries: int,
    n_dims: int,
    *,
    spectrum_decay: float = 0.0,
    norm_spread: float = 0.0,
    clusters: int = 0,
    cluster_spread: float = 0.5,
    seed: int = 0,
) -> Dataset:
    """Draw items and queries from one distribution.

    ``x = r * (scales * (centre + spread * z))`` with z and the centres standard normal,
    ``scales_i = i^-spectrum_decay`` and ``log r ~ N(0, norm_spread^2)``; without clusters
    ``x = r * scales * z``.

    Parameters
    ----------
    n_items, n_queries, n_dims
        One or more items and dimensions; without queries (0) the dataset has none.
    spectrum_decay
        0 is isotropic; larger values leave fewer dimensions that matter.
    norm_spread
        Sigma of the log of the norms' factor, zero or more; .6 already troubles raw inner product.
    clusters
        Number of Gaussian centres, drawn uniformly by each row and given as its label; 0 is no cluster.
    cluster_spread
        Standard deviation within a cluster, that of the centres being 1. Above 0; unused without clusters.
    seed
        Zero or more. Items, queries and centres have streams of their own: more items leave the first ones,
        the queries and the centres as they were.

    Returns
    -------
    Dataset
        Float32 items and queries, C-contiguous; labels of both with clusters.

    Raises
    ------
    DataError
        A parameter is out of its range.

    Notes
    -----
    Memory: the result and 16 MB. The data does not depend on the size of the blocks it is made in
    (``test_block_size_does_not_matter``); it may depend on NumPy's version, whose streams may change.
    """
    _check(n_items, n_queries, n_dims, spectrum_decay, norm_spread, clusters, cluster_spread, seed)
    item_seed, query_seed, centre_seed = np.random.SeedSequence(seed).spawn(3)
    centres = None
    if clusters:
        centre_rng = np.random.default_rng(centre_seed)
        centres = centre_rng.standard_normal((clusters, n_dims), dtype=np.float32)
    scales = (np.arange(1, n_dims + 1, dtype=np.float64) ** -spectrum_decay).astype(np.float32)
    shape = _Shape(scales, norm_spread, centres, cluster_spread)
    items, labels = _draw(n_items, shape, item_seed)
    name = f"gaussian-{n_items}x{n_dims}"
    if n_queries == 0:
        return Dataset(name, items, labels=labels)
    queries, query_labels = _draw(n_queries, shape, query_seed)
    return Dataset(name, items, queries, labels, query_labels)


def _draw(n_rows: int, shape: _Shape, seed: np.random.SeedSequence) -> tuple[NDArray[np.float32], Labels | None]:
    n_dims = len(shape.scales)
    # One generator per purpose: blocks then read each stream in order, whatever their size.
    noise, norms, choice = (np.random.default_rng(child) for child in seed.spawn(3))
    codes = None if shape.centres is None else choice.integers(0, len(shape.centres), size=n_rows)
    rows = np.empty((n_rows, n_dims), dtype=np.float32)
    step = max(1, _BLOCK_NUMBERS // n_dims)
    for start in range(0, n_rows, step):
        block = rows[start : start + step]
        noise.standard_normal(dtype=np.float32, out=block)
        if shape.centres is not None and codes is not None:
            block *= np.float32(shape.cluster_spread)
            block += shape.centres[codes[start : start + step]]
        block *= shape.scales
        if shape.norm_spread > 0:
            factors = np.exp(shape.norm_spread * norms.standard_normal(len(block)))
            block *= factors.astype(np.float32)[:, None]
    if codes is None or shape.centres is None:
        return rows, None
    names = tuple(f"cluster {number}" for number in range(len(shape.centres)))
    return rows, Labels(codes.astype(np.int64), names)


def _check(
    n_items: int,
    n_queries: int,
    n_dims: int,
    spectrum_decay: float,
    norm_spread: float,
    clusters: int,
    cluster_spread: float,
    seed: int,
) -> None:
    problems = [
        Problem(f"gaussian: {name}", f"{least} or more", repr(value))
        for name, value, least in (
            ("n_items", n_items, 1),
            ("n_queries", n_queries, 0),
            ("n_dims", n_dims, 1),
            ("clusters", clusters, 0),
            ("seed", seed, 0),
            ("norm_spread", norm_spread, 0.0),
        )
        if not (value >= least and math.isfinite(value))
    ]
    if not math.isfinite(spectrum_decay):
        problems.append(Problem("gaussian: spectrum_decay", "a finite number", repr(spectrum_decay)))
    if not (cluster_spread > 0 and math.isfinite(cluster_spread)):
        problems.append(Problem("gaussian: cluster_spread", "a number above 0", repr(cluster_spread)))
    if problems:
        raise DataError(problems)
