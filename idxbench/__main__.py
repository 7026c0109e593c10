"""``python -m idxbench``."""

import sys

from idxbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
