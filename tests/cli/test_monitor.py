from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import colour_method
import grey_parts
import pytest
from PIL import Image

from brightfield.cli.main import main
from brightfield.monitor.drift import limits as limits_module
from brightfield.monitor.drift import run as run_module
from brightfield.monitor.drift.run import Monitor, Monitored, Told
from brightfield.monitor.log.store import VerdictLog

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, colour_method.registered():
        patch.setattr(limits_module, "REFERENCES", 20)
        yield


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bundle") / "line.bf"
    grey_parts.inspector().save(place)
    return place


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    grey_parts.write(folder, 40)
    grey_parts.write(folder, 20, 41, light=0.6)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def called(*words: str | Path) -> tuple[int, str, str]:
        code = main(["monitor", *map(str, words)])
        out, err = capsys.readouterr()
        return code, out, err

    return called


def test_json_is_one_document(run: Run, bundle: Path, line: Path) -> None:
    code, out, _ = run(bundle, line, "--run-length", "1000", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["parts"], document["compared"], document["run_length"]) == (60, 60, 1000)
    (alarm,) = document["alarms"]
    assert {"at", "since", "what", "images"} <= alarm.keys()
    assert alarm["what"] == "darker"
    assert 41 <= alarm["at"] <= 53
    assert abs(alarm["since"] - 41) <= 1
    assert set(alarm["images"]) <= {f"part-{i}.png" for i in range(alarm["since"], alarm["at"] + 1)}


def test_words_and_pictures(run: Run, bundle: Path, line: Path, tmp_path: Path) -> None:
    code, out, _ = run(bundle, line, "--run-length", "1000", "-o", tmp_path / "alarms")
    assert code == 0
    first, images, place, last = out.splitlines()
    assert "darker since part 4" in first
    assert "part-4" in images
    assert last == "60 parts, 1 alarm; without a change, one in 1,000 parts is expected"
    (sheet,) = (tmp_path / "alarms").iterdir()
    assert sheet.name == f"alarm-{first.split(':')[0].removeprefix('part ')}.png"
    assert place.strip() == str(sheet)
    with Image.open(sheet) as image:
        assert image.width > 300


