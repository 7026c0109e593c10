"""Triangular and square-root factors, from which nothing has to be squared."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import refuse_non_finite
from idxbench.errors import DataError, Problem
from idxbench.linalg.blocks import RowSource, each_block, matrix
from idxbench.machine import resolve_threads
from idxbench.pool import Crew, single_threaded_blas

# Blocks that one thread takes in a row, and factors that are joined at a time.
FAN = 8


def qr_factor(x: RowSource, *, shift: NDArray[Any] | None = None, threads: int | None = None) -> NDArray[np.float64]:
    """Return the triangular factor ``R`` of ``x = Q R``, without Q: ``R'R = x'x``.

    Singular values, principal axes and weights come out of R with an error of ``eps cond(x)``. Through
    ``x'x`` it would be ``eps cond(x)^2``: at a condition of 1e8 nothing would be left.

    Parameters
    ----------
    x
        (n, d) finite numbers of any real type, n and d at least 1; a memory map is read block by block, once.
    shift
        (d,) subtracted from every row: the mean row, for a factor of the covariance.
    threads
        None or 0 for every usable core. The result is the same for any number, bit for bit.

    Returns
    -------
    (min(n, d), d) float64, upper triangular (trapezoidal for n < d), no diagonal entry negative.

    Raises
    ------
    DataError
        Wrong shape or type, rows with NaN or infinity, a shift that does not fit.

    Notes
    -----
    Each column of R belongs to an x whose same column was changed by some 1e-15 of its norm, so axes of very
    different scale keep their digits. Blocks are factored by Householder reflections under the triangle of the
    blocks before them, the triangles of eight blocks each are joined in a tree (TSQR: Demmel, Grigori, Hoemmen
    and Langou 2012, SIAM J. Sci. Comput. 34, A206). About 2.3 n d^2 operations.

    Memory: a float64 block of ``max(1024, 8 d)`` rows, three times over, per thread, and n d / 8 bytes.
    """
    x = matrix(x)
    n_rows, n_dims = x.shape
    offset = np.zeros(n_dims) if shift is None else np.asarray(shift, np.float64)
    if offset.shape != (n_dims,):
        raise DataError(Problem("shift", f"shape ({n_dims},), the width of x", f"shape {offset.shape}"))
    # Under a triangle of d rows a block of 8 d costs an eighth more than it would alone.
    rows = max(1024, 8 * n_dims)

    def one(first: int) -> NDArray[np.float64]:
        triangle = np.empty((0, n_dims))
        for start in range(first, min(first + FAN * rows, n_rows), rows):
            block = np.asarray(x[start : start + rows], np.float64)
            refuse_non_finite(block, "x", start)
            triangle = _triangle([triangle, block if shift is None else block - offset])
        return triangle

    with single_threaded_blas():
        triangles = list(each_block(one, n_rows, threads, FAN * rows))
        crew = Crew(resolve_threads(threads))
        while len(triangles) > 1:
            triangles = crew.map(_triangle, [triangles[i : i + FAN] for i in range(0, len(triangles), FAN)])
    signs = np.where(triangles[0].diagonal() < 0.0, -1.0, 1.0)
    return np.asarray(triangles[0] * signs[:, None])


def _triangle(stacked: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.qr(np.concatenate(stacked), mode="r"))


def psd_factor(weight: NDArray[Any]) -> NDArray[np.float64]:
    """Factor a symmetric positive semi-definite matrix.

    Parameters
    ----------
    weight
        (d, d) symmetric up to rounding, no eigenvalue below ``-1e-5`` of the largest: what rounding leaves of
        a singular moment that was added up in float32.

    Returns
    -------
    (d, r) float64 ``L`` with ``L L' = weight``, r its rank (at least 1). Eigenvalues no larger than the most
    negative one, or than ``1e-14`` of the largest, are rounding and count as 0.

    Raises
    ------
    DataError
        Not square, not finite, not symmetric, or with a negative eigenvalue.
    """
    matrix = np.asarray(weight, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise DataError(Problem("weight", "a square (d, d) matrix", f"shape {matrix.shape}"))
    if not np.isfinite(matrix).all():
        raise DataError(Problem("weight", "finite numbers", "NaN or infinity"))
    scale = float(np.abs(matrix).max(initial=0.0))
    if float(np.abs(matrix - matrix.T).max(initial=0.0)) > 1e-6 * scale:
        raise DataError(Problem("weight", "a symmetric matrix", "an asymmetric one", "use (M + M') / 2"))
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    top = max(float(values[-1]), 0.0)
    if values[0] < -1e-5 * max(top, scale):
        raise DataError(Problem("weight", "a positive semi-definite matrix", f"the eigenvalue {values[0]:.3g}"))
    kept = values > max(1e-14 * top, -float(values[0]))
    if not kept.any():
        return np.zeros((matrix.shape[0], 1))
    return np.ascontiguousarray(vectors[:, kept] * np.sqrt(values[kept]))
