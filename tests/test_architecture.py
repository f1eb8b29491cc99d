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
from functools import cache
from pathlib import Path

import pytest

import brightfield

SOURCE = Path(__file__).parents[1] / "src" / "brightfield"
MODULES = sorted(SOURCE.rglob("*.py"))

# Lowest first. What stands in one row may import each other, as long as nothing goes in a circle.
LAYERS = (
    {"errors", "version", "progress"},
    {"disk"},
    {"data"},
    {"engine", "verdict", "explain"},
    {"decide"},
    {"learn"},
    {"methods", "arch"},
    {"options"},
    {"bundle", "inspector"},
    {"monitor"},
    {"evaluation", "report"},
    {"pipeline"},
    {"api"},
    {"deploy"},
    {"serve"},
    {"cli"},
)
LEARNING = ("torch", "torchvision", "timm")
HEAVY = (*LEARNING, "sklearn", "scipy", "matplotlib")

JUDGING = (
    *("verdict", "bundle", "inspector", "engine", "decide", "explain", "evaluation", "report", "disk"),
    "monitor",
    *("methods.base", "methods.registry", "methods.scoring", "methods.classifier.fitted"),
    "methods.autoencoder.fitted",
    *("methods.patches.update", "pipeline.rethreshold", "pipeline.update", "options", "errors"),
    "pipeline.propose",
)
"""What judges, and all that it imports, imports nothing that learns."""

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60

MOST_PARAMETERS = 7
"""Keyword-only ones apart: those of the public functions are options."""

PUBLIC_NAMES = {"train", "load", "evaluate", "compare", "Inspector", "Verdict"}


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


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports_of(path: Path, inside_functions: bool = True) -> set[str]:
    """Return each module that a file imports, at its top or within functions."""
    found = set()
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in walk(tree_of(path), inside_functions):
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


def forbidden_imports(path: Path) -> Iterator[str]:
    """Yield what a module imports and should not: the public API, and what stands above it."""
    here = top_of(name_of(path))
    if here in (None, "__main__"):  # the public API stands above everything
        return
    for module in sorted(imports_of(path)):
        there = top_of(module)
        if module == "brightfield":
            yield f"{name_of(path)} imports the public API; import the module that defines it"
        elif there is not None and layer_of(there) > layer_of(here):
            yield f"{name_of(path)} imports {module}, which stands above it"


def test_imports_point_one_way() -> None:
    assert [wrong for path in MODULES for wrong in forbidden_imports(path)] == []


def test_imports_go_in_no_circle() -> None:
    graph = {name_of(p): {m for m in imports_of(p) if m in KNOWN} - {name_of(p)} for p in MODULES}
    graph.pop("brightfield", None)
    settled: set[str] = set()
    while free := {
        m for m, needs in graph.items() if m not in settled and needs <= settled | {"brightfield"}
    }:
        settled |= free
    assert sorted(graph.keys() - settled) == []


def reached_from(starts: set[str]) -> dict[str, str]:
    """Return every module that these import when they are imported, by name, with how it was reached."""
    of = {name_of(path): path for path in MODULES}
    found = {name: name for name in starts}
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        for module in imports_of(of[name], inside_functions=False):
            packages = {module.rsplit(".", n)[0] for n in range(module.count("."))} if module in of else set()
            for one in {module, *packages} & of.keys() - found.keys():
                found[one] = f"{found[name]} > {one}"
                waiting.append(one)
    return found


def test_what_judges_imports_nothing_that_learns() -> None:
    wanted = tuple(f"brightfield.{name}" for name in JUDGING)
    starts = {n for n in KNOWN if n in wanted or n.startswith(tuple(f"{w}." for w in wanted))}
    assert len(starts) > 40, "are they looked at?"
    of = {name_of(path): path for path in MODULES}
    learning = {
        how
        for name, how in reached_from(starts).items()
        if {m.split(".")[0] for m in imports_of(of[name], inside_functions=False)} & set(LEARNING)
    }
    assert learning == set()


def test_modules_and_functions_are_short() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}
    functions = {
        f"{name_of(path)}.{n.name}": (n.end_lineno or 0) - n.lineno + 1
        for path in MODULES
        for n in ast.walk(tree_of(path))
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: n for name, n in functions.items() if n > MOST_LINES_OF_A_FUNCTION} == {}


def test_parameter_lists_are_short() -> None:
    """Options of the public functions apart; a dataclass's fields are no parameter list."""
    public = {"brightfield.api", "brightfield.methods.declared"}
    long = {
        f"{name_of(path)}.{f.name}": n
        for path in MODULES
        if name_of(path) not in public
        for f in ast.walk(tree_of(path))
        if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)
        and (
            n := sum(len(k) for k in (f.args.posonlyargs, f.args.args, f.args.kwonlyargs))
            - (f.args.args[:1] != [] and f.args.args[0].arg in ("self", "cls", "_ctx"))
        )
        > MOST_PARAMETERS
    }
    assert long == {}


def test_only_the_command_line_prints() -> None:
    prints = [
        f"{name_of(path)}:{n.lineno}"
        for path in MODULES
        if top_of(name_of(path)) != "cli"
        for n in ast.walk(tree_of(path))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print"
    ]
    assert prints == []


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


def test_drawing_and_writing_maps_needs_only_numpy_and_pillow() -> None:
    loaded = loaded_after("import brightfield.explain.files, brightfield.explain.overlay")
    assert {"numpy", "PIL"} <= loaded
    assert loaded & set(HEAVY) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["compare", "--help"]])
def test_help_loads_no_torch(arguments: list[str]) -> None:
    loaded = loaded_after(
        f"import sys; sys.argv = ['brightfield', *{arguments!r}]\n"
        "from brightfield.cli.main import main\n"
        "try:\n    code = main()\nexcept SystemExit as stop:\n    code = stop.code\n"
        "assert not code, code"
    )
    assert "brightfield" in loaded
    assert loaded & set(LEARNING) == set()


def test_recipes_can_be_chosen_without_torch() -> None:
    loaded = loaded_after(
        "import brightfield.methods.classifier.recipe_selection, brightfield.methods.classifier.options"
    )
    assert loaded & set(LEARNING) == set()


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


def test_every_module_can_be_imported_and_says_what_it_is() -> None:
    modules = sorted(KNOWN - {"brightfield.__main__"})
    assert [module for module in modules if not importlib.import_module(module).__doc__] == []
