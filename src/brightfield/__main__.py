"""Run the command line: `python -m brightfield`."""

from __future__ import annotations

import sys

from brightfield.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
