"""Imports point one way, and heavy libraries stay in their rooms. A second test plants a violation."""

import ast
from pathlib import Path

import pytest

import idxbench

PACKAGE = Path(idxbench.__file__).parent

# From the roof to the cellar: a room imports from rooms below it and from itself.
ROOMS = [
    "__main__",
    "cli",
    "api",
    "report",
    "verdicts",
    "bench",
    "store",
    "timing",
    "measures",
    "indexes",
    "truth",
    "strategies",
    "linalg",
    "data",
    "models",
    "config",
    "kernels",
    "records",
    "errors",
    "pool",
    "machine",
    "version",
]

# Library -> the only places that may import it.
KEEPERS = {
    "numba": ("kernels/",),
    "llvmlite": ("kernels/",),
    "hnswlib": ("indexes/hnsw.py",),
    "faiss": ("indexes/faiss_flat.py",),
    "usearch": ("indexes/usearch_exact.py",),
    "matplotlib": ("report/heatmaps.py",),
    "jinja2": ("report/html/",),
    "markupsafe": ("report/html/",),
    "junitparser": ("report/junit.py",),
    "rich": ("report/", "cli/"),
    "pandas": ("verdicts/", "report/", "records.py"),
    "typer": ("cli/",),
    "h5py": ("data/",),
    "pyarrow": ("data/",),
    "pydantic": ("config/",),
    "pydantic_core": ("config/",),
}

# Imported at the top of no module, so that --help and import stay fast.
LAZY = {
    "scipy",
    "sklearn",
    "pandas",
    "h5py",
    "pyarrow",
    "psutil",
    "threadpoolctl",
    "faiss",
    "usearch",
    "matplotlib",
    "jinja2",
    "markupsafe",
}


def room_of(path: str) -> str:
    first = path.split("/", maxsplit=1)[0]
    return first.removesuffix(".py")


def violations(path: str, source: str) -> list[str]:
    """Say what a module of the package imports that it may not."""
    found = []
    here = room_of(path)
    tree = ast.parse(source)
    top_level = {
        node for statement in tree.body for node in [statement] if isinstance(statement, ast.Import | ast.ImportFrom)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            library = name.split(".", maxsplit=1)[0]
            if library == "idxbench" and "." in name:
                there = name.split(".")[1]
                if here != "__init__" and ROOMS.index(there) < ROOMS.index(here):
                    found.append(f"{path} imports {name}, which is above it")
            if library in KEEPERS and not path.startswith(KEEPERS[library]):
                found.append(f"{path} imports {library}")
            if library in LAZY and node in top_level:
                found.append(f"{path} imports {library} at the top")
    return found


def modules() -> list[str]:
    return sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", modules())
def test_imports_point_one_way(path):
    assert violations(path, (PACKAGE / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("data/npy.py", "from idxbench.bench.plan import Plan"),
        ("measures/recall.py", "def f():\n    import numba"),
        ("bench/runner.py", "from rich.table import Table"),
        ("truth/exact.py", "import scipy.linalg"),
        ("errors.py", "import idxbench.records"),
    ],
)
def test_a_violation_is_seen(path, source):
    assert violations(path, source)


def test_every_room_is_known():
    assert {room_of(path) for path in modules()} - {"__init__"} == set(ROOMS)


def test_modules_stay_small():
    """An aim of the house: a module beyond this asks for a second room."""
    long = {path: n for path in modules() if (n := len((PACKAGE / path).read_text().splitlines())) > 400}
    assert long == {}
