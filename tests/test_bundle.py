"""A bundle on disk is whole, checked and never a surprise."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brightfield.bundle import REQUIRED_KEYS, SCHEMA, read_bundle, write_bundle
from brightfield.disk import storage
from brightfield.errors import BundleError, WriteError

TENSORS = {"head": {"weight": np.arange(6, dtype=np.float32).reshape(2, 3).T, "count": np.array(7)}}
ARRAYS = {"reference": {"file": np.linspace(0, 1, 5), "allow_pickle": np.array([[True, False]])}}


def manifest(**changes: object) -> dict[str, Any]:
    return {**dict.fromkeys(REQUIRED_KEYS), "schema": SCHEMA, "classes": ["OK", "Riß"], **changes}


def write(path: Path, method: str = "classifier") -> Path:
    write_bundle(path, manifest(method=method), TENSORS, ARRAYS, {"notes.txt": b"made by hand"})
    return path


@pytest.fixture(params=["inspector", "inspector.bfz"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / request.param)


def replace_in_zip(path: Path, name: str, data: bytes | None) -> None:
    """Give one entry other bytes, take it away (None) or add it."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist() if entry != name}
    if data is not None:
        entries[name] = data
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)


def tamper(path: Path, name: str, data: bytes | None) -> None:
    if path.is_file():
        replace_in_zip(path, name, data)
    elif data is None:
        (path / name).unlink()
    else:
        (path / name).write_bytes(data)


def rewrite_manifest(path: Path, **changes: object) -> None:
    """Change the manifest and make its own checksum right again, as an attacker would."""
    content = {**read_bundle(path).manifest, **changes}
    content = {key: value for key, value in content.items() if value is not Ellipsis}
    rest = {key: value for key, value in content.items() if key != "sha256"}
    if "sha256" in content:
        content["sha256"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    tamper(path, "manifest.json", json.dumps(content).encode())


def test_what_is_written_is_read(bundle: Path) -> None:
    found = read_bundle(bundle)
    assert found.manifest["classes"] == ["OK", "Riß"]
    assert found.manifest["schema"] == SCHEMA
    assert found.file("notes.txt") == b"made by hand"
    for kept, read in (
        (TENSORS["head"], found.tensors("head")),
        (ARRAYS["reference"], found.arrays("reference")),
    ):
        assert sorted(read) == sorted(kept)
        for name, array in kept.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype
            assert read[name].shape == array.shape


def test_manifest_carries_the_checksum_of_every_file(tmp_path: Path) -> None:
    path = write(tmp_path / "inspector")
    listed = json.loads((path / "manifest.json").read_text())["files"]
    on_disk = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in path.iterdir()}
    del on_disk["manifest.json"]
    assert listed == on_disk


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.bfz"), write(tmp_path / "b.bfz")
    assert first.read_bytes() == second.read_bytes()


def test_a_manifest_that_was_read_can_be_written_again(bundle: Path) -> None:
    found = read_bundle(bundle)
    write_bundle(bundle, found.manifest | {"normal": "OK"}, TENSORS, {})
    assert read_bundle(bundle).manifest["normal"] == "OK"
    assert sorted(read_bundle(bundle).content) == ["head.safetensors"]


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nothing-here does not exist"):
        read_bundle(tmp_path / "nothing-here")


def test_folder_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle: it holds no manifest.json"):
        read_bundle(tmp_path)


def test_file_that_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(BundleError, match="no whole zip file"):
        read_bundle(tmp_path / "picture.png")


def test_truncated_zip(tmp_path: Path) -> None:
    path = write(tmp_path / "inspector.bfz")
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(BundleError, match="no whole zip file"):
            read_bundle(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1]", "names no schema"),
        (b'{"schema": "one"}', "names no schema"),
    ],
)
def test_manifest_that_is_none(bundle: Path, data: bytes, message: str) -> None:
    tamper(bundle, "manifest.json", data)
    with pytest.raises(BundleError, match=message):
        read_bundle(bundle)


def test_newer_schema(bundle: Path) -> None:
    rewrite_manifest(bundle, schema=SCHEMA + 1)
    with pytest.raises(BundleError, match=r"made by a newer Brightfield.*upgrade"):
        read_bundle(bundle)


def test_unknown_older_schema(bundle: Path) -> None:
    rewrite_manifest(bundle, schema=0)
    with pytest.raises(BundleError, match="earlier Brightfield: its schema is 0"):
        read_bundle(bundle)


