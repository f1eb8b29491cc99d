"""What runs with which packages, and what is said where one is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEARNING = ("torch", "torchvision", "timm", "onnx")
EVALUATING = ("scipy", "sklearn", "matplotlib", "jinja2")
LOGGING = ("sqlalchemy", "alembic", "psycopg")

BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
"""


def run(code: str, blocked: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter in which some packages cannot be imported."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", BLOCK.format(names=set(blocked)) + code],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )


def command(*words: object) -> str:
    """Return code that runs a command and leaves with its exit code."""
    return f"from brightfield.cli.main import main\nsys.exit(main({[str(w) for w in words]!r}))"


def test_judging_needs_no_torch(trained_bundle: Path, synthetic_parts: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    words = [
        ("evaluate", trained_bundle, synthetic_parts, "--split", "all", "-o", tmp_path / "r", "--quiet"),
        ("threshold", trained_bundle, synthetic_parts, "--policy", "recall=0.9", "-o", copied, "--quiet"),
        ("inspect", copied, synthetic_parts / "OK", "-o", tmp_path / "o", "--overlay", "--json"),
    ]
    code = "from brightfield.cli.main import main\n"
    code += (
        f"for words in {[[str(w) for w in one] for one in words]!r}:\n    assert main(words) == 0, words\n"
    )
    done = run(code, LEARNING)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r" / "report.html").stat().st_size > 10_000
    assert (tmp_path / "r" / "metrics.json").exists()
    assert len(list((tmp_path / "o").glob("*.overlay.png"))) == 24


def test_inspecting_needs_numpy_pillow_and_onnx_runtime_alone(
    trained_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    image = sorted(synthetic_parts.glob("pit/*.png"))[0]
    words = ("inspect", trained_bundle, image, "-o", tmp_path, "--overlay", "--json")
    done = run(command(*words), LEARNING + EVALUATING + LOGGING)
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout)
    import brightfield

    assert line["score"] == pytest.approx(brightfield.load(trained_bundle).inspect(image).score, rel=1e-5)
    assert Path(line["heatmap"]).exists()


@pytest.mark.parametrize(
    ("words", "blocked", "line"),
    [
        (("train", "{parts}", "-o", "{out}"), LEARNING, "pip install 'brightfield[train]'"),
        (("arch", "resnet18"), LEARNING, "pip install 'brightfield[train]'"),
        (("evaluate", "{bundle}", "{parts}"), EVALUATING, "pip install 'brightfield[evaluate]'"),
        (("threshold", "{bundle}", "{parts}", "--policy", "f1", "-o", "{out}"), EVALUATING, "[evaluate]"),
        (("data", "check", "{parts}"), EVALUATING, "pip install 'brightfield[evaluate]'"),
        (("inspect", "{bundle}", "{parts}/OK", "--interval"), EVALUATING, "[evaluate]"),
        (("inspect", "{bundle}", "{parts}/OK", "--log", "{out}"), LOGGING, "'brightfield[log]'"),
        (("inspect", "{bundle}", "{parts}/OK", "--log", "{out}"), ("alembic",), "'brightfield[log]'"),
        (("inspect", "{bundle}", "{parts}/OK", "--log", "postgresql://h/d"), ("psycopg",), "[postgres]'"),
        (("log", "{out}"), LOGGING, "'brightfield[log]'"),
    ],
)
def test_what_is_missing_is_one_clear_message(
    words: tuple[str, ...],
    blocked: tuple[str, ...],
    line: str,
    trained_bundle: Path,
    synthetic_parts: Path,
    tmp_path: Path,
) -> None:
    places = {"parts": synthetic_parts, "bundle": trained_bundle, "out": tmp_path / "i"}
    done = run(command(*(word.format(**places) for word in words)), blocked)
    assert done.returncode == 2, done.stderr
    said = done.stderr.strip().splitlines()
    assert len([one for one in said if "error" in one]) == 1
    assert line in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "i").exists()


def test_logging_needs_no_scipy(trained_bundle: Path, synthetic_parts: Path, tmp_path: Path) -> None:
    words = ("inspect", trained_bundle, synthetic_parts / "pit", "--log", tmp_path / "line.db", "--json")
    done = run(command(*words), LEARNING + EVALUATING)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["entry"] for line in done.stdout.splitlines()] == list(range(1, 13))
    shown = run(command("log", tmp_path / "line.db", "--last", 1), LEARNING + EVALUATING)
    assert shown.stdout.endswith(f"12 entries of {tmp_path / 'line.db'}; the last 1 are shown\n")


def test_python_says_so_too() -> None:
    code = "import brightfield as b\ntry:\n    b.train('x')\nexcept b.InputError as e:\n    print(e)"
    done = run(code, LEARNING)
    assert "pip install 'brightfield[train]'" in done.stdout, done.stderr


@pytest.mark.slow
def test_the_wheel_inspects_in_a_fresh_environment(
    trained_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    """`pip install brightfield` takes at most 250 MB, everything included, and inspects."""
    python = tmp_path / "venv" / "bin" / "python"
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".venv", ".git", "*.egg-info", "build"))
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q"]
    for words in (
        [sys.executable, "-m", "venv", str(tmp_path / "venv")],
        [*pip, "wheel", "--no-deps", "-w", str(tmp_path / "wheels"), str(source)],
        [*pip, "install", "-c", str(ROOT / "constraints.txt")],
    ):
        wheels = map(str, (tmp_path / "wheels").glob("*.whl")) if "install" in words else ()
        done = subprocess.run([*words, *wheels], capture_output=True, text=True, check=False)
        if done.returncode and "No matching distribution" in done.stderr:
            pytest.skip("no package registry can be reached")
        assert done.returncode == 0, done.stderr
    size = sum(f.stat().st_size for f in (tmp_path / "venv").rglob("*") if not f.is_symlink() and f.is_file())
    assert size < 250e6, f"{size / 1e6:.0f} MB"
    image = sorted(synthetic_parts.glob("pit/*.png"))[0]
    brightfield = python.parent / "brightfield"
    words = [
        str(brightfield),
        "inspect",
        str(trained_bundle),
        str(image),
        "-o",
        str(tmp_path / "o"),
        "--json",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["decision"] in ("OK", "REVIEW", "DEFECT")
