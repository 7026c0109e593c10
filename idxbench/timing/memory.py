"""How much memory this process holds and has held at its peak, from the kernel's own count."""

import resource
import sys
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Baseline:
    """Where a measurement started.

    Parameters
    ----------
    resident
        Bytes resident then.
    exact
        Whether the peak could be reset. Otherwise an earlier, higher peak hides a later one.
    """

    resident: int
    exact: bool


def start_peak() -> Baseline:
    """Reset the peak to what is resident now."""
    try:
        _CLEAR.write_text("5")
        return Baseline(_status("VmRSS"), exact=True)
    except (OSError, ValueError):
        return Baseline(_max_resident(), exact=False)


def peak_since(baseline: Baseline) -> int:
    """Return by how many bytes the resident memory rose above the baseline at its highest."""
    highest = _status("VmHWM") if baseline.exact else _max_resident()
    return max(0, highest - baseline.resident)


def _status(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no {field} in {_STATUS}")


def _max_resident() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
