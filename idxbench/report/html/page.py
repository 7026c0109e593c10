"""From sections to a file: templates, the script that draws, and the library it draws with, all in one page."""

import base64
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idxbench.errors import Problem, ResultError
from idxbench.report.html.pictures import Picture
from idxbench.report.html.tables import HtmlTable
from idxbench.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

LIBRARY = "vendor/echarts/echarts.min.js"
SCRIPTS = tuple(
    f"assets/{name}.js" for name in ("format", "data", "scales", "style", "draw", "bars", "heat", "picture", "page")
)
STYLE = "assets/page.css"
# Tables with more rows are folded up.
LONG = 40
# Lines under a verdict; the others are folded up, so that warnings stay on the first screen.
MOST_LINES = 6


@dataclass(frozen=True)
class Section:
    """A part of a page under a heading of its own.

    Parameters
    ----------
    key, title
        Unique on the page, and the heading.
    pictures, tables
        In this order.
    lead
        A sentence under the heading.
    lines
        Sentences under the tables: what they come to.
    """

    key: str
    title: str
    pictures: tuple[Picture, ...] = ()
    tables: tuple[HtmlTable, ...] = ()
    lead: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statement:
    """What a page says first: a bold sentence, and what follows from it or speaks against it."""

    first: str
    rest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """A whole page.

    Parameters
    ----------
    title, kind
        What was measured; what sort of page this is.
    lead
        Sentences on what was measured on what.
    heading, statements
        The verdict in words.
    warnings
        Each with its advice.
    facts
        What it was measured with: name and value.
    sections
        Pictures and tables.
    strategies
        Names that have the same colour and shape in all pictures.
    origin
        The folder it was made from.
    facts_title
        The heading of the facts.
    """

    title: str
    kind: str
    lead: tuple[str, ...]
    heading: str
    statements: tuple[Statement, ...]
    warnings: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    strategies: tuple[str, ...]
    origin: str = ""
    facts_title: str = "Environment"


def render(page: Page) -> str:
    """Render a page as HTML that needs no other file."""
    library, script, style = _asset(LIBRARY), "\n".join(map(_asset, SCRIPTS)), _asset(STYLE)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            policy=_policy(library, script),
            library=_trusted(library),
            script=_trusted(script),
            style=_trusted(style),
            settings={"strategies": list(page.strategies)},
            version=__version__,
            long=LONG,
            most=MOST_LINES,
        )
    )


def write_page(page: Page, path: Path) -> None:
    """Write a page as a whole: whoever opens the file meanwhile reads the one before.

    Raises
    ------
    ResultError
        It can't be written there.
    """
    text = render(page)
    try:
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            # A temporary file is its owner's alone; a report is as readable as any file made here.
            Path(part).chmod(0o666 & ~_umask())
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ResultError(
            Problem(
                str(path),
                "a file this user can write, in a folder that exists",
                error.strerror or str(error),
                "name another one",
            )
        ) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@cache
def _asset(name: str) -> str:
    return files("idxbench.report.html").joinpath(*name.split("/")).read_text(encoding="utf-8")


def _policy(*scripts: str) -> str:
    """Return the content security policy: nothing is fetched, and no script runs but these."""
    known = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    return f"default-src 'none'; script-src {known}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"


def _trusted(text: str) -> Any:
    """Mark text of our own, which holds no word of a run, as it is to be written."""
    from markupsafe import Markup

    return Markup(text)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(lambda name: _asset(f"templates/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = json_block
    environment.filters["file_name"] = file_name
    return environment


def file_name(text: str) -> str:
    """Write a name of the user's as part of a file name that any system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:60] or "idxbench"


def json_block(value: Mapping[str, Any] | Sequence[Any]) -> Any:
    """Write JSON for a script element: nothing in it can end the element, open a comment, or end a line of script."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _trusted(text)
