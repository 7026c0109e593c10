"""``raw``, ``M=16,ef=40``, ``environment=``: which rows of a run belong to a side, and what two sides are joined on."""

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

from idxbench.config.messages import nearest
from idxbench.errors import ConfigError, Problem

COLUMNS = ("strategy", "index")
# What a word without a key may be a value of.
_NAMED = ("strategy", "index", "environment")


class Searched(Protocol):
    """A row of ``measurements.csv`` or of ``rounds.csv``."""

    @property
    def strategy(self) -> str:
        """Name of the strategy."""

    @property
    def index(self) -> str:
        """Kind of the index; empty where none took part."""

    @property
    def build(self) -> str:
        """Compact JSON of its parameters."""

    @property
    def search(self) -> str:
        """Compact JSON of the search's parameters."""


Row = TypeVar("Row", bound=Searched)


@lru_cache(maxsize=4096)
def _parameters(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((str(key), str(value)) for key, value in json.loads(text).items()) if text else ()


def keys_of(row: Searched) -> dict[str, str]:
    """Return what a row can be selected by: strategy, index, and every parameter of build and search, as text."""
    found = {"strategy": row.strategy, "index": row.index} | dict((*_parameters(row.build), *_parameters(row.search)))
    if row.index:
        found.setdefault("environment", "")
    return found


@dataclass(frozen=True)
class Selector:
    """Keys, and the value that a row must have of each.

    Parameters
    ----------
    text
        As given.
    wanted
        Keys and values.
    swept
        Kinds of index and the keys that their searches are swept over.
    """

    text: str
    wanted: tuple[tuple[str, str], ...] = ()
    swept: frozenset[tuple[str, str]] = frozenset()

    def matches(self, row: Searched) -> bool:
        """Return whether a row has every value; a row without the key has not.

        What a build costs is the same whichever of its searches is selected.
        """
        keys = keys_of(row)
        return all(
            keys.get(key) == value or (not row.search and (row.index, key) in self.swept) for key, value in self.wanted
        )


@dataclass(frozen=True)
class Sides:
    """Which rows belong to which side, and what they are joined on.

    Parameters
    ----------
    base, new
        Selectors of the sides.
    taken
        Keys that are left out of the join: those of both selectors, and those that only one side has.
    """

    base: Selector
    new: Selector
    taken: frozenset[str] = frozenset()

    def key(self, row: Searched) -> tuple[str, str, str, str]:
        """Return strategy, index, build and search of a row without the keys that the sides differ by."""
        strategy, index = ("" if name in self.taken else str(getattr(row, name)) for name in COLUMNS)
        return strategy, index, self.without(row.build), self.without(row.search)

    def without(self, text: str) -> str:
        """Return compact JSON of parameters without the keys that the sides differ by."""
        return _without(text, self.taken)


@lru_cache(maxsize=4096)
def _without(text: str, taken: frozenset[str]) -> str:
    if not text or not taken:
        return text
    kept = {key: value for key, value in json.loads(text).items() if key not in taken}
    return json.dumps(kept, separators=(",", ":")) if kept else ""


def parse_selector(text: str, rows: Iterable[Searched], where: str) -> Selector:
    """Read the words of a selector.

    Parameters
    ----------
    text
        Words with commas between them: ``key=value``, or a value alone: the name of a strategy or an environment, or
        a kind of index. A strategy whose name holds a comma is named alone. ``environment=`` means without one.
    rows
        What may be selected.
    where
        For messages.

    Raises
    ------
    ConfigError
        Words that no row has, or that could mean two things: all of them, with the nearest that would do.
    """
    known: dict[str, set[str]] = {}
    swept: set[tuple[str, str]] = set()
    for row in rows:
        swept.update((row.index, key) for key, _ in _parameters(row.search))
        for key, value in keys_of(row).items():
            known.setdefault(key, set()).add(value)
    whole = text if text in known.get("strategy", ()) else text.removeprefix("strategy=")
    if whole in known.get("strategy", ()) and not {",", "="}.isdisjoint(whole):
        return Selector(text, (("strategy", whole),))
    wanted: dict[str, str] = {}
    problems: list[Problem] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        found = _word(word, known, where)
        if isinstance(found, Problem):
            problems.append(found)
        elif wanted.setdefault(*found) != found[1]:
            problems.append(Problem(where, f"{found[0]} once", f"{wanted[found[0]]!r} and {found[1]!r}"))
    if problems:
        raise ConfigError(problems)
    return Selector(text, tuple(wanted.items()), frozenset(swept))


def _word(word: str, known: dict[str, set[str]], where: str) -> tuple[str, str] | Problem:
    key, mark, value = word.partition("=")
    if not mark:
        places = [name for name in _NAMED if word in known.get(name, ())]
        if len(places) == 1:
            return places[0], word
        if places:
            fix = "write " + " or ".join(f"{name}={word}" for name in places)
            return Problem(where, f"one meaning of {word!r}", f"names of {' and '.join(places)}", fix)
        names = [name for place in _NAMED for name in sorted(known.get(place, ())) if name]
        return Problem(where, "one of " + ", ".join(names) + ", or key=value", repr(word), _meant(word, names))
    if key not in known:
        keys = sorted(known)
        return Problem(where, "one of the keys " + ", ".join(keys), f"the unknown key {key!r}", _meant(key, keys))
    if value not in known[key]:
        values = sorted(known[key] - {""}, key=_in_order)
        return Problem(where, f"{key}={' or '.join(values)}", word, _meant(value, values))
    return key, value


def _meant(word: str, known: Sequence[str]) -> str:
    close = nearest(word, known)
    return f"did you mean {close!r}?" if close else ""


def _in_order(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return float("inf"), value


def make_sides(
    base: str, new: str, base_rows: Sequence[Searched], new_rows: Sequence[Searched], *, same: bool
) -> Sides:
    """Say which rows belong to which side.

    Parameters
    ----------
    base, new
        Selectors as text; empty takes all rows, or the complement of the other in the same run.
    base_rows, new_rows
        What may be selected on either side.
    same
        Whether both sides are one run: then a selector on one side only leaves the complement to the other.

    Raises
    ------
    ConfigError
        An unknown word, or a complement that could be several things.
    """
    one = parse_selector(base, base_rows, f"base ::{base}")
    two = parse_selector(new, new_rows, f"new ::{new}")
    if same and one.wanted and not two.wanted:
        two = _complement(one, new_rows, "new")
    elif same and two.wanted and not one.wanted:
        one = _complement(two, base_rows, "base")
    taken = frozenset(key for side in (one, two) for key, _ in side.wanted)
    if "index" in taken:
        # Two kinds of index have parameters of their own, which say nothing about the other.
        taken |= (_keys(one, base_rows) ^ _keys(two, new_rows)) - set(COLUMNS)
    return Sides(one, two, taken)


def _keys(side: Selector, rows: Iterable[Searched]) -> set[str]:
    return {key for row in rows if side.matches(row) for key in keys_of(row)}


def _complement(selector: Selector, rows: Iterable[Searched], side: str) -> Selector:
    """Return the one other combination of values that rows have."""
    names = [key for key, _ in selector.wanted]
    found = {tuple(keys_of(row).get(name) for name in names) for row in rows}
    others = sorted(
        [str(value) for value in values]
        for values in found - {tuple(value for _, value in selector.wanted)}
        if None not in values and (values[0] or names[0] == "environment")
    )
    if len(others) == 1:
        wanted = tuple(zip(names, others[0], strict=True))
        return Selector(",".join(f"{name}={value}" for name, value in wanted), wanted, selector.swept)
    words = [",".join(f"{name}={value}" for name, value in zip(names, values, strict=True)) for values in others]
    raise ConfigError(
        Problem(
            f"the {side} side, beside ::{selector.text}",
            "a selector, where several things could be meant" if words else "something else in the run to compare with",
            ", ".join(words) or "nothing else",
            f"add one to the path: ::{words[0]}" if words else f"the run has one {names[0]} only",
        )
    )


def one_each(rows: Iterable[Row], sides: Sides, selector: Selector, about: Callable[[Row], Hashable]) -> list[Row]:
    """Return the rows of a side, at most one for each thing the sides are joined on.

    Parameters
    ----------
    rows
        Of the whole run.
    sides, selector
        The join, and the selector of this side.
    about
        Returns what else tells rows apart: metric and depth, or the number of a round.

    Raises
    ------
    ConfigError
        Two rows of the side have the same key: the message names the parameter that must be selected.
    """
    found: dict[Hashable, Row] = {}
    for row in rows:
        if selector.matches(row):
            held = found.setdefault((sides.key(row), about(row)), row)
            if held is not row:
                raise _several(held, row, selector)
    return list(found.values())


def _several(one: Searched, two: Searched, selector: Selector) -> ConfigError:
    first, second = keys_of(one), keys_of(two)
    names = [name for name in first | second if first.get(name) != second.get(name)]
    said = selector.text or "this side"
    if not names:
        return ConfigError(Problem(f"::{said}", "one figure per cell", f"the same twice: {first}"))
    name = names[0]
    values = f"{name} {first.get(name)} and {second.get(name)}"
    fix = f"say which: add {name}={first.get(name)} to the selector"
    return ConfigError(Problem(f"::{said}", f"one {name} to compare", values, fix))
