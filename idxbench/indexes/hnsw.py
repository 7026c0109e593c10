"""hnswlib 0.8 behind the protocol, with its traps closed.

What the library does silently, and what is done about it here: ``ip`` distances are ``1 - dot`` in float32,
so items are brought to mean norm 1 and queries to norm 1 (both keep every ranking); ``cosine`` would
normalise again and return normalised rows, so cosine is unit rows under ``ip``; NaN poisons the graph and a
query of the wrong width reads out of bounds, so both are refused; a batch with one short result fails as a
whole, so it is halved down to the row; threads default to all cores, so every call passes a count; neither
ef, space nor width are saved with an index, so they are stored beside it.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.errors import Problem, ResultError
from idxbench.indexes.base import Found, Progress
from idxbench.indexes.units import Units, scale_to_mean_one, small_block, wrong_width

SHORT = "Cannot return the results"


class HnswIndex:
    """One hnswlib graph.

    Parameters
    ----------
    similarity
        What neighbours are compared by.
    M
        Links per node on the upper levels, twice as many on level 0; at least 2.
    ef_construction
        Width of the beam while building.
    """

    def __init__(self, similarity: Similarity, *, M: int, ef_construction: int) -> None:
        self.similarity = similarity
        self.M = M
        self.ef_construction = ef_construction
        self._index: Any = None
        self._units = Units(similarity, 1.0)
        self._n_dims = 0
        self._ef = 10

    def build(self, items: NDArray[np.float32], *, seed: int, threads: int, progress: Progress) -> None:
        """Add every item; bit for bit the same with one thread and one seed.

        Raises
        ------
        DataError
            NaN or infinity among the items.
        """
        self._n_dims = items.shape[1]
        self._units = Units(self.similarity, scale_to_mean_one(items))
        index = hnswlib.Index(space="l2" if self.similarity == "l2" else "ip", dim=self._n_dims)
        index.init_index(max_elements=len(items), M=self.M, ef_construction=self.ef_construction, random_seed=seed)
        batch = small_block(self._n_dims)
        for start in range(0, len(items), batch):
            rows = self._units.items(np.asarray(items[start : start + batch], np.float64))
            ids = np.arange(start, start + len(rows), dtype=np.uint64)
            index.add_items(rows, ids, num_threads=threads)
            progress(len(rows))
        self._index = index
        self.set_search({"ef": self._ef})

    def set_search(self, parameters: Mapping[str, Any]) -> None:
        """Set ef."""
        self._ef = int(parameters["ef"])
        self._built().set_ef(self._ef)

    def prepare(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale queries as the items were; refuses NaN, infinity and a width that is not the items'."""
        return self._units.queries(queries, self._n_dims)

    def search(self, prepared: NDArray[np.float32], k: int, *, threads: int) -> Found:
        """Search; a batch that the library refuses because of one row is halved down to that row."""
        if prepared.shape[1] != self._n_dims:
            raise wrong_width(prepared, self._n_dims)
        try:
            ids, _ = self._built().knn_query(prepared, k=k, num_threads=threads)
        except RuntimeError as error:
            if SHORT not in str(error):
                raise
            return self._search_halves(prepared, k, threads)
        return Found(ids.view(np.int64), 0)

    def _search_halves(self, prepared: NDArray[np.float32], k: int, threads: int) -> Found:
        if len(prepared) == 1:
            return self._search_short(prepared, k)
        middle = len(prepared) // 2
        halves = [self.search(half, k, threads=threads) for half in (prepared[:middle], prepared[middle:])]
        return Found(np.concatenate([half.ids for half in halves]), sum(half.n_short for half in halves))

    def _search_short(self, prepared: NDArray[np.float32], k: int) -> Found:
        """Find the most results one query can have, by bisection, and pad the rest with -1."""
        ids = np.full((1, k), -1, np.int64)
        works, fails = 0, k
        while fails - works > 1:
            middle = (works + fails) // 2
            try:
                found, _ = self._built().knn_query(prepared, k=middle, num_threads=1)
            except RuntimeError as error:
                if SHORT not in str(error):
                    raise
                fails = middle
            else:
                works = middle
                ids[:, :middle] = found
        return Found(ids, 1)

    def size_bytes(self) -> int:
        """Return the exact size of the index as saved."""
        return int(self._built().index_file_size())

    def reachable(self) -> NDArray[np.bool_]:
        """Return (n,) whether any search can return each item.

        A search descends the upper levels from the entry point and then walks level 0, always along links. So
        an item that can't be reached along links, on level 0 from any node that the upper levels reach, is
        never returned at any ef.

        Notes
        -----
        Reads the graph from ``__getstate__``, a copy of the whole index.
        """
        state = self._built().__getstate__()[0]
        n_items = int(state["cur_element_count"])
        links, counts = _level0_links(state, n_items)
        reached = np.zeros(n_items, bool)
        frontier = np.array(sorted(_upper_nodes(state)), np.int64)
        reached[frontier] = True
        columns = np.arange(links.shape[1])
        while len(frontier):
            near = links[frontier][columns < counts[frontier][:, None]]
            frontier = np.unique(near[~reached[near]]).astype(np.int64)
            reached[frontier] = True
        # Nodes are numbered as they were added, which several threads do in no particular order.
        by_item = np.empty(n_items, bool)
        by_item[_items_of_nodes(state, n_items)] = reached
        return by_item

    def save(self, path: Path) -> None:
        """Write the index, and beside it as ``<path>.json`` what hnswlib does not save.

        Raises
        ------
        ResultError
            Not all of it could be written.
        """
        facts = {
            "library": "hnswlib",
            "similarity": self.similarity,
            "n_dims": self._n_dims,
            "item_scale": self._units.item_scale,
            "M": self.M,
            "ef_construction": self.ef_construction,
            "ef": self._ef,
        }
        self._built().save_index(str(path))
        with path.open("rb") as file:
            # The library does not look whether its writes succeed.
            written = os.fstat(file.fileno()).st_size
            os.fsync(file.fileno())
        if written != self.size_bytes():
            expected = f"{self.size_bytes()} bytes, the whole index"
            raise ResultError(Problem(str(path), expected, f"{written} bytes", "make room on the disk"))
        path.with_name(path.name + ".json").write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "HnswIndex":
        """Read an index written by `save`, with its space, width and ef.

        Raises
        ------
        ResultError
            The index or the facts beside it are missing or not ours.
        """
        beside = path.with_name(path.name + ".json")
        try:
            facts = json.loads(beside.read_text(encoding="utf-8"))
            loaded = cls(facts["similarity"], M=facts["M"], ef_construction=facts["ef_construction"])
            loaded._n_dims = facts["n_dims"]
            loaded._units = Units(facts["similarity"], facts["item_scale"])
            index = hnswlib.Index(space="l2" if facts["similarity"] == "l2" else "ip", dim=loaded._n_dims)
            index.load_index(str(path))
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ResultError(Problem(str(path), "an index saved by idxbench, with its .json", str(error))) from None
        loaded._index = index
        loaded.set_search({"ef": facts["ef"]})
        return loaded

    def _built(self) -> Any:
        if self._index is None:
            raise RuntimeError("build the index before using it")
        return self._index


