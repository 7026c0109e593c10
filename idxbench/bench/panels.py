"""Cosines between items, sorted by their class: the figures behind the heatmaps of labelled data."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.config.recover import Recover
from idxbench.data.dataset import Labels
from idxbench.errors import DataError
from idxbench.measures.recovery import sample_labelled
from idxbench.strategies.catalogue import Space
from idxbench.truth.similarity import similarity

FILE = "heatmaps.npz"
# More items than pixels show nothing more.
MOST_ITEMS = 1_000


class Panels:
    """Collects one matrix of cosines per model or, where there is one model, per strategy compared by cosine.

    Parameters
    ----------
    asked
        The table ``[recover]``; nothing is collected where it asks for no heatmaps.
    spaces
        The strategies.
    seed
        Draws the items shown where there are more than ``most``.
    most
        Items shown.
    every
        Takes all strategies, also those that compare by something else: what cosine would make of their vectors.
    """

    def __init__(
        self, asked: Recover, spaces: Sequence[Space], seed: int, *, most: int = MOST_ITEMS, every: bool = False
    ) -> None:
        self.asked, self.seed, self._most = asked, seed, most
        self.spaces = tuple(space for space in spaces if every or space.similarity == "cosine")
        self._rows: NDArray[np.int64] | None = None
        self._codes: NDArray[np.int64] = np.empty(0, np.int64)
        self._order = ""
        self._names: tuple[str, ...] = ()
        self._cosines: dict[str, NDArray[np.float32]] = {}

    def add(
        self,
        model: str,
        items: NDArray[Any],
        labels: Labels,
        popularity: NDArray[np.int64] | None,
        vectors: Callable[[Space], NDArray[Any]],
    ) -> None:
        """Take the panels of one model (parameters as of `idxbench.bench.recover.World`)."""
        wanted = self.asked.heatmaps
        if wanted is False or (isinstance(wanted, tuple) and model not in wanted):
            return
        if self._rows is None:
            codes, self._names = labels.codes, labels.names
            rows = sample_labelled(codes, self._most, self.seed)
            # By class, then popular items first; where popularity is not known, by id.
            order = np.zeros(len(codes)) if popularity is None else -popularity
            self._order = "then by id" if popularity is None else "popular items first"
            self._rows = rows[np.lexsort((rows, order[rows], codes[rows]))]
            self._codes = codes[self._rows]
        if self.asked.model is not None:
            self._cosines[model] = self._cosine(items)
            return
        for space in self.spaces:
            try:
                self._cosines[space.name] = self._cosine(vectors(space))
            except DataError:
                continue  # the task itself tells why

    def _cosine(self, items: NDArray[Any]) -> NDArray[np.float32]:
        chosen = np.ascontiguousarray(items[self._rows])
        return similarity(chosen, chosen, "cosine")

    def save(self, folder: Path) -> None:
        """Write ``heatmaps.npz``, where anything was collected.

        ::

            panels      (p,) names
            cosines     (p, m, m) float16: rounded to some .0005
            order       what items of one class are sorted by, in words
            item_ids    (m,) in the order of rows and columns
            codes       (m,) their true class, ascending
            classes     (c,) the classes that occur, and their names
            class_names
            mean_cosine (p, c, c) mean over the pairs of two classes, no item with itself; NaN where there is no pair
        """
        if not self._cosines:
            return
        classes = np.unique(self._codes)
        arrays: dict[str, Any] = {
            "panels": np.array(list(self._cosines), dtype=np.str_),
            "cosines": np.stack(list(self._cosines.values())).astype(np.float16),
            "order": np.array(self._order),
            "item_ids": self._rows,
            "codes": self._codes,
            "classes": classes,
            "class_names": np.array([self._names[code] for code in classes], dtype=np.str_),
            "mean_cosine": np.stack([block_means(one, self._codes, classes) for one in self._cosines.values()]),
        }
        np.savez_compressed(folder / FILE, **arrays)


def block_means(cosines: NDArray[Any], codes: NDArray[np.int64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean over the pairs of two classes, (c, c), without the pairs of an item with itself."""
    member = (codes[:, None] == classes[None, :]).astype(np.float64)
    sums = member.T @ np.asarray(cosines, np.float64) @ member
    pairs = np.outer(member.sum(axis=0), member.sum(axis=0))
    own = member.T @ np.diag(np.asarray(cosines, np.float64))
    sums[np.diag_indices(len(classes))] -= own
    pairs[np.diag_indices(len(classes))] -= member.sum(axis=0)
    return np.asarray(np.divide(sums, pairs, out=np.full_like(sums, np.nan), where=pairs > 0))
