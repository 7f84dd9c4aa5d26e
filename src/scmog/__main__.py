"""``python -m scmog``: the same as the command ``scmog``."""

from __future__ import annotations

import sys

from scmog.cli import main

if __name__ == "__main__":
    sys.exit(main())
