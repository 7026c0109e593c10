"""The run directory: every figure on disk as soon as it is measured, and what a resumed run finds there.

::

    config.toml        as given
    run.json           resolved config, data, versions, machine, notices, failures, status
    journal.jsonl      one line per finished unit, flushed and synced: what counts; the tables are made of it
    measurements.csv   one row per figure
    rounds.csv         one row per search of an index and round
    queries.npz        per-query recall and latency samples
    lock               who writes here; gone when nobody does
    work/, parts/      scratch and samples of an unfinished run; gone when it is finished
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import Problem, ResultError
from idxbench.records import Measurement
from idxbench.store import samples, tables
from idxbench.store.files import disk_full, replace, sync_folder, told_full, unwritable
from idxbench.store.journal import FILE as JOURNAL
from idxbench.store.journal import (
    FORMAT,
    Entry,
    append_entry,
    read_journal,
    rounds_of,
    rows_of,
    standing,
    unit_key,
)
from idxbench.store.lock import Lock
from idxbench.store.npz import packed
from idxbench.store.round_rows import RoundRow
from idxbench.store.samples import gathered
from idxbench.version import __version__

__all__ = ["Failure", "RunDirectory", "unwritable"]

# Arrays of this kind end up in ``queries.npz``.
_QUERIES = "queries|"


@dataclass(frozen=True)
class Failure:
    """A unit that could not be measured, and why."""

    strategy: str
    index: str
    build: str
    searches: tuple[str, ...]
    reason: str


class RunDirectory:
    """Writes one run; made by `create` or `reopen`, held until `release`.

    Attributes
    ----------
    path
        The folder.
    info
        ``run.json`` as it was found; empty for a new run.
    session
        Which start of the run this is, from 1; 0 until `begin`.
    hosts
        Names of the machines that measured in it, this one last.
    indexes
        A folder for built indexes: it stays until the run is finished, so that a resumed run builds none twice.
    work
        A folder for everything else that is made on the way; each session has its own, since what a killed one
        started may still write in the other.
    identify
        Returns the id of a unit: what it is called in every run that would measure the same.
    """

    def __init__(self, path: Path, lock: Lock) -> None:
        self.path = path
        self.info: Mapping[str, Any] = {}
        self.session = 0
        self.hosts: tuple[str, ...] = ()
        self.indexes = path / "work" / "indexes"
        self.work = path / "work"
        self.identify: Callable[[Mapping[str, Any]], str] = lambda unit: _hash(unit_key(unit))
        self._parts = path / "parts"
        self._lock = lock
        self._entries: dict[str, Entry] = {}
        # Arrays that lines in the journal need; and those saved since the last line, which the next one needs.
        self._needed: set[str] = set()
        self._saved: list[str] = []

    @classmethod
    def create(cls, parent: Path, config_text: str, short_hash: str) -> "RunDirectory":
        """Make ``parent/<UTC time>-<short hash>``, put the config in it, and begin.

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
            sync_folder(parent)
        except OSError as error:
            raise unwritable(parent, error) from None
        run = cls(path, Lock.take(path))
        try:
            (path / "config.toml").write_text(config_text, encoding="utf-8")
            run.begin()
        except (OSError, ResultError) as error:
            run.remove()
            run.release()
            raise unwritable(parent, error) if isinstance(error, OSError) else error from None
        return run

    @classmethod
    def reopen(cls, path: Path) -> "RunDirectory":
        """Take an unfinished run directory; nothing of it changes before `begin`.

        Raises
        ------
        ResultError
            Another process has it, or its files are damaged.
        """
        run = cls(path, Lock.take(path))
        try:
            run.info = json.loads((path / "run.json").read_text(encoding="utf-8"))
            read_journal(path)
        except (OSError, ValueError) as error:
            run.release()
            raise ResultError(Problem(str(path / "run.json"), "a readable run.json", str(error))) from None
        except ResultError:
            run.release()
            raise
        return run

    def begin(self) -> None:
        """Begin a session: drop a torn line, make the tables of what counts anew, and say so in the journal.

        Raises
        ------
        ResultError
            The journal is damaged, or the folder can't be written.
        """
        journal = read_journal(self.path)
        session = len(journal.sessions) + 1
        self._entries = standing(journal.entries, session)
        self._needed = {name for entry in self._entries.values() for name in entry.arrays}
        self.hosts = (*(str(unit.get("host")) for unit in journal.sessions), self._lock.process.host)
        self.work = self.path / "work" / f"session-{session}"
        process = asdict(self._lock.process)
        unit = {"kind": "session", "n": session, **process, "idxbench": __version__, "format": FORMAT}
        try:
            if journal.n_torn:
                with (self.path / JOURNAL).open("r+b") as file:
                    file.truncate(journal.n_bytes)
            self._drop_scratch()
            for folder in (self.work, self.indexes, self._parts):
                folder.mkdir(parents=True, exist_ok=True)
            for file_name in set(self._parts.iterdir()) - {self._part(name) for name in self._needed}:
                file_name.unlink()
            append_entry(self.path, Entry(unit, session, id=_hash(unit_key(unit))))
            sync_folder(self.path)
            self.session = session
            self._write_tables()
        except OSError as error:
            raise unwritable(self.path, error) from None

    @property
    def rows(self) -> list[Measurement]:
        """Every figure that counts, in the order of the journal."""
        return rows_of(self._entries.values())

    @property
    def rounds(self) -> list[RoundRow]:
        """Every round that counts, in the order of the journal."""
        return rounds_of(self._entries.values())

    @property
    def empty(self) -> bool:
        """Whether no unit has been done."""
        return not self._entries

    def has(self, unit: Mapping[str, Any]) -> bool:
        """Tell whether a unit is done. One that failed is not."""
        entry = self._entries.get(unit_key(unit))
        return entry is not None and not entry.failed

    def told(self, unit: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what was kept with a unit besides its rows; empty where it is not done."""
        return self._entries[unit_key(unit)].told if self.has(unit) else {}

    def append(
        self,
        unit: Mapping[str, Any],
        rows: Sequence[Measurement],
        failure: Failure | None = None,
        *,
        rounds: Sequence[RoundRow] = (),
        told: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one finished unit: a line to the journal, synced to disk, and its rows to the tables.

        Parameters
        ----------
        unit
            What was done. One that is done already is not recorded again: the rows of the first time count. One that
            failed is.
        rows, rounds
            Its figures.
        failure
            Why it failed.
        told
            Plain JSON values to be kept with it, for `told`.

        Raises
        ------
        ResultError
            It can't be written; or the failure is one of the disk, which is full.
        """
        if self.has(unit):
            self._saved.clear()
            return
        if failure is not None and (full := told_full(failure.reason, self.path)):
            raise disk_full(str(self.path), full)
        entry = Entry(
            unit=dict(unit),
            session=self.session,
            rows=tuple(rows),
            rounds=tuple(rounds),
            failed=failure is not None,
            reason=failure.reason if failure else "",
            arrays=tuple(self._saved),
            told=told or {},
            id=self.identify(unit),
        )
        try:
            append_entry(self.path, entry)
            self._saved.clear()
            if not entry.failed:
                self._needed.update(entry.arrays)
            self._entries.pop(entry.key, None)
            self._entries[entry.key] = entry
            tables.append_tables(self.path, rows, rounds)
        except OSError as error:
            raise unwritable(self.path, error) from None

    def save_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Save arrays that the line of the next unit needs; they are gone when the run is finished.

        Arrays that a line needs already are not written again: they are those of the first time, as its rows are.
        Arrays that no line came to need are dropped on resume.

        Raises
        ------
        ResultError
            They can't be written.
        """
        if name in self._needed:
            return
        try:
            replace(self._part(name), packed(arrays))
        except OSError as error:
            raise unwritable(self.path, error) from None
        if name not in self._saved:
            self._saved.append(name)

    def load_arrays(self, name: str) -> dict[str, NDArray[Any]] | None:
        """Return saved arrays, or None where there are none of that name."""
        path = self._part(name)
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as part:
            return {key: part[key] for key in part.files}

    def save_queries(self, cell: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Save the per-query samples of a cell, as `save_arrays` does; they are gathered into ``queries.npz``."""
        self.save_arrays(_QUERIES + cell, arrays)

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Replace ``run.json`` as a whole."""
        text = json.dumps(dict(info), indent=2, allow_nan=False) + "\n"
        try:
            replace(self.path / "run.json", text.encode())
        except OSError as error:
            raise unwritable(self.path, error) from None

    def settle(self) -> None:
        """Write the tables and ``queries.npz`` anew, of what counts."""
        names = [name for entry in self._entries.values() for name in entry.arrays if name.startswith(_QUERIES)]
        arrays = gathered((name.removeprefix(_QUERIES), self.load_arrays(name) or {}) for name in names)
        try:
            replace(self.path / samples.FILE, packed(arrays))
            self._write_tables()
        except OSError as error:
            raise unwritable(self.path, error) from None

    def leave(self) -> None:
        """Drop what an unfinished run can do without until it is resumed."""
        self._drop_scratch()
        for folder in (self.indexes, self._parts, self.path / "work"):
            # Those that hold something stay.
            with suppress(OSError):
                folder.rmdir()

    def finish(self) -> None:
        """Drop everything that only an unfinished run needs."""
        shutil.rmtree(self.path / "work", ignore_errors=True)
        shutil.rmtree(self._parts, ignore_errors=True)

    def remove(self) -> None:
        """Remove the whole folder: nothing was measured."""
        shutil.rmtree(self.path, ignore_errors=True)

    def release(self) -> None:
        """Let other processes have it."""
        self._lock.release()

    def _write_tables(self) -> None:
        tables.write_tables(self.path, self.rows, self.rounds)

    def _drop_scratch(self) -> None:
        for folder in (self.path / "work").glob("*"):
            if folder != self.indexes:
                shutil.rmtree(folder, ignore_errors=True)

    def _part(self, name: str) -> Path:
        return self._parts / f"{_hash(name)}.npz"


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
