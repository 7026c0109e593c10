"""Transforms of the axes: ``rescaled``, ``centered``, ``standardized``.

All three are ``b -> (b - shift) * scales`` for items. What becomes of a query decides what is kept: with
``q -> q / scales`` (``dual``), ``q.b`` becomes ``q.b - q.shift``, the same for every item, so each query
keeps its ranking by dot, and without a shift every score. With ``same`` the query is treated as an item,
which is right where both live in one space, and keeps l2 distances under a shift.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idxbench.config.transforms import Centered, Rescaled, Standardized
from idxbench.errors import DataError, Problem
from idxbench.strategies.transforms import Facts, FitContext, Mapped, Rows, treats_alike


@dataclass(frozen=True)
class Axes:
    """``b -> (b - shift) * scales``, with queries dual to it or the same.

    Parameters
    ----------
    shift, scales
        (d,) float64; no scale is zero.
    dual
        Divide queries by the scales and leave them unshifted; otherwise map them as items.
    facts
        Nothing that a reader would ask for.
    """

    shift: NDArray[np.float64]
    scales: NDArray[np.float64]
    dual: bool
    facts: Facts = field(default_factory=dict)

    def items(self, rows: Rows) -> Rows:
        """Shift and scale items."""
        return np.asarray((rows - self.shift) * self.scales)

    def queries(self, rows: Rows) -> Rows:
        """Divide queries by the scales, or map them as items."""
        return np.asarray(rows / self.scales) if self.dual else self.items(rows)


def fit_rescaled(spec: Rescaled, context: FitContext) -> Axes:
    """Fit ``rescaled``: queries are always divided, so every dot score is kept.

    Raises
    ------
    DataError
        The axis does not exist, or the scales do not fit the width.
    """
    n_dims = context.n_dims
    scales = np.ones(n_dims)
    if spec.axis is not None and spec.factor is not None:
        if spec.axis >= n_dims:
            raise DataError(Problem("rescaled: axis", f"0 to {n_dims - 1}, an axis of the items", str(spec.axis)))
        scales[spec.axis] = spec.factor
    elif spec.sigma is not None:
        scales = np.exp(spec.sigma * np.random.default_rng(spec.seed).standard_normal(n_dims))
    else:
        scales = _given_scales(spec.scales)
        if scales.shape != (n_dims,):
            raise DataError(Problem("rescaled: scales", f"{n_dims} numbers, one per axis", f"shape {scales.shape}"))
        if not (np.isfinite(scales).all() and scales.all()):
            raise DataError(Problem("rescaled: scales", "finite numbers other than 0", "others among them"))
    return Axes(np.zeros(n_dims), scales, dual=True)


def _given_scales(scales: tuple[float, ...] | Path | None) -> NDArray[np.float64]:
    if not isinstance(scales, Path):
        return np.asarray(scales, np.float64)
    try:
        return np.asarray(np.load(scales, allow_pickle=False), np.float64)
    except (OSError, ValueError) as error:
        raise DataError(Problem(str(scales), "an .npy file with one scale per axis", str(error))) from None


def fit_centered(spec: Centered, context: FitContext) -> Axes:
    """Fit ``centered``: the mean item moves to the origin."""
    return Axes(context.mean(context.items), np.ones(context.n_dims), dual=not treats_alike(spec.queries, context))


def fit_standardized(spec: Standardized, context: FitContext) -> Axes:
    """Fit ``standardized``: mean 0 and standard deviation 1 on every axis that is not constant."""
    mean, deviation = moments(context.items)
    # Rounding leaves a constant axis with a tiny deviation: dividing by it would blow up noise.
    constant = deviation <= 1e-7 * np.maximum(np.abs(mean), deviation.max(initial=0.0))
    scales = 1.0 / np.where(constant | (deviation == 0.0), 1.0, deviation)
    return Axes(mean, scales, dual=not treats_alike(spec.queries, context))


def moments(vectors: Mapped) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each axis, in two passes (one pass cancels digits)."""
    n_rows, n_dims = vectors.shape
    mean = np.zeros(n_dims)
    for block in vectors.blocks():
        mean += block.sum(axis=0) / n_rows
    variance = np.zeros(n_dims)
    for block in vectors.blocks():
        variance += ((block - mean) ** 2).sum(axis=0) / n_rows
    return mean, np.sqrt(variance)
