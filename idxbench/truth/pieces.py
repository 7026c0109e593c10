"""Few queries over items that nobody prepared: one reading of the items, by the thread that searches them."""

from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.kernels.floats import scan, scan_few
from idxbench.kernels.heaps import Exact, Found, set_limits
from idxbench.pool import Crew
from idxbench.truth.asked import float_queries, prepare_queries
from idxbench.truth.blocks import PIECE_BYTES, float_block, pieces, prepare_items, read_only
from idxbench.truth.mapping import Mapping
from idxbench.truth.search import empty_heaps, finish

# Bytes of a piece that is read once: nothing has to stay in a cache.
LONG_PIECE = 1 << 24
# Up to this many queries, a product per pair beats a tile: see `scan_few`.
ROW_QUERIES = 12


class PieceSearch:
    """The heaps of a few queries while items go by in pieces that fit into a cache.

    Preparing items is a reading of its own: for a few queries it would double the time. Here a thread checks,
    maps and searches a piece before it takes the next.

    Parameters
    ----------
    queries
        (q, d) finite float64.
    k
        How many items each keeps.
    mapping
        Of the metric, not covariance.
    threads
        How many threads search.
    """

    def __init__(self, queries: NDArray[np.float64], k: int, mapping: Mapping, threads: int) -> None:
        self.queries, self.k, self.mapping = queries, k, mapping
        self.exact = mapping.exact_queries(queries)
        self.norms = np.sqrt(np.einsum("ij,ij->i", self.exact, self.exact))
        self.single = self.exact.astype(np.float32)
        # Sums of squares in float32 lose nothing where norms are ordinary.
        self.by_rows = len(queries) <= ROW_QUERIES and bool(np.all((self.norms > 1e-12) & (self.norms < 1e12)))
        self.engine = "rows" if self.by_rows else "floats"
        self.answered = np.zeros(len(queries), np.bool_) if mapping.by_distance else self.norms == 0.0
        self.n_scored = 0
        self._heaps = [empty_heaps(len(queries), k, self.answered) for _ in range(threads)]
        self._free: SimpleQueue[Found] = SimpleQueue()
        for found in self._heaps:
            self._free.put(found)

    def scan(self, rows: NDArray[Any], first: int, crew: Crew) -> None:
        """Offer some rows to every query; ``first`` is the id of row 0."""

        def one(part: slice) -> int:
            found = self._free.get()
            try:
                scored, done = self._rows(rows[part], first + part.start, found) if self.by_rows else (0, 0)
                rest = slice(part.start + done, part.stop)
                return scored + (
                    self._tiles(rows[rest], first + rest.start, found) if done < part.stop - part.start else 0
                )
            finally:
                self._free.put(found)

        piece_bytes = LONG_PIECE if self.by_rows else PIECE_BYTES
        self.n_scored += sum(crew.map(one, pieces(len(rows), 4 * rows.shape[1], n_bytes=piece_bytes)))

    def _rows(self, rows: NDArray[Any], first: int, found: Found) -> tuple[int, int]:
        """Search rows one by one; return how many pairs were scored, and how many rows were searched."""
        if rows.dtype != np.float32 and not np.can_cast(rows.dtype, np.float32):
            return 0, 0
        single = read_only(np.ascontiguousarray(rows, np.float32))
        none = np.zeros((0, single.shape[1]), np.float32)
        exact = Exact(single, none, np.zeros(0), self.mapping.by_distance)
        # Not centered: the bound grows with the norms, and with it the number of pairs scored.
        found.units[:, 0] = 0.5 if self.mapping.by_distance else 1.0
        found.units[:, 1] = 0.5 * self.norms**2 if self.mapping.by_distance else 0.0
        found.slack[:] = 1e-12 * (1.0 + self.norms**2)
        set_limits(found)
        cosine = self.mapping.metric == "cosine"
        scored, done = scan_few(exact, first, self.single, self.norms, cosine, self.exact, found)
        return int(scored), int(done)

    def _tiles(self, rows: NDArray[Any], first: int, found: Found) -> int:
        alone = Crew(1)
        items = prepare_items(rows, first, self.mapping, alone)
        asked = prepare_queries(self.queries, self.mapping, items.scale)
        found.units[:] = asked.units(items)
        found.slack[:] = asked.slack(items, rows.shape[1], single=True)
        set_limits(found)
        block = float_block(items, False, alone)
        return int(scan(block, items.exact, first, (0, 1), float_queries(asked, items), asked.exact_for(items), found))

    def finish(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return (q, k) ids and scores, best first, equal scores by ascending id."""
        return finish(self._heaps, self.k, self.answered, Crew(1))