def test_a_log_gives_the_same_as_its_pictures(
    run: Run, bundle: Path, line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "line.db"
    in_order = [line / f"part-{i}.png" for i in range(1, 61)]
    assert main(["inspect", str(bundle), *map(str, in_order), "--log", str(log), "--quiet"]) == 0
    capsys.readouterr()
    options = ("--run-length", "1000", "--json")
    of_folder, of_log = (json.loads(run(bundle, place, *options)[1]) for place in (line, log))
    (one,), (other,) = of_folder["alarms"], of_log["alarms"]
    assert (one["at"], one["since"], one["what"]) == (other["at"], other["since"], other["what"])
    assert [Path(image).name for image in other["images"]] == one["images"]
    code, out, _ = run(
        bundle, log, "--run-length", "1000", "--done", "lamp exchanged", "--by", "Ada", "--json"
    )
    assert code == 0
    assert json.loads(out)["alarms"] == of_log["alarms"]
    with VerdictLog(log, create=False) as opened:
        kinds = [(event.kind, event.text) for event in opened.events()]
    assert kinds == [("alarm", f"darker since part {one['since']}"), ("action", "lamp exchanged")]


@pytest.fixture
def log(bundle: Path, line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    place = tmp_path / "line.db"
    in_order = [line / f"part-{i}.png" for i in range(1, 61)]
    assert main(["inspect", str(bundle), *map(str, in_order), "--log", str(place), "--quiet"]) == 0
    capsys.readouterr()
    return place


def events_of(log: Path) -> list[str]:
    with VerdictLog(log, create=False) as opened:
        return [event.kind for event in opened.events()]


def test_a_command_that_fails_notes_no_action(run: Run, bundle: Path, log: Path, tmp_path: Path) -> None:
    done = ("--done", "lamp exchanged", "--by", "Ada")
    for words, said in (
        (("--run-length", "5"), "--run-length is 5"),
        (("--reference", tmp_path / "none"), "is no folder"),
        (("--report", tmp_path / "week", "--since", "2999-01-01"), "has no entries since"),
        (("--run-length", "1000", "--by", ""), "add --by NAME"),
    ):
        code, _, err = run(bundle, log, *done, *words)
        assert code == 2
        assert said in " ".join(err.split())
        assert events_of(log) == []
    assert run(bundle, log, *done, "--run-length", "1000")[0] == 0
    assert events_of(log) == ["alarm", "action"]  # the alarm that it answers comes first


def test_what_was_noted_is_said_with_the_alarm_that_it_answers(run: Run, bundle: Path, log: Path) -> None:
    words = ("--run-length", "1000", "--done", "lamp exchanged", "--by", "Ada")
    _, out, err = run(bundle, log, *words)
    since = out.splitlines()[0].split("since ")[1].split(",")[0].split(";")[0]
    assert f"noted: lamp exchanged, by Ada; it answers the alarm 'darker since {since}'" in " ".join(
        err.split()
    )


def test_a_line_of_which_no_part_can_be_compared_is_an_error(run: Run, log: Path, tmp_path: Path) -> None:
    grey_parts.inspector(50).save(tmp_path / "other.bf")
    code, out, err = run(tmp_path / "other.bf", log)
    assert code == 2
    assert "60 not compared: another inspector judged it" in out
    assert "no part could be compared" in err


def test_the_report_shows_what_was_done_though_another_reference_is_given(
    run: Run, bundle: Path, log: Path, tmp_path: Path
) -> None:
    grey_parts.write(tmp_path / "well", 40, 200)
    words = ("--run-length", "1000", "--done", "lamp exchanged", "--by", "Ada")
    assert run(bundle, log, *words)[0] == 0
    words = ("--run-length", "1000", "--reference", tmp_path / "well", "--report", tmp_path / "week")
    assert run(bundle, log, *words)[0] == 0
    assert events_of(log) == ["alarm", "action", "alarm"]
    (alarm,) = json.loads((tmp_path / "week" / "week.json").read_text())["drift"]["alarms"]
    assert [action["text"] for action in alarm["actions"]] == ["lamp exchanged"]


def test_pictures_of_an_alarm_stay(run: Run, bundle: Path, line: Path, log: Path, tmp_path: Path) -> None:
    words = (bundle, log, "--run-length", "1000", "-o", tmp_path / "alarms")
    printed = run(*words)[1]
    (sheet,) = (tmp_path / "alarms").iterdir()
    sheet.write_bytes(b"annotated by Ada")
    _, again, err = run(*words)
    assert again == printed  # the list is whole
    assert sheet.read_bytes() == b"annotated by Ada"
    assert "stays" not in err
    _, _, err = run(bundle, line, *words[2:])  # a folder has no memory of what was told
    assert sheet.read_bytes() == b"annotated by Ada"
    assert "is of another alarm and stays" in " ".join(err.split())


def test_following_again_tells_nothing_again(
    run: Run, bundle: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_once(monitor: Monitor, stopped: object, every: float, tell: Callable[[Told], None]) -> Monitored:
        monitor.catch_up(tell)
        return monitor.found()

    monkeypatch.setattr(run_module, "follow", look_once)
    words = (bundle, log, "--run-length", "1000", "--follow")
    (_, out, first), (_, again, second) = run(*words), run(*words)
    assert out == again
    assert "alarm: part" in " ".join(first.split())
    assert "alarm: part" not in " ".join(second.split())


def test_pictures_of_alarms_are_not_written_into_what_is_watched(run: Run, bundle: Path, line: Path) -> None:
    for place in (line, line / "alarms", line / "x" / "y"):
        code, _, err = run(bundle, line, "--follow", "-o", place)
        assert code == 2
        assert "is watched" in " ".join(err.split())


def test_an_unreadable_picture_is_reported_and_the_rest_is_watched(
    run: Run, bundle: Path, tmp_path: Path
) -> None:
    grey_parts.write(tmp_path, 4)
    (tmp_path / "part-2.png").write_bytes(b"")
    code, out, _ = run(bundle, tmp_path, "--json")
    document = json.loads(out)
    assert code == 2
    assert (document["parts"], document["compared"]) == (4, 3)
    assert any("part-2.png" in reason for reason in document["without"])


def test_a_reference_of_ones_own(run: Run, bundle: Path, line: Path, tmp_path: Path) -> None:
    grey_parts.write(tmp_path, 40, 200, light=0.6)
    code, out, _ = run(bundle, line, "--reference", tmp_path, "--run-length", "1000", "--json")
    assert code == 0
    first = json.loads(out)["alarms"][0]
    assert (first["what"], first["since"]) == ("brighter", 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--run-length", "5"), "--run-length is 5; expected 100 to 100,000"),
        (("--every", "3"), "--every 3: expected --follow"),
        (("--follow", "--every", "0"), "more than 0 seconds"),
        (("--done", "lamp exchanged", "--by", "Ada"), "is a folder of pictures; keep verdicts by"),
        (("--by", "Ada"), "add --done WHAT"),
        (("--reference", "nowhere"), "--reference nowhere is no folder"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    run: Run, bundle: Path, line: Path, words: tuple[str, ...], said: str
) -> None:
    code, out, err = run(bundle, line, *words)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())


def test_what_is_not_there_is_said(run: Run, bundle: Path, tmp_path: Path) -> None:
    code, _, err = run(bundle, tmp_path / "none.db")
    assert code == 2
    assert "does not exist" in err
    code, _, err = run(bundle, tmp_path)
    assert code == 2
    assert "no images in" in err


def test_following_ends_with_the_document(bundle: Path, line: Path, tmp_path: Path) -> None:
    """A program of its own, as signals are meant for one; it is told to end when it has told the alarm."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import colour_method\n"
        "from brightfield.cli.main import main\n"
        "from brightfield.monitor.drift import limits\n"
        "limits.REFERENCES = 20\n"
        "with colour_method.registered():\n"
        "    sys.exit(main(['monitor', *sys.argv[2:]]))\n"
    )
    for image in line.iterdir():
        os.utime(image, (0, 0))
    support = str(Path(colour_method.__file__).parent)
    words = [str(bundle), str(line), "--follow", "--every", "0.05", "--run-length", "1000", "--json"]
    with subprocess.Popen(
        [sys.executable, "-c", program, support, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as watching:
        assert watching.stderr is not None
        assert watching.stdout is not None
        said = next(text for text in watching.stderr if "alarm: " in text)
        assert "darker" in said
        watching.send_signal(signal.SIGTERM)
        out = watching.stdout.read()
    assert watching.returncode == 0
    assert json.loads(out)["alarms"][0]["what"] == "darker"
