"""`brightfield inspect --log`: every verdict is in the log before its line is printed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from brightfield.cli.logged import Answers, Ids
from brightfield.inspector import load
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.store import VerdictLog

Run = Callable[..., Any]


@pytest.fixture
def images(tmp_path: Path, synthetic_parts: Path) -> Path:
    """A folder with two good parts, and a defective one of a name that is there already."""
    folder = tmp_path / "images"
    (folder / "two").mkdir(parents=True)
    for source, target in (("OK/0000", "a"), ("OK/0001", "b"), ("pit/0024", "two/a")):
        shutil.copy(synthetic_parts / f"{source}.png", folder / f"{target}.png")
    return folder


def lines_of(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_what_is_printed_is_what_is_logged(
    brightfield: Run, trained_bundle: Path, images: Path, tmp_path: Path
) -> None:
    log = tmp_path / "line.db"
    words = ("--log", log, "--lot", "L1", "--station", "S1", "--threshold", "0.01")
    said = brightfield("inspect", trained_bundle, images, *words, "--json", "--quiet")
    assert (said.code, said.err) == (0, "")
    lines = lines_of(said.out)
    with VerdictLog(log, create=False) as opened:
        entries = list(opened.entries())
        kept = [opened.picture_of(entry) for entry in entries]
    assert len(lines) == len(entries) == 3
    manifest = json.loads((trained_bundle / "manifest.json").read_text())
    inspector = load(trained_bundle)
    for line, entry, picture in zip(lines, entries, kept, strict=True):
        for name in ("image", "decision", "label", "score", "probability", "threshold", "scale", "method"):
            assert line[name] == getattr(entry, name), name
        assert (line["entry"], line["part"], line["time"]) == (entry.id, entry.part, entry.time)
        assert (line["lot"], line["station"], line["repeated"], line["other_picture"]) == (
            "L1",
            "S1",
            False,
            False,
        )
        content = Path(line["image"]).read_bytes()
        digest = subprocess.run(
            ["sha256sum", line["image"]], capture_output=True, text=True, check=True
        ).stdout[:64]
        assert (entry.picture_sha256, entry.part) == (digest, f"sha256:{digest[:32]}")
        assert entry.inspector_sha256 == manifest["sha256"]
        measured = inspector.inspect(line["image"], explain=False, measure=True).measurement
        assert (entry.measurement.height, entry.measurement.width) == (96, 128)
        assert entry.measurement.brightness == pytest.approx(measured.brightness)
        assert entry.measurement.embedding == pytest.approx(measured.embedding, abs=1e-3)
        assert picture.read_bytes() == content
        assert (picture == Path(line["image"])) == (entry.decision == "OK")


def test_the_same_parts_again_get_their_first_answers(
    brightfield: Run, trained_bundle: Path, images: Path, tmp_path: Path
) -> None:
    words = ("inspect", trained_bundle, images, "--log", tmp_path / "line.db", "--quiet")
    first = lines_of(brightfield(*words, "--json").out)
    again = lines_of(brightfield(*words, "--json", "--threshold", "0").out)
    assert [line["repeated"] for line in first + again] == [False] * 3 + [True] * 3
    same = {"repeated": None, "milliseconds": None}
    assert [{**line, **same} for line in again] == [{**line, **same} for line in first]
    said = brightfield(*words, "--threshold", "0")
    assert said.out.count("(answered before, ") == 3
    assert said.out.splitlines()[-1].startswith("3 images: ")
    assert said.out.splitlines()[-1].endswith(", 3 answered before")
    with VerdictLog(tmp_path / "line.db") as log:
        assert log.count() == 3


def test_an_answer_by_another_inspector_is_said_and_its_value_is_not_printed(
    brightfield: Run, trained_bundle: Path, images: Path, tmp_path: Path
) -> None:
    words = ("inspect", trained_bundle, images, "--log", tmp_path / "line.db", "--quiet")
    first = lines_of(brightfield(*words, "--json").out)
    assert [line["other_inspector"] for line in first] == [False] * 3
    with VerdictLog(tmp_path / "line.db") as log:
        earlier = "2026-03-01T08:00:00.000000+00:00"
        sql = f"UPDATE entries SET inspector_sha256 = '{'ab' * 32}', time = '{earlier}' WHERE id < 3"
        log.database.write(lambda connection: connection.exec_driver_sql(sql))
    again = lines_of(brightfield(*words, "--json", "--interval").out)
    assert [line["other_inspector"] for line in again] == [True, True, False]
    assert [line["probability_interval"] is None for line in again] == [True, True, False]
    said = brightfield(*words).out.splitlines()
    other = "(answered before by another inspector, 2026-03-01 08:00:00 UTC)"
    assert [other in line for line in said[1:-1]] == [True, True, False]
    shown = [f"{line['probability']:.3f}" in row for line, row in zip(again, said[1:-1], strict=True)]
    assert shown == [False, False, True]
    assert said[-1].endswith(", 3 answered before")


def test_another_picture_of_a_part_is_said(
    brightfield: Run, trained_bundle: Path, images: Path, tmp_path: Path
) -> None:
    words = (
        "inspect",
        trained_bundle,
        images / "b.png",
        "--log",
        tmp_path / "line.db",
        "--part-from",
        "name",
    )
    (first,) = lines_of(brightfield(*words, "--json").out)
    shutil.copy(images / "two" / "a.png", images / "b.png")
    said = brightfield(*words, "--json", "-o", tmp_path / "seen")
    (line,) = lines_of(said.out)
    assert (line["part"], line["repeated"], line["other_picture"]) == ("b.png", True, True)
    assert (line["score"], line["decision"]) == (first["score"], first["decision"])
    assert line["heatmap"] is None
    assert "part b.png was judged before" in said.err


@pytest.mark.parametrize(
    ("part_from", "parts"),
    [("path", ["{images}/a.png", "{images}/b.png", "{images}/two/a.png"]), ("none", [None, None, None])],
)
def test_where_ids_come_from(
    brightfield: Run,
    trained_bundle: Path,
    images: Path,
    tmp_path: Path,
    part_from: str,
    parts: list[str | None],
) -> None:
    words = ("inspect", trained_bundle, images, "--log", tmp_path / "line.db", "--part-from", part_from)
    found = [line["part"] for line in lines_of(brightfield(*words, "--json").out)]
    assert found == [None if part is None else part.format(images=images) for part in parts]
    brightfield(*words)
    with VerdictLog(tmp_path / "line.db") as log:
        assert log.count() == (6 if part_from == "none" else 3)


@pytest.mark.parametrize("part_from", ["stem", "name", "path"])
def test_a_file_name_that_is_no_text_names_a_part(
    brightfield: Run, trained_bundle: Path, images: Path, tmp_path: Path, part_from: str
) -> None:
    shutil.rmtree(images / "two")
    (images / "a.png").rename(images / os.fsdecode(b"a\xff.png"))
    words = ("inspect", trained_bundle, images, "--log", tmp_path / "line.db", "--part-from", part_from)
    said = brightfield(*words, "--json")
    assert said.code == 0
    odd = {"stem": "a\\udcff", "name": "a\\udcff.png", "path": f"{images}/a\\udcff.png"}[part_from]
    assert odd in [line["part"] for line in lines_of(said.out)]
    assert len(lines_of(said.out)) == 2


def test_two_pictures_of_one_name_are_not_given_one_answer(
    brightfield: Run, trained_bundle: Path, images: Path, tmp_path: Path
) -> None:
    said = brightfield(
        "inspect", trained_bundle, images, "--log", tmp_path / "line.db", "--part-from", "stem"
    )
    assert said.code == 2
    assert "2 images show the part 'a'" in said.err
    assert "choose --part-from path or picture" in said.err
    assert said.out == ""
    assert not (tmp_path / "line.db").exists()


def test_a_table_of_parts(brightfield: Run, trained_bundle: Path, images: Path, tmp_path: Path) -> None:
    table = images / "parts.csv"
    table.write_text("image,part,lot\na.png,P1,L7\nb.png,P2,\ntwo/a.png,'=P3,L7\nnot_there.png,P9,\n")
    words = (
        "inspect",
        trained_bundle,
        images,
        "--log",
        tmp_path / "line.db",
        "--parts",
        table,
        "--lot",
        "L0",
    )
    lines = lines_of(brightfield(*words, "--json").out)
    assert [(line["part"], line["lot"]) for line in lines] == [("P1", "L7"), ("P2", "L0"), ("=P3", "L7")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("image,part\na.png,P1\n", "2 of 3 images have no row, first .*b.png"),
        ("image,part\na.png,\n", "row 1: image or part is empty"),
        ("image,part\na.png,P1\nb.png,P1\ntwo/a.png,P2\n", "2 images show the part 'P1'"),
        ("image,serial\na.png,1\n", "has no column part"),
    ],
)
def test_tables_that_do_not_say_which_part_a_picture_shows(
    brightfield: Run, trained_bundle: Path, images: Path, tmp_path: Path, rows: str, message: str
) -> None:
    (images / "parts.csv").write_text(rows)
    words = ("--log", tmp_path / "line.db", "--parts", images / "parts.csv")
    said = brightfield("inspect", trained_bundle, images, *words)
    assert said.code == 2
    assert re.search(message, said.err)


def test_a_verdict_that_cannot_be_logged_is_not_given_out(
    brightfield: Run, trained_bundle: Path, images: Path, tmp_path: Path, small_files: Any
) -> None:
    log = tmp_path / "line.db"
    words = ("inspect", trained_bundle, images, "--log", log, "--keep", "none", "--json", "--quiet")
    with VerdictLog(log):
        pass
    with small_files(log.stat().st_size):
        said = brightfield(*words)
    assert said.code == 2
    assert "cannot write" in said.err
    with VerdictLog(log) as opened:
        assert [line["entry"] for line in lines_of(said.out)] == [entry.id for entry in opened.entries()]
        assert len(said.out.splitlines()) < 3


def test_kept_pictures_are_not_inspected(brightfield: Run, trained_bundle: Path, images: Path) -> None:
    words = ("inspect", trained_bundle, images, "--log", images / "line.db", "--keep", "all", "--quiet")
    for _ in range(2):
        assert brightfield(*words).out.splitlines()[-1].startswith("3 images: ")
    named = ("inspect", trained_bundle, images / "line.db.pictures", "--log", images / "line.db", "--quiet")
    assert brightfield(*named).out.splitlines()[-1].startswith("3 images: ")


@pytest.mark.parametrize("part_from", ["picture", "path"])
def test_a_file_that_is_written_over_after_it_was_judged_is_logged_as_it_was(
    trained_bundle: Path, images: Path, tmp_path: Path, part_from: str
) -> None:
    """As of a camera that writes into a ring of names while a batch is judged."""
    paths = sorted(images.glob("*.png"))
    contents = [path.read_bytes() for path in paths]
    looks = load(trained_bundle).looks(((path, False) for path in paths), measure=True)
    with VerdictLog(tmp_path / "line.db", keep=Keep("all")) as log:
        answers = Answers(log, {}, Ids(None, None, None), part_from)
        entries = []
        for path, look in zip(paths, looks, strict=True):
            shutil.copy(images / "two" / "a.png", paths[-1])
            entries.append(answers.answer(path, look)[1])
        assert [entry.picture_sha256 for entry in entries] == [sha256(c).hexdigest() for c in contents]
        assert [log.picture_of(entry).read_bytes() for entry in entries] == contents
        assert not any(entry.repeated for entry in entries)


def test_what_cannot_be_read_is_in_no_log(
    brightfield: Run, trained_bundle: Path, images: Path, tmp_path: Path
) -> None:
    (images / "broken.png").write_bytes(b"no picture")
    said = brightfield("inspect", trained_bundle, images, "--log", tmp_path / "line.db", "--json")
    assert said.code == 2
    assert ["entry" in line for line in lines_of(said.out)] == [True, True, False, True]
    with VerdictLog(tmp_path / "line.db") as log:
        assert log.count() == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--lot", "A"), "--lot belongs to a log; add --log FILE"),
        (("--power-safe",), "--power-safe belongs to a log"),
        (("--keep-mb", "5"), "--keep-mb belongs to a log"),
        (("--log", "{tmp}/l.db", "--keep", "some"), "'some' does not say which pictures are kept"),
        (("--log", "{tmp}/l.db", "--parts", "p.csv", "--part-from", "stem"), "both say which part"),
        (("--log", "{bundle}/l.db"), "is inside the inspector's bundle"),
        (("--log", "{tmp}"), "is a folder; expected a file for the log"),
        (("--log", "{tmp}/l.db", "--lot", ""), "lot is empty"),
        (("--log", "mysql://h/d"), "cannot be kept in mysql"),
    ],
)
def test_options_that_do_not_fit(
    brightfield: Run, trained_bundle: Path, images: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    given = [word.format(tmp=tmp_path, bundle=trained_bundle) for word in words]
    said = brightfield("inspect", trained_bundle, images, *given, "--json")
    assert (said.code, said.out) == (2, "")
    assert message in said.err


ANSWER = """
import sys
from brightfield.cli.main import main
sys.exit(main(["inspect", *sys.argv[1:], "--json", "--quiet", "--part-from", "none"]))
"""


def test_killed_after_a_line_the_line_is_in_the_log(
    trained_bundle: Path, images: Path, tmp_path: Path, synthetic_parts: Path
) -> None:
    log = tmp_path / "line.db"
    words = [sys.executable, "-c", ANSWER, str(trained_bundle), str(synthetic_parts), "--log", str(log)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(3)]
        process.kill()
        heard += process.stdout.readlines()
    with VerdictLog(log, create=False) as opened:
        known = {entry.id: entry for entry in opened.entries()}
    said = [json.loads(line) for line in heard if line.endswith("\n")]
    assert len(said) >= 3
    assert [known[line["entry"]].score for line in said] == [line["score"] for line in said]
