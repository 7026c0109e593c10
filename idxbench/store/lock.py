"""One process per run directory: a lock that the kernel lets go of when its holder dies, and that says who that is."""

import fcntl
import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from idxbench.errors import Problem, ResultError
from idxbench.store.files import unwritable

FILE = "lock"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Process:
    """Who works in a run directory.

    Parameters
    ----------
    pid
        Its number.
    host
        Name of the machine.
    boot
        What tells this start of the machine from every other; empty where the system does not say.
    started
        When it took the run, in UTC.
    """

    pid: int
    host: str
    boot: str
    started: str


def this_process() -> Process:
    """Describe the process that asks."""
    boot = ""
    with suppress(OSError):
        boot = _BOOT.read_text(encoding="ascii").strip()
    return Process(os.getpid(), platform.node(), boot, datetime.now(UTC).isoformat(timespec="seconds"))


class Lock:
    """A run directory held for one process; made by `take`."""

    def __init__(self, path: Path, file: int, process: Process) -> None:
        self.process = process
        self._path, self._file = path, file

    @classmethod
    def take(cls, folder: Path) -> "Lock":
        """Hold a run directory until `release`, or until this process ends, however it ends.

        The kernel's lock decides, and not the text in the file, which a process that was killed leaves behind. Another
        machine's locks may be out of the kernel's sight: the text of one is believed.

        Raises
        ------
        ResultError
            Another process holds it, or one of another machine that may; or the folder can't be written.
        """
        path, me = folder / FILE, this_process()
        try:
            file = _open_locked(path)
            if file is None:
                raise _held(folder, _read(path))
            holder = _read(path)
            # A machine that was renamed, or a container that was started again, is still in this boot.
            if holder is not None and holder.host != me.host and holder.boot != me.boot:
                os.close(file)
                raise _elsewhere(folder, holder)
            os.ftruncate(file, 0)
            os.pwrite(file, (json.dumps(asdict(me)) + "\n").encode(), 0)
            os.fsync(file)
        except OSError as error:
            raise unwritable(folder, error) from None
        return cls(path, file, me)

    def release(self) -> None:
        """Let go; the file goes, too. Once: after that it may be another's."""
        if self._file < 0:
            return
        # Removed before it is let go of: after that it could be another's.
        with suppress(OSError):
            self._path.unlink()
        with suppress(OSError):
            os.close(self._file)
        self._file = -1


def _open_locked(path: Path) -> int | None:
    """Return the open file, locked; None where another holds it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except BlockingIOError:
            os.close(file)
            return None
        except FileNotFoundError:
            pass
        except OSError:
            os.close(file)
            raise
        # Its holder removed it between the opening and the locking: what is locked is nobody's any more.
        os.close(file)


def _read(path: Path) -> Process | None:
    try:
        return Process(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _named(holder: Process | None) -> str:
    if holder is None:
        return "another process has it"
    return f"process {holder.pid} on {holder.host} has it, since {holder.started}"


def _held(folder: Path, holder: Process | None) -> ResultError:
    fix = "wait until it ends, or run without --resume, which begins a directory of its own"
    return ResultError(Problem(str(folder), "a run directory that no other process writes", _named(holder), fix))


def _elsewhere(folder: Path, holder: Process) -> ResultError:
    found = f"{_named(holder)}: another machine, on which this one can't see whether it still runs"
    fix = f"where it does not, remove {folder / FILE} and run this again"
    return ResultError(Problem(str(folder), "a run directory that no other process writes", found, fix))
