"""The coordinates in which items and queries are encoded: any that keep their products will do.

The bound of `codes` is tightest where all axes are alike, and an axis that dwarfs the others leaves no codes
for them. So axes are rescaled for the items and divided for the queries by powers of two, which changes
no product; and where few directions hold nearly everything, both sides are rotated to those and cut, with
the rest bounded by Cauchy-Schwarz.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idxbench.kernels.codes import REST, WORDS, QueryCodes
from idxbench.kernels.encode import encode_rows

if TYPE_CHECKING:
    from idxbench.truth.blocks import Items

# Axes whose root mean squares lie this close to their median are left alone.
TOLERATED = 8.0


@dataclass(frozen=True)
class Coder:
    """How items and queries are encoded.

    Parameters
    ----------
    item_axes
        (d,) powers of two that items are multiplied by and queries divided by.
    basis
        (d, m) float64 orthonormal columns: what is encoded of each row; None for all of it.
    """

    item_axes: NDArray[np.float64]
    basis: NDArray[np.float64] | None = None

    @property
    def n_dims(self) -> int:
        """How many numbers are encoded."""
        return len(self.item_axes) if self.basis is None else int(self.basis.shape[1])

    def project(self, items: "Items", chosen: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Project mapped items: (n, m) float32, and (n,) the norm of what is left out."""
        mapped = items.rows[chosen].astype(np.float64)
        mapped -= items.center
        mapped *= items.factors[chosen, None]
        return _project(mapped, self.basis)

    def queries(self, mapped: NDArray[np.float64], bias_units: NDArray[np.float64]) -> QueryCodes:
        """Encode queries.

        Parameters
        ----------
        mapped
            (q, d) float64, scaled to norms below 1.
        bias_units
            (q,) what a bias is multiplied by.
        """
        norms = np.sqrt(np.einsum("ij,ij->i", mapped, mapped))
        rest = np.zeros(len(mapped))
        if self.basis is None:
            encoded = mapped / self.item_axes if np.any(self.item_axes != 1.0) else mapped
        else:
            single, rest = _project(mapped, self.basis)
            encoded = single.astype(np.float64)
        n_steps = -(-self.n_dims // 4)
        codes = np.empty((len(mapped), n_steps * WORDS), np.int32)
        bounds = np.empty((len(mapped), 4), np.float32)
        excess = np.empty(len(mapped), np.int32)
        encode_rows(np.ascontiguousarray(encoded), codes, bounds, excess)
        bounds[:, REST] = rest * 1.000001
        return QueryCodes(codes, bounds, (norms * 1.000001).astype(np.float32), excess, bias_units.astype(np.float32))


def _project(
    mapped: NDArray[np.float64], basis: NDArray[np.float64] | None
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    if basis is None:
        raise ValueError("no basis")
    kept = mapped @ basis
    whole, part = (np.einsum("ij,ij->i", rows, rows) for rows in (mapped, kept))
    # The difference of squares is good to some 1e-14 of them.
    rest = np.sqrt(np.maximum(whole - part, 0.0) + 1e-13 * whole)
    return kept.astype(np.float32), rest


def fit_axes(items: NDArray[np.float64], queries: NDArray[np.float64]) -> NDArray[np.float64]:
    """Choose how to rescale the axes from samples of mapped items, (n, d), and of queries, (q, d).

    Each axis gets half of what would make the items alike and half of what would make the queries alike, its
    balanced gauge; axes that hardly differ in it are left alone.
    """
    if not len(queries):
        return np.ones(items.shape[1])
    own, other = (np.sqrt(np.mean(rows**2, axis=0)) for rows in (items, queries))
    known = (own > 0) & (other > 0)
    if not known.any():
        return np.ones_like(own)
    ratio = np.ones_like(own)
    ratio[known] = np.sqrt(other[known] / own[known])
    ratio[known] /= np.median(ratio[known])
    if ratio.max() <= TOLERATED and ratio.min() >= 1 / TOLERATED:
        return np.ones_like(own)
    return np.asarray(2.0 ** np.round(np.log2(ratio)))


def collapsed(items: NDArray[np.float64]) -> Coder | None:
    """Return the few directions that hold a sample of mapped items, (n, d), if it has no more.

    Collapsed models leave their items in a subspace (4 of 128 dimensions, say): nothing is lost in it whatever
    the queries, and the codes are that much shorter.
    """
    n_dims = items.shape[1]
    if not 8 <= n_dims <= 1024 or len(items) < 2 * n_dims:
        return None
    values, vectors = np.linalg.eigh(items.T @ items)
    held = int((values > 1e-9 * max(float(values[-1]), 0.0)).sum())
    if held > n_dims // 2 or not held:
        return None
    width = max(4, -(-held // 4) * 4)
    return Coder(np.ones(n_dims), np.ascontiguousarray(vectors[:, ::-1][:, :width]))