def _level0_links(state: Mapping[str, Any], n_items: int) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    """Return (n, 2M) neighbours and (n,) their counts, in internal ids."""
    size = int(state["size_data_per_element"])
    nodes = np.asarray(state["data_level0"]).view(np.uint8)[: n_items * size].reshape(n_items, size)
    begin = int(state["offset_level0"])
    counts = nodes[:, begin : begin + 2].copy().view(np.uint16)[:, 0]
    links = nodes[:, begin + 4 : begin + 4 + 4 * int(state["max_M0"])].copy().view(np.uint32)
    return links, counts


def _items_of_nodes(state: Mapping[str, Any], n_items: int) -> NDArray[np.int64]:
    """Return (n,) the item, its label, that each node holds."""
    size, begin = int(state["size_data_per_element"]), int(state["label_offset"])
    nodes = np.asarray(state["data_level0"]).view(np.uint8)[: n_items * size].reshape(n_items, size)
    return nodes[:, begin : begin + 8].copy().view(np.uint64)[:, 0].astype(np.int64)


def _upper_nodes(state: Mapping[str, Any]) -> set[int]:
    """Return every node that the descent through the upper levels can end on, the entry point included.

    The links of a node above level 0 lie one level after the other in ``link_lists``, node after node.
    """
    levels = np.asarray(state["element_levels"])
    size = int(state["size_links_per_element"])
    words = np.asarray(state["link_lists"]).view(np.uint8)
    starts = np.concatenate([[0], np.cumsum(levels.astype(np.int64))[:-1]]) * size
    found = {int(state["enterpoint_node"])}
    for level in range(int(state["max_level"]), 0, -1):
        frontier = [node for node in found if levels[node] >= level]
        while frontier:
            node = frontier.pop()
            begin = int(starts[node]) + (level - 1) * size
            count = int(words[begin : begin + 2].view(np.uint16)[0])
            for near in words[begin + 4 : begin + 4 + 4 * count].view(np.uint32):
                if int(near) not in found:
                    found.add(int(near))
                    frontier.append(int(near))
    return found
