"""Cosines between items, sorted by their class: Figure 1 of Steck et al., drawn from ``heatmaps.npz``."""

import base64
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.report.heatmaps import SMALLEST, scale_floor
from idxbench.report.html.pictures import Column, Picture, Value
from idxbench.store.npz import opened

FILE = "heatmaps.npz"
# Rows and columns of a panel: about a pixel each. More would be a megabyte of page, and show nothing more.
SHOWN = 120
# Panels of a page; the file holds them all.
MOST_PANELS = 16
# Classes of the table: the largest. A table of all pairs of 500 classes is no table.
MOST_CLASSES = 12


def heatmap_pictures(folder: Path) -> Iterator[Picture]:
    """Yield the picture of a run directory; nothing where it has no ``heatmaps.npz``.

    Raises
    ------
    ResultError
        The file can't be read, or is not ours.
    """
    path = folder / FILE
    if not path.is_file():
        return
    with opened(path, "heatmaps") as file:
        yield _picture({name: file[name] for name in file.files})


def _picture(file: dict[str, NDArray[Any]]) -> Picture:
    names = [str(name) for name in file["panels"]]
    cosines, codes = file["cosines"], np.asarray(file["codes"])
    classes = [str(name) for name in file["class_names"]]
    # Every nth item, so that classes keep their shares.
    shown = np.unique(np.linspace(0, len(codes) - 1, min(SHOWN, len(codes))).round().astype(np.int64))
    low = scale_floor(cosines)
    panels = [
        {"title": name, "data": _packed(np.asarray(matrix[np.ix_(shown, shown)], np.float32), low)}
        for name, matrix in zip(names[:MOST_PANELS], cosines, strict=False)
    ]
    several = f"the {len(shown)} shown of {len(codes):,} sampled items" if len(shown) < len(codes) else "items"
    left_out = f" {len(names) - MOST_PANELS} more panels are in {FILE}." if len(names) > MOST_PANELS else ""
    return Picture(
        "heatmaps",
        "Similarity of items, sorted by class",
        f"Squares on the diagonal are classes that the similarity sees. Cosine between {several}, sorted by class, "
        f"{file['order']}; light is alike, one scale for all panels. The table has the mean cosine within and between "
        "the largest classes.",
        (
            Column("panel", "panel"),
            Column("class", "class"),
            Column("other", "other class"),
            Column("mean_cosine", "mean cosine", "share"),
        ),
        tuple(_means(names, classes, codes, np.asarray(file["mean_cosine"]))),
        {
            "draw": "heat",
            "panels": panels,
            "low": low,
            "classes": _spans(codes[shown], np.asarray(file["classes"]), classes),
            "size": len(shown),
            "controls": [],
        },
        note=f"All items and classes: {FILE} in the run directory.{left_out}",
        wide=True,
    )


def _packed(matrix: NDArray[np.float32], low: float) -> str:
    """Write cosines as bytes: 0 at the lower end of the scale or below, 255 at 1."""
    share = (matrix - low) / (1.0 - low)
    scaled = np.nan_to_num(np.clip(share, 0.0, 1.0) * 255.0).round().astype(np.uint8)
    return base64.b64encode(scaled.tobytes()).decode("ascii")


def _spans(codes: NDArray[np.int64], classes: NDArray[np.int64], names: list[str]) -> list[dict[str, Any]]:
    """Say where each class begins and ends; those too small for a name go without."""
    spans = []
    for code, name in zip(classes, names, strict=True):
        rows = np.flatnonzero(codes == code)
        if len(rows):
            named = len(rows) >= SMALLEST * len(codes)
            spans.append({"name": name if named else "", "from": int(rows[0]), "to": int(rows[-1])})
    return spans


def _means(
    panels: list[str], classes: list[str], codes: NDArray[np.int64], means: NDArray[np.float64]
) -> Iterator[tuple[Value, ...]]:
    sizes = np.unique(codes, return_counts=True)[1]
    largest = sorted(np.argsort(-sizes, kind="stable")[:MOST_CLASSES].tolist())
    for panel, table in zip(panels[:MOST_PANELS], means, strict=False):
        for i in largest:
            for j in largest:
                value = float(table[i, j])
                if i <= j and not math.isnan(value):
                    yield (panel, classes[i], classes[j], value)
