"""What the README and docs/ show is run.

- A fenced `python` block runs on its own, in a folder with a few synthetic parts; with `>>>` it is a doctest.
- A fenced `bash` block whose first line is `# tested` runs too; the blocks of one page run one after another
  in one folder. A page of nothing but `brightfield` commands runs in this process, as loading torch for each
  takes seconds; another is run by bash, with `brightfield` on the PATH.
- `<!-- slow -->` on the line before a block moves it to `make test-slow`; `<!-- not run: why -->` exempts it.
- Every `brightfield` command in any block, run or not, names a command and options that exist.
"""

from __future__ import annotations

import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from brightfield.cli.main import main
from brightfield.version import __version__

ROOT = Path(__file__).parents[1]
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if page.exists()]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (slow|not run: \S.*) -->\n\Z")
SHIM = """#!{python}
import sys
from brightfield.cli.main import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, text, first line number and mark."""

    page: Path
    language: str
    text: str
    line: int
    mark: str

    @property
    def runs(self) -> bool:
        wanted = self.language == "python" or (self.language == "bash" and self.text.startswith("# tested\n"))
        return wanted and not self.mark.startswith("not run")

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path, text: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(text):
        mark = MARK.search(text[: match.start()])
        line = text[: match.start()].count("\n") + 1
        found.append(Block(page, match[1], match[2], line, mark[1] if mark else ""))
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page, page.read_text(encoding="utf-8"))]


def marked(name: str, values: list[Block]) -> object:
    slow = any(block.mark == "slow" for block in values)
    return pytest.param(values, id=name, marks=[pytest.mark.slow] if slow else [])


PYTHON = [marked(b.name, [b]) for b in BLOCKS if b.runs and b.language == "python"]
BASH = [
    marked(page.name, blocks)
    for page in PAGES
    if (blocks := [b for b in BLOCKS if b.page == page and b.runs and b.language == "bash"])
]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Enter a folder with `parts/OK` and `parts/Defect`: 24 grey discs, and 12 with a dark crack."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96]
    disc = 120 + 60 * (np.hypot(rows - 48, columns - 48) < 40)
    for label, count in (("OK", 24), ("Defect", 12)):
        folder = tmp_path / "parts" / label
        folder.mkdir(parents=True)
        for index in range(count):
            pixels = disc + generator.normal(0, 6, disc.shape)
            if label == "Defect":
                row, column = generator.integers(24, 60, 2)
                pixels[row : row + 4, column : column + 20] = 40
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{index:03d}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command_environment(folder: Path) -> dict[str, str]:
    shim = folder / ".bin" / "brightfield"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(SHIM.format(python=sys.executable))
    shim.chmod(0o755)
    path = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(shim.parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
    }


def run_doctest(block: Block) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, {}, block.name, str(block.page), block.line)
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(said)


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("blocks", PYTHON)
def test_python_block(blocks: list[Block]) -> None:
    (block,) = blocks
    if ">>> " in block.text:
        run_doctest(block)
        return
    code = compile("\n" * block.line + block.text, str(block.page), "exec")
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(code, namespace)
    assert namespace.keys() > {"__name__"}, "the block defines nothing: does it show anything?"


def plain_commands(text: str) -> list[tuple[list[str], str | None]] | None:
    """Return the words of each command, and where its output goes; None where bash is needed to run them."""
    found: list[tuple[list[str], str | None]] = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        target = words.pop() if ">" in words[-2:-1] else None
        words = words[:-1] if target else words
        bare = re.sub(r'"[^"$`\\]*"', "", line.partition("#")[0])
        if words and (words[0] != "brightfield" or re.search(r"[|&;<$`*?~()\[\]{}'\\\"]|>.*>|2>", bare)):
            return None
        if words:
            found.append((words[1:], target))
    return found


def run_here(commands: list[tuple[list[str], str | None]]) -> None:
    for words, target in commands:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(words)
        assert code == 0, f"{words}: {code}\n{out.getvalue()}{err.getvalue()}"
        if target is not None:
            Path(target).write_text(out.getvalue(), encoding="utf-8")


def run_in_bash(text: str, folder: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -euxo pipefail\n{text}"],
        cwd=folder,
        env=command_environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("blocks", BASH)
def test_bash_blocks(blocks: list[Block], stage: Path) -> None:
    text = "\n".join(block.text for block in blocks)
    commands = plain_commands(text)
    if commands is None:
        run_in_bash(text, stage)
    else:
        run_here(commands)


def test_bash_is_left_out_only_where_it_does_nothing_else() -> None:
    shown = '# tested\nbrightfield a "b c <= 1" --d \\\n  e  # why\n\nbrightfield f > g.txt\n'
    assert plain_commands(shown) == [(["a", "b c <= 1", "--d", "e"], None), (["f"], "g.txt")]
    for line in (
        "ls",
        "brightfield a | head",
        "brightfield a && brightfield b",
        "brightfield a; ls",
        "brightfield a *.png",
        "brightfield a $HOME",
        'brightfield a "$HOME"',
        "brightfield a 2> b",
        "brightfield a >> b",
        "for x in a; do brightfield $x; done",
    ):
        assert plain_commands(line) is None, line


def test_bash_runs_with_brightfield_on_the_path(stage: Path) -> None:
    run_in_bash("brightfield --version > said.txt", stage)
    assert (stage / "said.txt").read_text() == f"brightfield {__version__}\n"


def commands_of(block: Block) -> list[list[str]]:
    """Return the words of each `brightfield` command of a block, up to a pipe or a semicolon."""
    text = block.text.replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in text.splitlines()]
    found = []
    for line in lines:
        if not line.startswith("brightfield "):
            continue
        words = shlex.split(line, comments=True)
        end = next((i for i, word in enumerate(words) if word in ("|", ">", "&&", ";", "2>")), len(words))
        found.append(words[1:end])
    return found


@cache
def help_of(*command: str) -> str:
    said = io.StringIO()
    with patch.dict(os.environ, COLUMNS="200"), redirect_stdout(said):
        code = main([*command, "--help"])
    assert code == 0, f"brightfield {' '.join(command)} --help"
    return said.getvalue()


SHOWN = [
    (b.name, words) for b in BLOCKS if b.language in ("bash", "console", "sh", "") for words in commands_of(b)
]


@pytest.mark.parametrize("words", [w for _, w in SHOWN], ids=[f"{n} {' '.join(w[:2])}" for n, w in SHOWN])
def test_shown_command_exists_with_its_options(words: list[str]) -> None:
    nested = words[:2] if words[0] in ("data", "monitor") and len(words) > 1 else words[:1]
    command = [word for word in nested if not word.startswith("-")]
    options = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    known = set(re.findall(r"--?[a-z][a-z-]*", help_of(*command)))
    assert options - known == set()


def test_blocks_are_found_with_their_marks() -> None:
    text = "a\n\n<!-- slow -->\n```python\nx = 1\n```\n\n"
    text += "<!-- not run: a fragment -->\n```bash\n# tested\nls\n```\n"
    slow, exempt = blocks_of(ROOT / "README.md", text)
    assert (slow.language, slow.text, slow.line, slow.mark, slow.runs) == (
        "python",
        "x = 1\n",
        4,
        "slow",
        True,
    )
    assert (exempt.mark, exempt.runs) == ("not run: a fragment", False)
    assert not blocks_of(ROOT / "README.md", "```bash\nrm -rf /\n```\n")[0].runs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_fences_and_links_are_whole(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(FENCE.findall(text))
    prose = FENCE.sub("", text)
    headings = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (page.parent / target.split("#")[0]).exists(), target
