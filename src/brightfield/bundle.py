"""Bundles: an inspector on disk as a folder or as one zip file (`.bfz`), verified before use.

A bundle holds `manifest.json`, networks (`<name>.onnx`), tensors (`<stem>.safetensors`), arrays
(`<stem>.npz`) and further files. The manifest holds the SHA-256 of each file and of itself. Nothing is
unpickled.

A file that the manifest does not list is never read, and is no error. A bundle with such a file is not
overwritten, because that would delete the file.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from brightfield.disk.storage import (
    BROKEN_ZIP,
    PLAIN_NAME,
    SUFFIX,
    Files,
    find_place,
    open_files,
    replace_whole,
)
from brightfield.errors import BundleError
from brightfield.methods.base import Stored

SCHEMA = 2
"""The version of the manifest that this code writes, and the newest it reads."""

REQUIRED_KEYS = (
    "schema",
    "method",
    "classes",
    "normal",
    "preprocessing",
    "calibration",
    "operating_point",
    "training",
    "fingerprints",
    "metrics",
    "agreement",
    "weights_licence",
    "created_with",
)
"""The keys of every manifest; a value may be None."""

WEIGHTS = "weights"
"""The stem of the file with a method's arrays."""

Arrays = dict[str, npt.NDArray[Any]]

_MANIFEST, _ONNX = "manifest.json", ".onnx"
_CHECKSUMS = ("files", "sha256")
_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bundle:
    """The content of a bundle, verified against its checksums.

    Attributes:
        path: The path it was read from.
        manifest: The manifest as JSON types (a tuple that was written is read as a list).
        content: The bytes of each listed file, by name.
    """

    path: Path
    manifest: dict[str, Any]
    content: Mapping[str, bytes] = field(repr=False)

    def tensors(self, stem: str) -> Arrays:
        """Return the arrays of `<stem>.safetensors`.

        Raises:
            BundleError: If there is no such file, or it cannot be decoded.
        """
        data = self.file(f"{stem}.safetensors")
        try:
            return dict(safetensors.numpy.load(data))
        except (SafetensorError, ValueError, KeyError) as error:
            raise BundleError(f"{self.path}: {stem}.safetensors cannot be decoded ({error})") from error

    def arrays(self, stem: str) -> Arrays:
        """Return the arrays of `<stem>.npz`, without unpickling.

        Raises:
            BundleError: If there is no such file, or it cannot be decoded without unpickling.
        """
        data = self.file(f"{stem}.npz")
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (ValueError, OSError, TypeError, *BROKEN_ZIP) as error:
            raise BundleError(f"{self.path}: {stem}.npz cannot be decoded ({error})") from error

    def file(self, name: str) -> bytes:
        """Return the bytes of one listed file.

        Raises:
            BundleError: If the manifest lists no file of this name.
        """
        if name not in self.content:
            listed = ", ".join(sorted(self.content)) or "none"
            raise BundleError(f"{self.path} has no file {name!r}; its files are: {listed}")
        return self.content[name]


