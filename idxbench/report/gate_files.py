"""The files that a gate leaves, whatever it comes to: each whole or not at all."""

from pathlib import Path

from idxbench.errors import ResultError
from idxbench.report.gate_json import gate_json
from idxbench.report.gate_summary import LIMIT, gate_summary
from idxbench.report.junit import junit_xml
from idxbench.store.files import FULL, disk_full, replace, unwritable
from idxbench.verdicts.gate.records import Gate

# verdict.json comes last: where it is, the others are.
FILES = ("junit.xml", "summary.md", "verdict.json")
# What GitHub takes of a step, and what is left free for the encoding of its own.
STEP_LIMIT = 1024 * 1024 - 1024


def clear(out: Path) -> None:
    """Make the folder and remove what an earlier gate left: a gate that is killed must not leave yesterday's verdict.

    Raises
    ------
    ResultError
        The folder can't be made or written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (out / name).unlink(missing_ok=True)
        # Found now and not after the work.
        replace(out / FILES[-1], b"")
        (out / FILES[-1]).unlink()
    except OSError as error:
        raise _refused(out, error) from None


def write_files(gate: Gate, out: Path) -> None:
    """Write ``junit.xml``, ``summary.md`` and ``verdict.json``.

    Raises
    ------
    ResultError
        One can't be written.
    """
    texts = (junit_xml(gate), gate_summary(gate).encode(), gate_json(gate).encode())
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in zip(FILES, texts, strict=True):
            replace(out / name, text)
    except OSError as error:
        raise _refused(out, error) from None


def append_step_summary(gate: Gate, path: Path) -> None:
    """Add the summary to the one of a GitHub step, as long as there is room; raises OSError."""
    held = path.stat().st_size if path.exists() else 0
    room = STEP_LIMIT - held
    if room >= 2048:
        with path.open("a", encoding="utf-8") as file:
            file.write(gate_summary(gate, min(room, LIMIT)))


def _refused(out: Path, error: OSError) -> ResultError:
    if error.errno in FULL:
        return disk_full(str(out), error.strerror or str(error), "the same command")
    return unwritable(out, error)
