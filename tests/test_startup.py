"""What importing and asking for help may load."""

import subprocess
import sys

import pytest

HEAVY = ["numba", "scipy", "sklearn", "pandas", "hnswlib", "h5py", "pyarrow"]


def loaded_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import idxbench",
        "from idxbench.cli import main; main(['--help'])",
        "from idxbench.cli import main; main(['run', '--help'])",
        "from idxbench.cli import main; main(['truth', '--help'])",
        "from idxbench.config.load import parse_config; parse_config({'data': {'source': 'digits'}})",
    ],
)
def test_nothing_heavy_is_loaded(code):
    assert loaded_after(code) == set()


def test_names_of_the_api_are_all_there():
    import idxbench

    for name in idxbench.__all__:
        assert getattr(idxbench, name) is not None
    assert set(dir(idxbench)) == set(idxbench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = idxbench.nothing


def test_reading_a_run_needs_no_pandas_until_its_table_is_asked_for():
    assert loaded_after("import idxbench; idxbench.load_run; idxbench.Run") == set()
