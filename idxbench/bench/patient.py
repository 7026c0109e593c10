"""Vectors to diagnose, and what was said about their training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from idxbench.bench.inputs import Inputs
from idxbench.config.diagnose import Diagnose, Loss
from idxbench.config.schema import Config, FactorizedData, SimulatedData, Trained
from idxbench.data.dataset import Labels
from idxbench.data.load import load
from idxbench.machine import cache_root
from idxbench.records import Notice


@dataclass(frozen=True)
class Patient:
    """Vectors to diagnose, and what is known about their training.

    Parameters
    ----------
    name
        For headings.
    items
        (n, d), any real type, possibly a memory map.
    queries
        (m, d) or None.
    labels
        One per item, or None.
    trained_with, loss
        As declared; ``unknown`` where not.
    towers
        1 or 2, or None where neither was declared nor queries given.
    settings
        Samples and thresholds.
    seed
        Of every sample.
    where
        What to call items and queries in messages.
    notices
        What was noticed while loading.
    """

    name: str
    items: NDArray[Any]
    queries: NDArray[Any] | None
    labels: Labels | None
    trained_with: Trained
    loss: Loss
    towers: int | None
    settings: Diagnose
    seed: int
    where: Mapping[str, str]
    notices: tuple[Notice, ...] = ()

    @property
    def dual(self) -> bool:
        """Whether items and queries have coordinates that scores leave free: two towers (or it may be), dot."""
        return self.towers != 1 and self.trained_with in ("dot", "unknown")


def patient_from(config: Config, *, towers: int | None = None, on_progress: Any = None) -> Patient:
    """Load what a config names; nothing is held out.

    Parameters
    ----------
    config
        Its ``[data]``, ``[diagnose]`` and ``seed`` count.
    towers
        Instead of what the config says.

    Raises
    ------
    DataError
        Everything that is missing, broken, or does not fit.
    """
    loaded = load(config.data, cache_root(), on_progress)
    data, towers = loaded.dataset, towers or config.data.towers
    if towers is None and data.queries is not None:
        towers = 2
    return Patient(
        data.name,
        data.items,
        data.queries,
        data.labels,
        loaded.trained_with,
        _loss(config),
        towers,
        config.diagnose,
        config.seed,
        loaded.where,
        data.notices,
    )


def patient_of(config: Config, inputs: Inputs) -> Patient:
    """Return the vectors of a run: its items, and all queries it was given, whether or not they are asked."""
    data = inputs.dataset
    return Patient(
        data.name,
        data.items,
        inputs.all_queries,
        data.labels,
        inputs.trained_with,
        _loss(config),
        # Without queries a run takes a model for one tower, and a diagnosis takes nothing for granted.
        config.data.towers if inputs.all_queries is None else inputs.towers,
        config.diagnose,
        config.seed,
        {"items": "items", "queries": "queries"},
    )


def _loss(config: Config) -> Loss:
    """Return the declared loss; of a built-in model that is trained here, its own."""
    if config.diagnose.loss == "unknown" and isinstance(config.data, FactorizedData | SimulatedData):
        return "pointwise"  # a squared error per cell
    return config.diagnose.loss
