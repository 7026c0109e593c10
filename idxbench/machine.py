"""The machine as a process sees it: usable cores, processor, memory, versions, caches."""

import math
import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any


def usable_cores() -> int:
    """Count the cores this process may use: its affinity, cut down to the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = cgroup_quota()
    return max(1, cores if quota is None else min(cores, int(quota)))


def affinity() -> list[int] | None:
    """Return the numbers of the processors this process may run on; None where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def cgroup_quota(root: Path = Path("/sys/fs/cgroup"), groups: Path = Path("/proc/self/cgroup")) -> float | None:
    """Return how many cores' time this process may use at most, by its control groups; None where nothing limits it.

    A limit holds for all groups inside the one that has it, so the smallest up the tree counts.

    Parameters
    ----------
    root
        Where control groups are mounted: those of version 2, or the ones for ``cpu`` of version 1 in a folder of it.
    groups
        The kernel's list of the groups of this process, as ``0::/user.slice`` or ``3:cpu,cpuacct:/docker``.
    """
    try:
        lines = [line.split(":", 2) for line in groups.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    limits = []
    for _, controllers, path in lines:
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "cpu" if controllers else root
        inner = top / path.lstrip("/")
        limits += [_quota(folder) for folder in (inner, *inner.parents) if folder.is_relative_to(top)]
    return min((limit for limit in limits if limit is not None), default=None)


def _quota(folder: Path) -> float | None:
    """Return the cores that one control group allows: ``cpu.max`` of version 2, or the two files of version 1."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
            period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError):
        return None  # no limit is "max" or -1


def resolve_threads(threads: int | None) -> int:
    """Turn a requested thread count into a real one; None and 0 mean every usable core."""
    return threads if threads else usable_cores()


def cache_root() -> Path:
    """Return the folder of all caches: ``IDXBENCH_CACHE_DIR``, or the user's cache folder."""
    chosen = os.environ.get("IDXBENCH_CACHE_DIR")
    if chosen:
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("idxbench")


def processor() -> str:
    """Name the processor, as the kernel does where it says so."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine_name(processor: str, cores: int, memory_bytes: int, architecture: str) -> str:
    """Name a machine by what stays the same from night to night: ``amd-epyc-2-cores-24-gb-x86-64``.

    No reading that moves takes part: memory is rounded to the sizes it is sold in (powers of two, and halfway
    between), because what the kernel keeps for itself changes with its version. Two machines of one kind share a name:
    whoever must tell them apart gives names of their own.
    """
    model = re.sub(r"\((r|tm)\)|\b(cpu|processor)\b|@.*", " ", processor.lower())
    gigabytes = memory_bytes / 2**30
    sizes = [step * 2.0**power for power in range(-1, 14) for step in (1.0, 1.5)]
    # The nearest by ratio, after adding back the few per cent that the kernel keeps.
    memory = min(sizes, key=lambda size: abs(math.log(size / (1.03 * gigabytes))))
    words = f"{model} {cores} cores {memory:g} gb {architecture}"
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-.")


def free_memory() -> int:
    """Return the bytes that processes may still take: what is available, cut down to the limit of the control group."""
    import psutil

    available = int(psutil.virtual_memory().available)
    try:
        return min(available, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return available


def environment(threads: int) -> dict[str, Any]:
    """Describe machine and software for ``run.json``."""
    import psutil

    memory_bytes = int(psutil.virtual_memory().total)
    packages = ("idxbench", "numpy", "numba", "hnswlib", "scipy", "scikit-learn", "h5py", "faiss-cpu", "usearch")
    return {
        "machine": os.environ.get("IDXBENCH_MACHINE")
        or machine_name(processor(), usable_cores(), memory_bytes, platform.machine()),
        "platform": platform.platform(),
        "python": sys.version.split()[0],
        "processor": processor(),
        "cores_usable": usable_cores(),
        "cores_online": os.cpu_count(),
        "affinity": affinity(),
        "cgroup_quota": cgroup_quota(),
        "memory_bytes": memory_bytes,
        "threads": threads,
        "versions": {name: _version(name) for name in packages},
    }


def git_commit(folder: Path) -> str | None:
    """Return the commit of the repository a folder lies in, with ``+`` where files differ from it; None outside."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
