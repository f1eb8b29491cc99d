"""`brightfield` itself: help, mistakes, exit codes, and what goes where."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from brightfield.cli import inspect, main, train
from brightfield.cli.terminal import add_command
from brightfield.errors import ImageError
from brightfield.version import __version__

SOURCE = Path(__file__).parents[2] / "src"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE)}


def brightfield_process(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "brightfield", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )


def fail_with(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(_args: argparse.Namespace) -> int:
        raise error

    return run


def test_help_names_every_command(brightfield) -> None:
    said = brightfield("--help")
    assert said.code == 0
    for command in ("demo", "data", "train", "evaluate", "inspect", "threshold"):
        assert f"\n    {command}" in said.out


@pytest.mark.parametrize("command", ["demo", "data check", "train", "evaluate", "inspect", "threshold"])
def test_every_command_takes_the_common_options(brightfield, command: str) -> None:
    said = brightfield(*command.split(), "--help")
    assert said.code == 0
    for option in ("--json", "--quiet", "--verbose", "--debug"):
        assert option in said.out


def test_version(brightfield) -> None:
    assert brightfield("--version").out == f"brightfield {__version__}\n"


def test_version_is_that_of_the_package() -> None:
    declared = (SOURCE.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{__version__}"\n' in declared


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "required: COMMAND"),
        (["trian", "x"], "did you mean train?"),
        (["data", "chek", "x"], "did you mean check?"),
        (["zzz"], "invalid choice: 'zzz'"),
        (["train", "x", "-o", "y", "--recipee=fast"], "--recipee=fast; did you mean --recipe?"),
        (["train", "x", "-o", "y", "--rec", "fast"], "unrecognized arguments: --rec fast"),
        (["train", "x", "-o", "y", "--seed", "one"], "--seed is 'one'; expected a whole number from 0"),
        (
            ["train", "x", "-o", "y", "--test", "20%"],
            "--test is '20%'; expected a number from 0 to below 0.9",
        ),
        (["train", "x"], "required: -o/--output"),
        (["inspect", "x", "y", "--threshold", "half"], "'half' is not a number; expected one such as 0.5"),
        (["evaluate", "x", "y", "--threshold", "nan"], "'nan' is not a number"),
        (["evaluate", "x", "y", "--split", "tset"], "invalid choice: 'tset'"),
        (["threshold", "x", "y"], "DATA without --policy"),
    ],
)
def test_mistakes_in_the_words(brightfield, words: list[str], message: str) -> None:
    said = brightfield(*words)
    assert said.code == 2
    assert said.out == ""
    assert message in said.err


def test_a_place_that_cannot_be_written_is_wrong_input(brightfield, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = PermissionError(13, "Permission denied", "/nowhere/x")
    monkeypatch.setattr(inspect, "run", fail_with(denied))
    said = brightfield("inspect", "x", "y")
    assert said.code == 2
    assert said.err.startswith("error: cannot use /nowhere/x: Permission denied; choose a path")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "cannot write: No space left on device; free space",
        ),
        (
            OSError(errno.EFBIG, "File too large", "a/b"),
            "cannot write a/b: a file may not grow that large there",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "a/b"),
            "cannot write a/b: the file system is read-only",
        ),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "a/b"),
            "cannot use a/b: its path is too",
        ),
    ],
)
def test_what_the_system_refuses_is_wrong_input(
    brightfield, monkeypatch: pytest.MonkeyPatch, error: OSError, message: str
) -> None:
    monkeypatch.setattr(main, "_discard_stdout", lambda: None)
    monkeypatch.setattr(inspect, "run", fail_with(error))
    said = brightfield("inspect", "a", "b")
    assert said.code == 2
    assert message in said.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_stdout_on_a_full_disk() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "brightfield", "data", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=ENVIRONMENT,
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: cannot write: No space left on device; free space where stdout")


def test_no_traceback_unless_asked_for(brightfield, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "run", fail_with(RuntimeError("the sky fell")))
    said = brightfield("inspect", "x", "y")
    assert said.code == 1
    assert said.err == "error: RuntimeError: the sky fell (run it again with --debug for the traceback)\n"
    said = brightfield("inspect", "x", "y", "--debug")
    assert said.code == 1
    assert "Traceback" in said.err
    assert said.err.endswith("error: RuntimeError: the sky fell\n")


def test_wrong_input_is_one_message_and_2(brightfield, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "run", fail_with(ImageError("[bold]a.png[/] is empty")))
    said = brightfield("inspect", "x", "y")
    assert (said.code, said.out, said.err) == (2, "", "error: [bold]a.png[/] is empty\n")


def test_stopped_by_the_user(brightfield, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "run", fail_with(KeyboardInterrupt()))
    monkeypatch.setattr(train, "run", fail_with(KeyboardInterrupt()))
    assert brightfield("inspect", "x", "y").err == "stopped: nothing is left half-written\n"
    said = brightfield("train", "x", "-o", "y")
    assert said.code == 130
    assert "--resume continues" in said.err


def test_a_reader_that_left(brightfield, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_discard_stdout", lambda: None)
    monkeypatch.setattr(inspect, "run", fail_with(BrokenPipeError()))
    said = brightfield("inspect", "x", "y")
    assert (said.code, said.err) == (1, "")


@pytest.mark.parametrize(
    ("options", "shown"),
    [([], ["warning: w"]), (["--quiet"], []), (["--verbose"], ["info: i", "warning: w"])],
)
def test_log_messages(
    brightfield, monkeypatch: pytest.MonkeyPatch, options: list[str], shown: list[str]
) -> None:
    def run(_args: argparse.Namespace) -> int:
        log = logging.getLogger("brightfield.some.module")
        log.debug("d")
        log.info("i")
        log.warning("%s", "w")
        return 0

    monkeypatch.setattr(inspect, "run", run)
    before = list(logging.getLogger("brightfield").handlers)
    said = brightfield("inspect", "x", "y", *options)
    assert said.code == 0
    assert said.err.splitlines() == shown
    assert logging.getLogger("brightfield").handlers == before


def test_a_long_message_stays_one_line(brightfield, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "run", fail_with(ImageError("word " * 100)))
    assert len(brightfield("inspect", "x", "y").err.splitlines()) == 1


def test_as_a_process() -> None:
    done = brightfield_process("train", "no-such-folder", "-o", "out")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: there is no file or folder no-such-folder")
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_while_training_leaves_no_inspector(synthetic_parts: Path, tmp_path: Path) -> None:
    words = ("train", str(synthetic_parts), "-o", str(tmp_path / "i"), "--weights", "none")
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        begun = subprocess.Popen(
            [sys.executable, "-m", "brightfield", *words], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
    finally:
        signal.signal(signal.SIGINT, heeded)
    with begun as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("compare: "):  # it has begun
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert said.splitlines()[-1] == "stopped: the same command with --resume continues from here"
    assert not (tmp_path / "i").exists()


def test_a_pipe_that_closes_early_leaves_no_traceback() -> None:
    command = f"{sys.executable} -m brightfield data list --json | true"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert done.stderr == ""


def test_commands_describe_themselves() -> None:
    parser = argparse.ArgumentParser()
    added = add_command(parser.add_subparsers(), "x", "do a thing")
    assert added.description == "Do a thing."
    assert added.parse_args([]).json is False
