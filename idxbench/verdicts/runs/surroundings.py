"""What differs between the sides besides what is compared: data, machine, threads, versions, config, commit."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from idxbench.machine import machine_name
from idxbench.records import Run
from idxbench.verdicts.changes import Difference

# Keys of ``environment`` told by other words, or not at all; those that are not here are told as they are named.
_NAMED = {
    "processor": "processor",
    "cores_usable": "usable cores",
    "memory_bytes": "memory",
    "threads": "threads",
    "affinity": "affinity",
    "platform": "kernel",
    "kernel": "kernel",
    "python": "python",
}
_MACHINE = ("machine", "processor", "cores_usable", "memory_bytes")
_QUIET = ("cores_online", "versions")
# Differences of the config that say nothing about what was measured, or are told elsewhere.
_TOLD_ELSEWHERE = ("gate", "name", "threads")
_ABSENT = "none"


def machine_of(run: Run) -> str:
    """Return the name of a run's machine: the one it was given, or what it is; empty where neither is known."""
    told = run.info.get("environment", {})
    if told.get("machine"):
        return str(told["machine"])
    if not told.get("processor") or not told.get("cores_usable"):
        return ""
    architecture = re.search(r"x86_64|amd64|aarch64|arm64|riscv64|ppc64le|s390x", str(told.get("platform", "")))
    memory = float(told.get("memory_bytes") or 2.0**30)
    name = architecture.group() if architecture else ""
    return machine_name(str(told["processor"]), int(told["cores_usable"]), int(memory), name)


def same_machine(base: Run, new: Run) -> bool:
    """Return whether two runs come from one machine, as far as can be told."""
    return machine_of(base) == machine_of(new)


def times_apart(base: Run, new: Run) -> str:
    """Say why times of two runs are not comparable; empty where they are."""
    if not same_machine(base, new):
        return "another machine"
    one, two = (run.info.get("environment", {}).get("threads") for run in (base, new))
    return "" if one == two else f"{one} and {two} threads"


def data_apart(base: Run, new: Run) -> str:
    """Say which data of two runs differ, so that no figure is comparable; empty where none does."""
    one, two = (run.info.get("data", {}) for run in (base, new))
    prints = [data.get("fingerprints", {}) for data in (one, two)]
    names = [name for name in {**prints[0], **prints[1]} if prints[0].get(name) != prints[1].get(name)]
    if one.get("trained_with") != two.get("trained_with"):
        names.append("trained_with")
    return f"other data ({', '.join(names)})" if names else ""


def depth_apart(base: Run, new: Run) -> str:
    """Say that answers of two runs are searched at other depths; empty where they are not."""
    one, two = (max(run.info.get("config", {}).get("k") or [0]) for run in (base, new))
    return "" if one == two else f"searched for {one} and {two} answers"


def redefined(base: Run, new: Run) -> dict[str, str]:
    """Return the strategies that stand for something else in each run, and what."""
    one, two = ({told["name"]: told for told in run.info.get("strategies", ())} for run in (base, new))
    found = {}
    for name in one.keys() & two.keys():
        before, after = ((told[name].get("transform"), told[name].get("similarity")) for told in (one, two))
        if before != after:
            found[name] = f"{' by '.join(map(str, before))} and {' by '.join(map(str, after))} behind one name"
    return found


def repeatable(base: Run, new: Run) -> bool:
    """Return whether equal builds of two runs give equal answers: one thread and seed, the same queries and machine.

    By one version of a library, that is: see `idxbench.verdicts.runs.libraries.same_library`.
    """
    measure = [run.info.get("config", {}).get("measure", {}) for run in (base, new)]
    if any(one.get("build_mode") != "repeatable" for one in measure) or not same_machine(base, new):
        return False
    return _asked(base) == _asked(new)


def same_queries(base: Run, new: Run) -> bool:
    """Return whether the same queries were asked in the same order."""
    return not data_apart(base, new) and _asked(base) == _asked(new)


