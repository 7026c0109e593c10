"""Compilations are counted, those that come from the disk, too; and nothing is imported where there are none."""

import subprocess
import sys

import numpy as np

from idxbench.kernels.compilations import compilations
from idxbench.kernels.jit import kernel


def test_every_new_type_of_argument_counts_once():
    before = compilations()

    @kernel
    def total(x):
        return x.sum()

    assert compilations() == before
    total(np.ones(3))
    assert compilations() == before + 1
    total(np.zeros(5))
    assert compilations() == before + 1
    total(np.ones(3, np.float32))
    total(np.ones((2, 2)))
    assert compilations() == before + 3


def run(code, **variables):
    import os

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | variables
    )
    return done.stdout.split()


def test_after_compiling_ahead_a_search_compiles_nothing():
    code = (
        "import numpy as np\n"
        "from idxbench.kernels.compile import compile_kernels\n"
        "from idxbench.kernels.compilations import compilations\n"
        "from idxbench.truth.exact import ExactIndex\n"
        "first = compilations()\n"
        "compile_kernels()\n"
        "ahead = compilations()\n"
        "items = np.random.default_rng(0).normal(size=(3000, 24)).astype('f4')\n"
        "index = ExactIndex(items, 'dot', threads=2)\n"
        "for n in (1, 2, 500):\n"
        "    index.search(items[:n], 10)\n"
        "print(first, ahead, compilations())\n"
    )
    first, ahead, after = map(int, run(code))
    assert first == 0
    assert after == ahead > 10


def test_counting_imports_no_compiler_and_works_without_one():
    code = (
        "import sys\n"
        "from idxbench.kernels.compilations import compilations\n"
        "print(compilations(), 'numba' in sys.modules)\n"
        "import numpy as np\n"
        "from idxbench.kernels.jit import kernel\n"
        "print(kernel(lambda x: x + 1)(2), compilations())\n"
    )
    assert run(code, NUMBA_DISABLE_JIT="1") == ["0", "False", "3", "0"]