@pytest.mark.parametrize("key", [*REQUIRED_KEYS[1:], "files", "sha256"])
def test_missing_key(tmp_path: Path, key: str) -> None:
    path = write(tmp_path / "inspector")
    rewrite_manifest(path, **{key: ...})
    with pytest.raises(BundleError, match=f"lacks {key}"):
        read_bundle(path)


def test_changed_manifest(bundle: Path) -> None:
    changed = json.dumps({**read_bundle(bundle).manifest, "operating_point": {"threshold": 0.9}})
    tamper(bundle, "manifest.json", changed.encode())
    with pytest.raises(BundleError, match=r"manifest.json was changed"):
        read_bundle(bundle)


@pytest.mark.parametrize("name", ["head.safetensors", "reference.npz", "notes.txt"])
def test_changed_file(bundle: Path, name: str) -> None:
    data = bytearray(read_bundle(bundle).file(name))
    data[len(data) // 2] ^= 1
    tamper(bundle, name, bytes(data))
    with pytest.raises(BundleError, match=f"{name} was changed or damaged"):
        read_bundle(bundle)


def test_damage_inside_a_zip(tmp_path: Path) -> None:
    path = write(tmp_path / "inspector.bfz")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"made by hand", b"made by Hand"))
    with pytest.raises(BundleError, match=r"notes.txt .* is damaged"):
        read_bundle(path)


def test_missing_file(bundle: Path) -> None:
    tamper(bundle, "head.safetensors", None)
    with pytest.raises(BundleError, match=r"holds no file head.safetensors"):
        read_bundle(bundle)


def test_unlisted_file_is_left_unread_and_kept(bundle: Path) -> None:
    tamper(bundle, "stranger.npz", b"not ours")
    found = read_bundle(bundle)
    with pytest.raises(BundleError, match=r"has no file 'stranger.npz'"):
        found.arrays("stranger")
    before = bundle.read_bytes() if bundle.is_file() else (bundle / "stranger.npz").read_bytes()
    with pytest.raises(BundleError, match=r"also holds stranger.npz"):
        write(bundle)
    after = bundle.read_bytes() if bundle.is_file() else (bundle / "stranger.npz").read_bytes()
    assert before == after


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/b.txt", "a\\..\\b", ".hidden"])
def test_path_traversal_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "inspector.bfz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"evil")
    with pytest.raises(BundleError, match="expected plain file names"):
        read_bundle(path)


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/hostname"])
def test_manifest_cannot_point_outside(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "inspector")
    (tmp_path / "outside.txt").write_bytes(b"secret")
    rewrite_manifest(path, files={name: hashlib.sha256(b"secret").hexdigest()})
    with pytest.raises(BundleError, match="unusable names"):
        read_bundle(path)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_entry_twice_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "inspector.bfz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", b"another")
    with pytest.raises(BundleError, match="each once"):
        read_bundle(path)


def test_pickle_is_refused_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "inspector"
    with pytest.raises(BundleError, match="needs no pickle"):
        write_bundle(path, manifest(), {}, {"reference": {"a": np.array([object()])}})
    with (tmp_path / "evil.npz").open("wb") as stream:
        np.savez(stream, a=np.array([{"x": 1}], dtype=object))
    write_bundle(path, manifest(), {}, {}, {"evil.npz": (tmp_path / "evil.npz").read_bytes()})
    with pytest.raises(BundleError, match="cannot be decoded"):
        read_bundle(path).arrays("evil")


def test_tensors_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "inspector"
    write_bundle(path, manifest(), {}, {}, {"head.safetensors": b"no tensors at all", "a.npz": b"PK"})
    with pytest.raises(BundleError, match=r"head.safetensors cannot be decoded"):
        read_bundle(path).tensors("head")
    with pytest.raises(BundleError, match=r"a.npz cannot be decoded"):
        read_bundle(path).arrays("a")
    with pytest.raises(BundleError, match="cannot hold its arrays"):
        write_bundle(path, manifest(), {"head": {"a": np.array(["text"])}}, {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": {"auroc": float("nan")}}, r"manifest.metrics.auroc is nan"),
        ({"metrics": [1.0, np.float32(2)]}, r"manifest.metrics\[1\] is a float32"),
        ({"metrics": {1: "a"}}, "has the key 1"),
        ({"schema": 99}, "schema 99"),
    ],
)
def test_manifest_that_cannot_be_kept(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        write_bundle(tmp_path / "inspector", manifest(**changes), {}, {})
    assert list(tmp_path.iterdir()) == []


def test_manifest_without_a_key_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="lacks method, .*metrics"):
        write_bundle(tmp_path / "inspector", {"classes": []}, {}, {})


