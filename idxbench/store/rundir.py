"""The run directory: every figure on disk as soon as it is measured.

::

    config.toml        as given
    run.json           resolved config, data, versions, machine, notices, failures, exit status
    journal.jsonl      one line per finished unit, flushed and synced
    measurements.csv   one row per figure
    queries.npz        per-query recall and latency samples
"""

import csv
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import Problem, ResultError
from idxbench.records import COLUMNS, SCHEMA_VERSION, Measurement, csv_row, measurement_to_dict


@dataclass(frozen=True)
class Failure:
    """A unit that could not be measured, and why."""

    strategy: str
    index: str
    build: str
    searches: tuple[str, ...]
    reason: str


class RunDirectory:
    """Writes one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = path / "work"
        self._parts = path / "parts"
        self._cells: list[str] = []
        self.rows: list[Measurement] = []

    @classmethod
    def create(cls, parent: Path, config_text: str, short_hash: str) -> "RunDirectory":
        """Make ``parent/<UTC time>-<short hash>`` and put the config in it.

        Raises
        ------
        ResultError
            The folder can't be made or written.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            path = parent / f"{stamp}-{short_hash}"
            for attempt in range(2, 1000):
                try:
                    path.mkdir()
                    break
                except FileExistsError:
                    # Two runs of one config in one second.
                    path = parent / f"{stamp}-{short_hash}-{attempt}"
            run = cls(path)
            run.work.mkdir()
            run._parts.mkdir()
            (path / "config.toml").write_text(config_text, encoding="utf-8")
            with (path / "measurements.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(COLUMNS)
            (path / "journal.jsonl").touch()
        except OSError as error:
            raise unwritable(parent, error) from None
        return run

    def append(self, unit: Mapping[str, Any], rows: Sequence[Measurement], failure: Failure | None = None) -> None:
        """Write one finished unit: its rows to the CSV, and a line to the journal, synced to disk."""
        line = {
            "schema_version": SCHEMA_VERSION,
            "unit": dict(unit),
            "status": "failed" if failure else "ok",
            "reason": failure.reason if failure else "",
            "rows": [measurement_to_dict(row) for row in rows],
        }
        try:
            with (self.path / "measurements.csv").open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(csv_row(row) for row in rows)
            with (self.path / "journal.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, allow_nan=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self.path, error) from None
        self.rows += rows

    def save_queries(self, cell: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the per-query samples of a cell; `finish` gathers them into ``queries.npz``."""
        try:
            _save(self._parts / f"{len(self._cells):05d}.npz", arrays)
        except OSError as error:
            raise unwritable(self.path, error) from None
        self._cells.append(cell)

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Replace ``run.json`` as a whole."""
        part = self.path / "run.json.part"
        try:
            part.write_text(json.dumps(dict(info), indent=2, allow_nan=False) + "\n", encoding="utf-8")
            part.replace(self.path / "run.json")
        except OSError as error:
            raise unwritable(self.path, error) from None

    def gather_queries(self) -> None:
        """Write ``queries.npz``: ``cells`` names the cells, ``<i>/<what>`` holds the samples of cell i."""
        arrays: dict[str, NDArray[Any]] = {"cells": np.array(self._cells, dtype=np.str_)}
        for i in range(len(self._cells)):
            with np.load(self._parts / f"{i:05d}.npz", allow_pickle=False) as part:
                arrays |= {f"{i}/{name}": part[name] for name in part.files}
        try:
            _save(self.path / "queries.npz", arrays)
        except OSError as error:
            raise unwritable(self.path, error) from None
        shutil.rmtree(self._parts)

    def remove(self) -> None:
        """Remove the whole folder: nothing was measured."""
        shutil.rmtree(self.path, ignore_errors=True)

    def drop_work(self) -> None:
        """Remove the transformed vectors and the children's folders."""
        shutil.rmtree(self.work, ignore_errors=True)


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    # NumPy's own keyword, allow_pickle, is what its stubs take every other name for.
    np.savez_compressed(path, **arrays)


def unwritable(path: Path, error: OSError) -> ResultError:
    """Say that a result can't be written, and what to do."""
    return ResultError(
        Problem(
            str(path),
            "a folder this user can write to, with room left",
            error.strerror or str(error),
            "choose another with --out DIR, or make room",
        )
    )
