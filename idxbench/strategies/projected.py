"""Linear maps that are given, and one that takes away: ``projected`` and ``drop_top``."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idxbench.config.transforms import DropTop, Projected
from idxbench.errors import DataError, Problem
from idxbench.strategies.transforms import FitContext, Linear, treats_alike


def fit_projected(spec: Projected, context: FitContext) -> Linear:
    """Read the maps: ``b -> b M``, ``q -> q Q``; without Q queries are mapped as items.

    Raises
    ------
    DataError
        A file that is no matrix of numbers, or of another height than the vectors are wide.
    """
    items = read_map(spec.items, context.n_dims)
    queries = items if spec.queries is None else read_map(spec.queries, context.n_dims)
    if items.shape != queries.shape:
        raise DataError(Problem(str(spec.queries), f"{items.shape[1]} columns, as M has", f"{queries.shape[1]}"))
    return Linear(items, queries)


def read_map(path: Path, n_dims: int) -> NDArray[np.float64]:
    """Read the (n_dims, r) matrix of a linear map.

    Raises
    ------
    DataError
        A file that is no matrix of finite numbers, or of another height.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(Problem(str(path), "an .npy file with a matrix", str(error))) from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu" or 0 in array.shape:
        shape = getattr(array, "shape", "several arrays")
        raise DataError(Problem(str(path), "a (d, r) matrix of real numbers", f"shape {shape}"))
    if len(array) != n_dims:
        raise DataError(Problem(str(path), f"{n_dims} rows, the width of the vectors", f"{len(array)} rows"))
    matrix = array.astype(np.float64)
    if not np.isfinite(matrix).all():
        raise DataError(Problem(str(path), "finite numbers", "NaN or infinity"))
    return matrix


def fit_drop_top(spec: DropTop, context: FitContext) -> Linear:
    """Fit ``drop_top``: centre, and take the largest principal components away (Mu and Viswanath 2018).

    Raises
    ------
    DataError
        As many components as dimensions, or more.
    """
    n_dims = context.n_dims
    if spec.components >= n_dims:
        expected = f"at most {n_dims - 1}: the vectors have {n_dims} dimensions"
        raise DataError(Problem("drop_top: components", expected, str(spec.components)))
    mean = context.mean(context.items) if spec.center else np.zeros(n_dims)
    _, _, vectors = np.linalg.svd(context.factor(context.items, mean if spec.center else None), full_matrices=False)
    top = vectors[: spec.components]
    rest = np.eye(n_dims) - top.T @ top
    alike = treats_alike(spec.queries, context)
    return Linear(rest, rest if alike else np.eye(n_dims), mean, mean if alike else None)
