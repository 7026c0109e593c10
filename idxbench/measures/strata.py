"""Recall by the norm of what was to be found: an inner-product graph loses small items first."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.measures.neighbors import contained_mask

PARTS = 10


def norm_parts(norms: NDArray[Any]) -> NDArray[np.int8]:
    """Part items into tenths by norm, the shortest first.

    Parameters
    ----------
    norms
        (n,) finite.

    Returns
    -------
    (n,) parts from 0 to 9, as even as n allows; items of equal norm are parted by their ids.
    """
    order = np.argsort(norms, kind="stable")
    parts = np.empty(len(norms), np.int8)
    parts[order] = np.arange(len(norms)) * PARTS // max(1, len(norms))
    return parts


def found_by_part(found: NDArray[np.int64], truth: NDArray[np.int64], parts: NDArray[np.int8]) -> NDArray[np.int64]:
    """Count true answers by the part of the item, and how many of them were found.

    Parameters
    ----------
    found
        (q, m) ids, padded with -1.
    truth
        (q, k) ids of the true answers.
    parts
        (n,) as of `norm_parts`.

    Returns
    -------
    (2, 10) counts over all queries: the true answers, and those among them that were found. Items that tie with the
    last true answer don't count here, as they do in recall.
    """
    there, of = contained_mask(truth, found), parts[truth]
    return np.stack([np.bincount(of.ravel(), minlength=PARTS), np.bincount(of[there], minlength=PARTS)])
