"""How long the tests take: all that are not slow, two at a time, as `make test` runs them.

python benchmarks/suite.py                       this checkout
python benchmarks/suite.py --other CHECKOUT      and another one, one after the other, in this environment
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from record import Row, append
from runs import begun, new_parser

ROOT = Path(__file__).resolve().parents[1]
SMOKE_TESTS = "tests/engine/test_views.py"


def time_tests(checkout: Path, words: list[str]) -> tuple[float, int]:
    """Run the tests of a checkout and return the seconds they took and the number that passed.

    Raises:
        SystemExit: If a test fails.
    """
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
    env = {**os.environ, **threads, "MPLBACKEND": "Agg", "PYTHONPATH": str(checkout / "src")}
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", "-q", *words]
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=checkout, env=env, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    passed = re.search(r"(\d+) passed", done.stdout)
    if done.returncode or passed is None:
        raise SystemExit(f"the tests of {checkout.name} failed:\n{done.stdout[-2000:]}")
    return seconds, int(passed[1])


def main() -> None:
    """Time the tests of one checkout or of two."""
    parser = new_parser(__doc__)
    parser.add_argument("--other", type=Path, help="another version's checkout")
    with begun(parser, "suite") as (args, _):
        checkouts = {"this version": ROOT}
        if args.other is not None:
            checkouts["the other version"] = args.other.resolve()
        rows = []
        for variant, checkout in checkouts.items():
            seconds, passed = time_tests(checkout, [SMOKE_TESTS] if args.smoke else [])
            print(f"{variant:18s} {seconds:6.1f} s, {passed} tests", flush=True)
            rows += [
                Row("suite", "make test", variant, 0, "time", seconds, "s"),
                Row("suite", "make test", variant, 0, "tests_passed", passed, "1"),
            ]
        append(args.output, rows)


if __name__ == "__main__":
    main()
