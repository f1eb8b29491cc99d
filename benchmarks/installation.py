"""How large an installation is: fresh environments, pip and all included.

    python benchmarks/installation.py                     what inspects, and what evaluates
    python benchmarks/installation.py --extras train      what learns: gigabytes

A smoke run installs the wheel alone, without what it needs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from record import Row, append
from runs import begun, new_parser

ROOT = Path(__file__).resolve().parents[1]


def build_wheel(folder: Path) -> Path:
    """Build the package's wheel from a copy of the source and return its place."""
    source = folder / "source"
    ignored = shutil.ignore_patterns(".*", "*.egg-info", "build", "shared")
    shutil.copytree(ROOT, source, ignore=ignored)
    pip(Path(sys.executable), "wheel", "--no-deps", "-w", str(folder), str(source))
    return next(folder.glob("*.whl"))


def pip(python: Path, *words: str) -> None:
    """Run pip of an environment."""
    subprocess.run([python, "-m", "pip", "--disable-pip-version-check", "-q", *words], check=True)


def installed_megabytes(wheel: Path, extra: str, folder: Path, words: list[str]) -> float:
    """Install a wheel with an extra in a fresh environment and return the size of all its files in MB."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    what = f"{wheel}[{extra}]" if extra else str(wheel)
    pip(folder / "bin" / "python", "install", "-c", str(ROOT / "constraints.txt"), *words, what)
    files = (f for f in folder.rglob("*") if f.is_file() and not f.is_symlink())
    return sum(f.stat().st_size for f in files) / 1e6


def main() -> None:
    """Install each and keep its size."""
    parser = new_parser(__doc__)
    parser.add_argument("--extras", nargs="*", default=["evaluate"])
    with begun(parser, "installation") as (args, folder):
        wheel = build_wheel(folder)
        extras, words = ([""], ["--no-deps"]) if args.smoke else (["", *args.extras], [])
        rows = []
        for extra in extras:
            name = f"brightfield[{extra}]" if extra else "brightfield"
            size = installed_megabytes(wheel, extra, folder / f"environment-{extra}", words)
            print(f"{name:24s} {size:8.0f} MB", flush=True)
            rows.append(Row("installation", "fresh environment", name, 0, "size", size, "MB"))
        append(args.output, rows)


if __name__ == "__main__":
    main()
