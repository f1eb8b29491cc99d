"""Frozen features kept from one training to the next, found again by the SHA-256 of each picture.

They lie in a folder of blocks: `<key>/<name>.safetensors`, where the key stands for all that the features
depend on beside the picture. The folder is bounded in size; the blocks used longest ago give way.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from brightfield.disk.atomic import write_atomically

log = logging.getLogger(__name__)

CACHE_VARIABLE = "BRIGHTFIELD_CACHE"
"""The environment variable that names the user's folder for what can be computed again."""

MOST_BYTES = 4_000_000_000
"""The most bytes of kept features: of the default backbone 450,000 pictures seen whole in one view."""

_SUFFIX = ".safetensors"
_DIGEST = 32  # bytes of a SHA-256

Features = npt.NDArray[np.float16]


def features_folder() -> Path:
    """Return where features are kept if nothing else is said.

    It is `features` in the folder that `BRIGHTFIELD_CACHE` names, else in `~/.cache/brightfield`.
    """
    configured = os.environ.get(CACHE_VARIABLE)
    base = Path(configured).expanduser() if configured else Path.home() / ".cache" / "brightfield"
    return base / "features"


@dataclass(frozen=True)
class _Place:
    """Where the features of a picture are: in a block, from one row up to another."""

    block: Path
    first: int
    last: int


@dataclass(frozen=True)
class KeptFeatures:
    """The kept features of one network, preprocessing and set of views.

    Attributes:
        folder: The folder of all kept features.
        key: What the features depend on beside the picture, as a name.
        places: Where each picture's features are, by its SHA-256.
        most: The most bytes that the folder may hold.
    """

    folder: Path
    key: str
    places: Mapping[str, _Place]
    most: int = MOST_BYTES

    def read(self, digest: str) -> Features | None:
        """Return the features (V, T, D) of a picture; None if they are not kept or no longer there."""
        place = self.places.get(digest)
        if place is None:
            return None
        try:
            with safe_open(place.block, framework="np") as file:
                return np.asarray(file.get_slice("values")[:, place.first : place.last], dtype=np.float16)
        except (OSError, SafetensorError) as error:  # another process has removed it
            log.debug("%s: %s", place.block, error)
            return None

    def used(self, digests: Sequence[str]) -> None:
        """Note that the features of these pictures were used, so that others give way first."""
        for block in {self.places[d].block for d in digests if d in self.places}:
            with suppress(OSError):
                os.utime(block)

    def keep(self, digests: Sequence[str], features: Sequence[Features]) -> None:
        """Write the features (V, T, D) of pictures as one block; a full disk costs a warning."""
        known = [(d, f) for d, f in zip(digests, features, strict=True) if d]
        if not known:
            return
        starts = np.concatenate([[0], np.cumsum([f.shape[1] for _, f in known])]).astype(np.int64)
        names = np.frombuffer(bytes.fromhex("".join(d for d, _ in known)), dtype=np.uint8)
        content = safetensors.numpy.save(
            {
                "values": np.ascontiguousarray(np.concatenate([f for _, f in known], axis=1)),
                "starts": starts,
                "digests": names.reshape(-1, _DIGEST),
            }
        )
        name = hashlib.sha256(names.tobytes()).hexdigest()[:32]
        write_atomically(self.folder / self.key / f"{name}{_SUFFIX}", content)


def open_kept(folder: Path, key: str, most: int = MOST_BYTES) -> KeptFeatures:
    """Return what is kept under a key; a block that cannot be read is removed."""
    places: dict[str, _Place] = {}
    for block in sorted((folder / key).glob(f"*{_SUFFIX}")):
        try:
            with safe_open(block, framework="np") as file:
                starts, digests = file.get_tensor("starts"), file.get_tensor("digests")
        except (OSError, SafetensorError) as error:
            log.debug("%s is removed: %s", block, error)
            block.unlink(missing_ok=True)
            continue
        for i, digest in enumerate(digests):
            places[digest.tobytes().hex()] = _Place(block, int(starts[i]), int(starts[i + 1]))
    return KeptFeatures(folder, key, places, most)


def prune(folder: Path, most: int = MOST_BYTES) -> int:
    """Remove the blocks used longest ago until the folder holds no more than so many bytes.

    Returns:
        The number of blocks removed.
    """
    found = []
    for block in folder.glob(f"*/*{_SUFFIX}"):
        with suppress(OSError):  # removed meanwhile
            facts = block.stat()
            found.append((facts.st_mtime, facts.st_size, block))
    total, removed = sum(size for _, size, _ in found), 0
    for _, size, block in sorted(found):
        if total <= most:
            break
        block.unlink(missing_ok=True)
        total, removed = total - size, removed + 1
    return removed
