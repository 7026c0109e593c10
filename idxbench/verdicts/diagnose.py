"""``idxbench.diagnose``: what the command line does, as a function."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.diagnose_job import examine
from idxbench.bench.diagnose_write import check_writable, write_balanced
from idxbench.bench.patient import Patient, patient_from
from idxbench.bench.progress import Progress
from idxbench.config.load import load_config, parse_config
from idxbench.data.check import check_matrix
from idxbench.data.dataset import UNLABELED, Labels
from idxbench.errors import ConfigError, Problem
from idxbench.verdicts.diagnosis import Diagnosis, conclude

TRAINED = ("dot", "cosine", "l2", "unknown")
LOSSES = ("pointwise", "ranking", "unknown")


def diagnose(
    items: NDArray[Any] | str | Path | Mapping[str, Any],
    queries: NDArray[Any] | None = None,
    *,
    trained_with: str | None = None,
    loss: str | None = None,
    towers: int | None = None,
    labels: NDArray[Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int | None = None,
    write: str | Path | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Say in seconds, without an index, what can be trusted about item and query vectors.

    Parameters
    ----------
    items
        (n, d) vectors; or a config (its path, or its content as a mapping), which brings queries and labels.
    queries
        (m, d), or None.
    trained_with
        ``dot``, ``cosine``, ``l2`` or ``unknown``, which is taken for dot. None takes the config's, or ``unknown``.
    loss
        ``pointwise``, ``ranking`` or ``unknown``: a ranking loss leaves a vector common to all items free.
    towers
        1 if one model makes items and queries. None takes the config's, or 2 where there are queries.
    labels
        (n,) integers or strings, -1 and the empty string for none. Without them nothing is called better.
    settings
        Keys of the config's ``[diagnose]``: samples and thresholds.
    seed
        Of the samples; a config brings its own.
    threads
        None or 0 for every usable core.
    write
        A new or empty folder to write balanced vectors to, with a manifest and the maps back.
    progress
        Told how far the work is.

    Returns
    -------
    Diagnosis
        ``str()`` of it is the verdict in words.

    Raises
    ------
    ConfigError, DataError
        Mistakes in arguments or data.
    """
    check_choice("trained_with", trained_with, TRAINED)
    check_choice("loss", loss, LOSSES)
    if towers not in (None, 1, 2):
        raise ConfigError(Problem("towers", "1 or 2", repr(towers)))
    if isinstance(items, str | Path | Mapping):
        if queries is not None or labels is not None:
            raise ConfigError(Problem("queries and labels", "those of the config alone", "arrays beside a config"))
        parsed = load_config(Path(items)) if isinstance(items, str | Path) else parse_config(items)
        patient = patient_from(parsed, towers=towers)
        threads = parsed.threads if threads is None else threads
    else:
        patient = _patient(items, queries, labels, towers, seed)
    return diagnose_patient(
        with_words(patient, trained_with, loss, settings), threads=threads, write=write, progress=progress
    )


def diagnose_patient(
    patient: Patient,
    *,
    threads: int | None = None,
    write: str | Path | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Examine, write where asked to, and conclude; what can't be written is refused first."""
    folder = None if write is None else Path(write)
    if folder is not None:
        check_writable(patient, folder)
    examined = examine(patient, threads=threads, progress=progress)
    return conclude(examined, None if folder is None else (folder, write_balanced(examined, folder)))


def check_choice(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    """Refuse a word that is none of the choices.

    Raises
    ------
    ConfigError
        It is not.
    """
    if value is not None and value not in choices:
        raise ConfigError(Problem(name, ", ".join(choices[:-1]) + f" or {choices[-1]}", repr(value)))


def with_words(
    patient: Patient, trained_with: str | None, loss: str | None, settings: Mapping[str, Any] | None = None
) -> Patient:
    """Return a patient with what was said about its training in place of what was not."""
    known: dict[str, Any] = {}
    if trained_with is not None:
        known["trained_with"] = trained_with
    if loss is not None:
        known["loss"] = loss
    if settings:
        given = {"data": {"source": "digits"}, "diagnose": patient.settings.model_dump() | dict(settings)}
        known["settings"] = parse_config(given, "settings").diagnose
        if "loss" in settings and loss is None:
            known["loss"] = settings["loss"]
    return replace(patient, **known)


def _patient(items: Any, queries: Any, labels: NDArray[Any] | None, towers: int | None, seed: int) -> Patient:
    arrays: dict[str, NDArray[Any]] = {"items": np.asarray(items)}
    if queries is not None:
        arrays["queries"] = np.asarray(queries)
        towers = towers or 2
    for name, array in arrays.items():
        check_matrix(array, name)
    codes = None if labels is None else _labels(np.asarray(labels))
    settings = parse_config({"data": {"source": "digits"}}).diagnose
    where = {"items": "items", "queries": "queries"}
    return Patient(
        "vectors", arrays["items"], arrays.get("queries"), codes, "unknown", "unknown", towers, settings, seed, where
    )


def _labels(values: NDArray[Any]) -> Labels:
    if values.ndim != 1 or values.dtype.kind not in "iuUS":
        raise ConfigError(Problem("labels", "a 1-D array of integers or strings", f"{values.ndim}-D {values.dtype}"))
    names, codes = np.unique(values, return_inverse=True)
    unlabelled = np.isin(names.astype(str), ("", "-1"))
    kept = np.where(unlabelled, UNLABELED, np.cumsum(~unlabelled) - 1)
    return Labels(kept[codes].astype(np.int64), tuple(cast("list[str]", names[~unlabelled].astype(str).tolist())))
