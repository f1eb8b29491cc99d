"""What keeps the code in shape: which way imports point, what importing costs, how long things may be."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import brightfield

SOURCE = Path(__file__).parents[1] / "src" / "brightfield"
MODULES = sorted(SOURCE.rglob("*.py"))

# Lowest first. What stands in one row may import each other, as long as nothing goes in a circle.
LAYERS = (
    {"errors", "verdict", "config", "progress", "atomic", "storage", "tracking", "version"},
    {"data", "models"},
    {"training"},
    {"methods", "decide"},
    {"inspector", "assembly", "trainer", "workspace", "bundle", "readiness"},
    {"evaluation", "explain"},
    {"report", "rethreshold"},
    {"api"},
    {"deploy"},
    {"monitor"},
    {"serve"},
    {"cli"},
)
TORCH_ALLOWED = {"models", "methods", "training"}
HEAVY = ("torch", "torchvision", "timm", "sklearn", "scipy", "matplotlib")

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60

PUBLIC_NAMES = {"train", "load", "evaluate", "Inspector", "Verdict"}


def name_of(path: Path) -> str:
    parts = ("brightfield", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


KNOWN = {name_of(path) for path in MODULES}


def top_of(module: str) -> str | None:
    """Return the package or module right below brightfield; None for brightfield itself and strangers."""
    parts = module.split(".")
    return parts[1] if parts[0] == "brightfield" and len(parts) > 1 else None


def layer_of(top: str) -> int:
    found = [rank for rank, names in enumerate(LAYERS) if top in names]
    assert found, (
        f"{top} stands in no layer of tests/test_architecture.py and docs/architecture.md: give it one"
    )
    return found[0]


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def walk(node: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    """Yield what runs: not under `if TYPE_CHECKING`, and within functions only where asked for."""
    for child in ast.iter_child_nodes(node):
        if is_for_types(child):
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not inside_functions:
            continue
        yield child
        yield from walk(child, inside_functions)


def imports_of(path: Path, inside_functions: bool = True) -> set[str]:
    """Return each module that a file imports, at its top or within functions."""
    found = set()
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in walk(ast.parse(path.read_text(encoding="utf-8")), inside_functions):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            members = {f"{base}.{alias.name}" for alias in node.names}
            found |= (members & KNOWN) or {base}
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    here = top_of(name_of(path))
    if here in (None, "__main__"):  # the public API stands above everything
        return
    for module in imports_of(path):
        there = top_of(module)
        assert module != "brightfield", (
            f"{name_of(path)} imports the public API; import the module that defines it"
        )
        if there is not None:
            assert layer_of(there) <= layer_of(here), (
                f"{name_of(path)} imports {module}, which stands above it"
            )


def test_imports_go_in_no_circle() -> None:
    graph = {name_of(p): {m for m in imports_of(p) if m in KNOWN} - {name_of(p)} for p in MODULES}
    graph.pop("brightfield", None)
    settled: set[str] = set()
    while free := {
        m for m, needs in graph.items() if m not in settled and needs <= settled | {"brightfield"}
    }:
        settled |= free
    assert sorted(graph.keys() - settled) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_models_methods_and_training_import_torch_at_the_top(path: Path) -> None:
    roots = {module.split(".")[0] for module in imports_of(path, inside_functions=False)}
    allowed = top_of(name_of(path)) in TORCH_ALLOWED
    assert allowed or not roots & {"torch", "torchvision", "timm"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    functions = [
        n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    too_long = [f.name for f in functions if (f.end_lineno or 0) - f.lineno + 1 > MOST_LINES_OF_A_FUNCTION]
    assert too_long == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_command_line_prints(path: Path) -> None:
    calls = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
    prints = [n.lineno for n in calls if isinstance(n.func, ast.Name) and n.func.id == "print"]
    assert top_of(name_of(path)) == "cli" or prints == []


def loaded_after(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the packages that it loaded."""
    report = "import json, sys; sys.stderr.write(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCE.parent)},
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_importing_brightfield_loads_nothing_heavy() -> None:
    loaded = loaded_after("import brightfield")
    assert "brightfield" in loaded
    assert loaded & set(HEAVY) == set()


@pytest.mark.parametrize(
    "module",
    [
        "verdict",
        "decide.calibration",
        "decide.operating_point",
        "decide.policy",
        "decide.guarantee",
        "decide.conformal",
    ],
)
def test_what_judges_needs_no_scipy(module: str) -> None:
    loaded = loaded_after(f"import brightfield.{module}")
    assert "brightfield" in loaded
    assert loaded & set(HEAVY) == set()


JUDGING = """
from brightfield.decide.calibration import calibrate, calibrator_from_dict, score_at
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.scores import scores_of_logits

curve = {"kind": "beta", "lower": 1.0, "upper": 2.0, "offset": 0.1}
promise = {"kind": "overkill", "bound": 0.01, "confidence": 0.95, "n": 299, "errors": 0, "defect": None}
values = dict.fromkeys(("n_calibration", "n_defect", "escapes", "overkills"), 0)
values |= {"policy": "f1", "threshold": 0.5, "review": None, "guarantees": [promise]}
for kind, scale in (
    ({"kind": "by_type", "curve": curve, "temperature": 2.0}, "probability"),
    ({"kind": "conformal", "good": [0, 1]}, "p_value"),
):
    point = OperatingPoint.from_dict({**values, "scale": scale})
    calibrator, scores = calibrator_from_dict(kind), scores_of_logits([[0.0, 1.0, 3.0]], 0)
    point.decide(float(calibrate(calibrator, scores, 0).on(point.scale, scores.defect)[0]))
    score_at(calibrator, point)
"""


def test_decisions_are_read_and_taken_without_scipy() -> None:
    loaded = loaded_after(JUDGING)
    assert "brightfield" in loaded
    assert loaded & set(HEAVY) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"]])
def test_help_loads_no_torch(arguments: list[str]) -> None:
    loaded = loaded_after(
        f"import sys; sys.argv = ['brightfield', *{arguments!r}]\n"
        "from brightfield.cli.main import main\n"
        "try:\n    code = main()\nexcept SystemExit as stop:\n    code = stop.code\n"
        "assert not code, code"
    )
    assert "brightfield" in loaded
    assert loaded & {"torch", "torchvision", "timm"} == set()


def test_public_names_are_there() -> None:
    names = set(brightfield.__all__)
    assert names >= PUBLIC_NAMES
    assert [name for name in sorted(names) if not hasattr(brightfield, name)] == []
    assert names <= set(dir(brightfield))
    with pytest.raises(AttributeError):
        _ = brightfield.no_such_name


def test_no_public_name_is_shadowed_by_a_package_of_that_name() -> None:
    # Importing brightfield.x.y binds brightfield.x to the package, even where x is also a public function.
    for module in KNOWN - {"brightfield.__main__"}:
        importlib.import_module(module)
    shadowed = [n for n in PUBLIC_NAMES if isinstance(getattr(brightfield, n, None), types.ModuleType)]
    assert shadowed == []


@pytest.mark.parametrize("module", sorted(KNOWN - {"brightfield.__main__"}))
def test_every_module_can_be_imported_and_says_what_it_is(module: str) -> None:
    assert importlib.import_module(module).__doc__