def _asked(run: Run) -> tuple[Any, ...]:
    config = run.info.get("config", {})
    return config.get("seed"), config.get("measure", {}).get("queries"), run.info.get("data", {}).get("queries")


def differences(base: Run, new: Run) -> tuple[Difference, ...]:
    """Return all that differs, what matters most first; see `Difference`."""
    return (*_data(base, new), *_machine(base, new), *_versions(base, new), *_config(base, new))


def _data(base: Run, new: Run) -> Iterator[Difference]:
    one, two = (run.info.get("data", {}) for run in (base, new))
    for name in ("name", "trained_with", "towers"):
        if one.get(name) != two.get(name):
            yield Difference("data" if name == "name" else f"data {name}", _text(one.get(name)), _text(two.get(name)))
    for name in ("items", "queries", "labels", "query_labels", "neighbors"):
        before, after = _print(one, name), _print(two, name)
        if before != after:
            yield Difference(f"data {name}", before, after)
    yield from _listed("strategy", redefined(base, new))


def _listed(what: str, found: Mapping[str, str]) -> Iterator[Difference]:
    for name, told in sorted(found.items()):
        before, _, after = told.removesuffix(" behind one name").partition(" and ")
        yield Difference(f"{what} {name}", before, after)


def _print(data: Mapping[str, Any], name: str) -> str:
    fingerprint = data.get("fingerprints", {}).get(name)
    if fingerprint is None:
        return _ABSENT
    shape = data.get(name, {})
    size = f"{shape['n_rows']:,} x {shape['n_dims']}, " if {"n_rows", "n_dims"} <= shape.keys() else ""
    return f"{size}{str(fingerprint)[:8]}"


def _machine(base: Run, new: Run) -> Iterator[Difference]:
    one, two = (run.info.get("environment", {}) for run in (base, new))
    other = not same_machine(base, new)
    for name in dict.fromkeys([*_NAMED, *one, *two]):
        if name in _QUIET or one.get(name) == two.get(name):
            continue
        # Memory that differs by what a kernel keeps for itself is the same memory.
        if name in _MACHINE and not other:
            continue
        write = _gigabytes if name == "memory_bytes" else _text
        breaks = (name in _MACHINE and other) or name == "threads"
        yield Difference(_NAMED.get(name, name), write(one.get(name)), write(two.get(name)), breaks)


def _gigabytes(value: Any) -> str:
    return _ABSENT if value is None else f"{float(value) / 2**30:.1f} GiB"


def _versions(base: Run, new: Run) -> Iterator[Difference]:
    one, two = (run.info.get("environment", {}).get("versions", {}) for run in (base, new))
    for name in dict.fromkeys([*one, *two]):
        if one.get(name) != two.get(name):
            yield Difference(name, _text(one.get(name)), _text(two.get(name)))
    before, after = (run.info.get("git_commit") for run in (base, new))
    if before != after:
        yield Difference("git commit", _commit(before), _commit(after))


def _commit(commit: Any) -> str:
    """Shorten a commit, keeping the mark of files that differ from it."""
    text = _text(commit)
    return text if len(text) < 20 else text[:10] + ("+" if text.endswith("+") else "")


def _config(base: Run, new: Run) -> Iterator[Difference]:
    one, two = (dict(_flat(run.info.get("config", {}))) for run in (base, new))
    for key in dict.fromkeys([*one, *two]):
        # A key that only one has is one that the other's version did not know, but for those of further tables.
        known = "[" in key or (key in one and key in two)
        if known and key.split(".", maxsplit=1)[0] not in _TOLD_ELSEWHERE and one.get(key) != two.get(key):
            yield Difference(f"config {key}", _text(one.get(key)), _text(two.get(key)))


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys of a config; lists of tables by position, lists of values whole."""
    if isinstance(value, Mapping) and value:
        for key, held in value.items():
            yield from _flat(held, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        for position, held in enumerate(value):
            yield from _flat(held, f"{path}[{position}]")
    else:
        yield path, value


def _text(value: Any) -> str:
    if value is None:
        return _ABSENT
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
