"""The picture of the recover task: cosines between items sorted by their true cluster, as Figure 1 of Steck et al."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PICTURE = "heatmaps.png"
# Dark to light in equal steps of lightness, the same to those who see no red or no green, and on paper.
COLOURS = "cividis"
COLUMNS, DOTS = 5, 200
# One panel with its title, the bar of colours, and the line on top, in inches.
WIDE, HIGH, BAR, HEAD = 3.0, 3.2, 1.0, 0.4
# Clusters below this share of the items have no border of their own; longer names are cut.
SMALLEST, LONGEST = 0.02, 16
# One cosine in a thousand may lie below the scale: single outliers would wash out all others.
BELOW = 0.001


def draw_heatmaps(source: Path, target: Path) -> Path:
    """Draw the panels of a run beside the true clusters, all on one scale.

    Parameters
    ----------
    source
        ``heatmaps.npz`` of a run directory; see `idxbench.bench.panels`.
    target
        The PNG to write.

    Returns
    -------
    The target.

    Raises
    ------
    OSError
        It can't be read or written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with np.load(source, allow_pickle=False) as file:
        names = [str(name) for name in file["panels"]]
        cosines, codes, order = file["cosines"].astype(np.float32), file["codes"], str(file["order"])
        classes = [str(name) for name in file["class_names"]]
    truth = (codes[:, None] == codes[None, :]).astype(np.float32)
    low = scale_floor(cosines)
    panels = [("true clusters", np.where(truth > 0, 1.0, max(low, 0.0))), *zip(names, cosines, strict=True)]
    n_rows = -(-len(panels) // COLUMNS)
    columns = -(-len(panels) // n_rows)
    figure = Figure(figsize=(WIDE * columns + BAR, HIGH * n_rows + HEAD), dpi=DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(n_rows, columns, squeeze=False)
    image: Any = None
    for axes, (name, values) in zip(grid.flat, panels, strict=False):
        # Names stand once per line of panels.
        named = classes if axes in grid[:, 0] else [""] * len(classes)
        image = axes.imshow(values, cmap=COLOURS, vmin=low, vmax=1.0, interpolation="antialiased")
        _mark(axes, codes, named)
        axes.set_title(name, fontsize=9, parse_math=False)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    bar = figure.colorbar(image, ax=grid, shrink=0.8, label="cosine")
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(f"Cosine between {len(codes):,} items, sorted by true cluster, {order}", fontsize=10)
    figure.savefig(target, format="png", metadata={"Software": None})
    return target


def scale_floor(cosines: NDArray[Any]) -> float:
    """Return the lower end of the scale for all panels: a tenth, at most 0, never below -1."""
    lowest = float(np.quantile(cosines, BELOW))
    return max(-1.0, min(0.0, math.floor(lowest * 10.0) / 10.0))


def _mark(axes: Any, codes: NDArray[np.int64], classes: list[str]) -> None:
    """Draw the borders of clusters and name them, but for clusters so small that only lines would be seen."""
    ends = np.append(np.flatnonzero(np.diff(codes)) + 1, len(codes))
    starts = np.insert(ends[:-1], 0, 0)
    large = ends - starts >= SMALLEST * len(codes)
    # Where there are many, lines must not hide what they part.
    width = 0.8 if large.sum() <= 10 else 0.25
    for end in np.union1d(starts[large], ends[large]):
        if 0 < end < len(codes):
            for line in (axes.axhline, axes.axvline):
                line(end - 0.5, color="white", linewidth=width)
                line(end - 0.5, color="black", linewidth=width, linestyle=(0, (2, 2)))
    middles = (starts + ends - 1) / 2.0
    names = [name if len(name) <= LONGEST else name[: LONGEST - 1] + "…" for name in classes]
    axes.set_xticks([])
    axes.set_yticks(
        middles[large], [name for name, shown in zip(names, large, strict=True) if shown], fontsize=7, parse_math=False
    )
    axes.tick_params(length=0)