def write_bundle(
    path: Path,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, npt.NDArray[Any]]],
    arrays: Mapping[str, Mapping[str, npt.NDArray[Any]]],
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Write a bundle atomically: `path` holds the old bundle, the new one or nothing, never a partial one.

    The same content gives the same bytes. Only one process may write to a path at a time.

    Args:
        path: A folder to create or replace, or a file ending in `.bfz`.
        manifest: Values for the `REQUIRED_KEYS` and any others; `schema` is optional, and checksums are
            computed again.
        tensors: File stem to arrays by name, for `<stem>.safetensors`.
        arrays: File stem to arrays by name, for `<stem>.npz`.
        files: Further files by name.

    Raises:
        BundleError: If the manifest lacks a key or holds a value that JSON cannot represent, if a name is
            invalid, or if something that is not a bundle is at `path`.
        WriteError: If the files cannot be written.
    """
    content = _encode(tensors, arrays, files or {})
    content[_MANIFEST] = _encode_manifest(manifest, content)
    check_replaceable(path)
    replace_whole(path, content)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle, a folder or a zip file, and verify all of it.

    Raises:
        BundleError: If nothing is at `path`, if it is not a bundle or of another schema, or if a key or a
            file is missing or was changed.
    """
    place = find_place(path)
    if place is None:
        raise BundleError(f"{path} does not exist; expected a bundle: a folder or a {SUFFIX} file")
    if place != path:
        logger.warning("%s: its replacement was interrupted; reading the previous one at %s", path, place)
    stored = open_files(place)
    manifest = _read_manifest(path, stored)
    _check_manifest(path, manifest)
    content = {}
    for name, expected in manifest["files"].items():
        content[name] = stored.read(name)
        if hashlib.sha256(content[name]).hexdigest() != expected:
            raise BundleError(
                f"{path}: {name} was changed or damaged since the bundle was written (its SHA-256 differs); "
                "copy or train it again"
            )
    return Bundle(path, manifest, content)


def stored_in(bundle: Bundle, settings: Mapping[str, Any]) -> Stored:
    """Return a method's networks and arrays in a bundle, with its settings.

    Raises:
        BundleError: If the arrays are missing or cannot be decoded.
    """
    networks = {n.removesuffix(_ONNX): data for n, data in bundle.content.items() if n.endswith(_ONNX)}
    return Stored(networks, bundle.tensors(WEIGHTS), dict(settings))


def network_files(stored: Stored) -> dict[str, bytes]:
    """Return the files of a method's networks, as `stored_in` finds them."""
    return {f"{name}{_ONNX}": model for name, model in stored.networks.items()}


def _encode(
    tensors: Mapping[str, Mapping[str, npt.NDArray[Any]]],
    arrays: Mapping[str, Mapping[str, npt.NDArray[Any]]],
    files: Mapping[str, bytes],
) -> dict[str, bytes]:
    for stem in (*tensors, *arrays):
        if not _STEM.fullmatch(stem):
            raise BundleError(f"{stem!r} cannot name a file of a bundle; expected letters, digits, _ and -")
    content = {f"{stem}.safetensors": _encode_tensors(stem, group) for stem, group in tensors.items()}
    content |= {f"{stem}.npz": _encode_npz(stem, group) for stem, group in arrays.items()}
    for name, data in files.items():
        if not PLAIN_NAME.fullmatch(name) or name == _MANIFEST or name in content:
            raise BundleError(f"{name!r} cannot name a further file of a bundle; expected a new, plain name")
        content[name] = data
    return content


def _encode_tensors(stem: str, group: Mapping[str, npt.NDArray[Any]]) -> bytes:
    try:
        return safetensors.numpy.save({name: np.asarray(value, order="C") for name, value in group.items()})
    except (SafetensorError, KeyError, ValueError) as error:
        dtypes = ", ".join(sorted({str(np.asarray(value).dtype) for value in group.values()}))
        raise BundleError(
            f"{stem}.safetensors cannot hold its arrays ({error}); found dtypes {dtypes}"
        ) from error


def _encode_npz(stem: str, group: Mapping[str, npt.NDArray[Any]]) -> bytes:
    # np.savez cannot take an array named like one of its own parameters
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, value in group.items():
            array, data = np.asarray(value), io.BytesIO()
            try:
                np.lib.format.write_array(data, array, allow_pickle=False)
            except ValueError as error:
                raise BundleError(
                    f"array {name!r} of {stem}.npz has dtype {array.dtype}; expected one that needs no pickle"
                ) from error
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), data.getvalue())
    return buffer.getvalue()