@pytest.mark.parametrize("name", ["manifest.json", "head.safetensors", "../x", "", "a/b"])
def test_unusable_file_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="cannot name"):
        write_bundle(tmp_path / "inspector", manifest(), TENSORS, {}, {name: b""})
    with pytest.raises(BundleError, match="cannot name"):
        write_bundle(tmp_path / "inspector", manifest(), {"../x": {}}, {})


def test_a_folder_that_is_no_bundle_is_not_overwritten(tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    (photographs / "one.png").write_bytes(b"the only copy")
    with pytest.raises(BundleError, match="not overwritten"):
        write(photographs)
    assert (photographs / "one.png").read_bytes() == b"the only copy"


def test_files_and_folders_are_not_mixed_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder.bfz").mkdir()
    (tmp_path / "text.bfz").write_text("text")
    for name, message in (("file", "is a file"), ("folder.bfz", "is a folder"), ("text.bfz", "no whole zip")):
        with pytest.raises(BundleError, match=message):
            write(tmp_path / name)
    assert (tmp_path / "file").read_text() == "text"
    assert (tmp_path / "text.bfz").read_text() == "text"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "inspector").mkdir()
    assert read_bundle(write(tmp_path / "inspector")).manifest["method"] == "classifier"


def test_current_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_bundle(write(Path("deeper/inspector"))).path == Path("deeper/inspector")
    assert [p.name for p in Path("deeper").iterdir()] == ["inspector"]


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(WriteError, match=r"cannot write .*file/inspector: a file is in the way"):
        write(tmp_path / "file" / "inspector")


@pytest.mark.parametrize("name", ["n" * 255, "缺" * 85, "n" * 251 + ".bfz"])
def test_a_name_as_long_as_names_can_be(tmp_path: Path, name: str) -> None:
    for _ in range(2):
        assert read_bundle(write(tmp_path / name)).manifest["method"] == "classifier"
        assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["inspector", "inspector.bfz"])
def test_no_room_is_said_and_keeps_the_old_one(
    tmp_path: Path, name: str, small_files: Callable[[int], AbstractContextManager[None]]
) -> None:
    path = write(tmp_path / name, "old")
    with small_files(16), pytest.raises(WriteError, match=r"write .*inspector.*; .* are needed"):
        write(path, "new")
    assert read_bundle(path).manifest["method"] == "old"
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["inspector", "inspector.bfz"])
@pytest.mark.parametrize("stop_at", range(9))
def test_interrupted_writing_leaves_the_old_one_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, stop_at: int
) -> None:
    path = write(tmp_path / name, "old")
    steps = iter(range(100))

    def stop(original: Any) -> Any:
        def step(*args: Any) -> Any:
            if next(steps) == stop_at:
                raise KeyboardInterrupt
            return original(*args)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", stop(os.fsync))
        patch.setattr(Path, "rename", stop(Path.rename))
        patch.setattr(Path, "replace", stop(Path.replace))
        with contextlib.suppress(KeyboardInterrupt):
            write(path, "new")
    assert read_bundle(path).manifest["method"] in ("old", "new")
    assert [p.name for p in tmp_path.iterdir()] == [name]


KILLED = """
    import os, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    from test_bundle import write
    from brightfield.bundle import read_bundle

    root, seen = Path(sys.argv[2]), set()
    for name in ("inspector", "inspector.bfz"):
        for stop_at in range(12):
            path = root / f"{stop_at}-{name}"
            write(path, "old")
            child = os.fork()
            if child == 0:
                steps = iter(range(100))
                def dying(original):
                    def step(*args, **options):
                        if next(steps) == stop_at:
                            os._exit(9)
                        return original(*args, **options)
                    return step
                os.fsync, os.rmdir = dying(os.fsync), dying(os.rmdir)
                Path.rename, Path.replace = dying(Path.rename), dying(Path.replace)
                write(path, "new")
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            method = read_bundle(path).manifest["method"]
            assert method in ("old", "new"), method
            seen.add((code, method))
            write(path, "newer")
            assert read_bundle(path).manifest["method"] == "newer"
            assert not list(root.glob(".*")), list(root.glob(".*"))
    assert seen == {(9, "old"), (9, "new"), (0, "new")}, seen
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_killed_writing_leaves_a_whole_bundle_and_the_next_write_clears_up(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_previous_bundle_is_read_while_the_new_one_is_not_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "inspector", "old")
    path.rename(tmp_path / ".inspector.previous")
    assert read_bundle(path).manifest["method"] == "old"
    assert "interrupted" in caplog.text
    assert storage.find_place(tmp_path / "other") is None