def _encode_manifest(manifest: Mapping[str, Any], content: Mapping[str, bytes]) -> bytes:
    written = {"schema": SCHEMA} | {k: v for k, v in manifest.items() if k not in _CHECKSUMS}
    if written["schema"] != SCHEMA:
        raise BundleError(f"manifest has schema {written['schema']!r}; this code writes {SCHEMA}")
    if missing := [key for key in REQUIRED_KEYS if key not in written]:
        raise BundleError(f"manifest lacks {', '.join(missing)}; give each a value, None where there is none")
    _check_json(written, "manifest")
    written["files"] = {name: hashlib.sha256(content[name]).hexdigest() for name in sorted(content)}
    written["sha256"] = _digest(written)
    return json.dumps(written, indent=2).encode() + b"\n"


def _check_json(value: object, where: str) -> None:
    match value:
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise BundleError(f"{where} has the key {key!r}; expected text")
                _check_json(item, f"{where}.{key}")
        case list() | tuple():
            for index, item in enumerate(value):
                _check_json(item, f"{where}[{index}]")
        case float() if not math.isfinite(value):
            raise BundleError(f"{where} is {value}; expected a finite number, or None where there is none")
        case None | bool() | int() | float() | str():
            pass
        case _:
            raise BundleError(
                f"{where} is a {type(value).__name__}; expected a value that JSON can represent"
            )


def _digest(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _read_manifest(path: Path, stored: Files) -> dict[str, Any]:
    if _MANIFEST not in stored.names():
        raise BundleError(f"{path} is not a bundle: it holds no {_MANIFEST}")
    try:
        manifest = json.loads(stored.read(_MANIFEST))
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{path}: {_MANIFEST} is not JSON ({error}); expected a bundle's manifest"
        ) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("schema"), int):
        raise BundleError(f"{path}: {_MANIFEST} names no schema; expected a bundle's manifest")
    return manifest


def _check_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    schema = manifest["schema"]
    if schema > SCHEMA:
        raise BundleError(
            f"{path} was made by a newer Brightfield: its schema is {schema}, this one reads up to {SCHEMA}; "
            "upgrade Brightfield"
        )
    if schema < SCHEMA:
        raise BundleError(
            f"{path} was made by an earlier Brightfield: its schema is {schema}, this one reads {SCHEMA}; "
            "train it again on the same images, by the command `brightfield train DATA -o BUNDLE --force`"
        )
    if missing := [key for key in (*REQUIRED_KEYS, *_CHECKSUMS) if key not in manifest]:
        raise BundleError(f"{path}: {_MANIFEST} lacks {', '.join(missing)}; copy or train the bundle again")
    if manifest["sha256"] != _digest(manifest):
        raise BundleError(
            f"{path}: {_MANIFEST} was changed since the bundle was written (its SHA-256 differs); "
            "change a setting with Brightfield, which writes the bundle anew"
        )
    files = manifest["files"]
    if not isinstance(files, dict) or not all(PLAIN_NAME.fullmatch(name) for name in files):
        raise BundleError(f"{path}: {_MANIFEST} lists files by unusable names; expected plain file names")


def check_replaceable(path: Path) -> None:
    """Check that writing a bundle at a path deletes nothing but a bundle.

    Raises:
        BundleError: If a file or folder at the path is not a bundle, or holds files that are not the
            bundle's, or if the suffix asks for a file and a folder is there, or the reverse.
    """
    if not path.exists():
        return
    if path.is_dir() == (path.suffix == SUFFIX):
        found = "a folder" if path.is_dir() else "a file"
        raise BundleError(f"{path} is {found}; expected a folder, or a file ending in {SUFFIX}, to write to")
    if path.is_dir() and not any(path.iterdir()):
        return
    try:
        stored = open_files(path)
        listed = _read_manifest(path, stored).get("files") or {}
        strangers = stored.names() - {*listed, _MANIFEST}
    except BundleError as error:
        raise BundleError(
            f"{path} is not overwritten, as it is not a bundle ({error}); choose another path"
        ) from error
    if strangers:
        raise BundleError(
            f"{path} is not overwritten, as it also holds {', '.join(sorted(strangers)[:5])}; "
            "move that away or choose another path"
        )
