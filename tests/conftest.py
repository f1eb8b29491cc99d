"""What several tests share: small pictures of parts and inspectors trained on them, made once a run."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from brightfield.data.synthetic import make_parts

if TYPE_CHECKING:
    from brightfield.inspector import Inspector

TINY = "test_efficientnet"
"""A network of timm's own tests: where any will do, it takes a fifth of the time of the default."""

SpotFolder = Callable[..., Path]
Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Return a function that makes a file or folder where it is not there yet, once for all test processes.

    It takes where to, `folder/name`, and what writes there; it returns the place, which is not to be changed.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"

    def make(place: str, write: Callable[[Path], object]) -> Path:
        path = shared / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f"{path.name}.lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if lock.seek(0, os.SEEK_END) == 0:
                write(path)
                lock.write("made")
        return path

    return make


@pytest.fixture(scope="session", autouse=True)
def _features_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep features in a folder of the tests instead of the user's."""
    before = os.environ.get("BRIGHTFIELD_CACHE")
    os.environ["BRIGHTFIELD_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["BRIGHTFIELD_CACHE"]
    else:
        os.environ["BRIGHTFIELD_CACHE"] = before


@pytest.fixture(scope="session")
def synthetic_parts(once: Once) -> Path:
    """A folder of 24 OK parts and 12 with a pit, of 128x96 px; not to be changed."""

    def write(folder: Path) -> None:
        make_parts(folder, n_ok=24, n_defect=12, size=(96, 128), defect_px=18, kinds=("pit",))

    return once("synthetic/parts", write)


@pytest.fixture(scope="session")
def trained_bundle(once: Once, synthetic_parts: Path) -> Path:
    """The bundle of an inspector trained on `synthetic_parts` from random weights; not to be changed."""
    import brightfield  # here, as only tests that train need to load torch

    options = {"backbone": TINY, "weights": "none", "image_size": 64, "calibration": 0.3}
    return once("trained/inspector", lambda bundle: brightfield.train(synthetic_parts, bundle, **options))


@pytest.fixture(scope="session")
def memory_bundle(once: Once, synthetic_parts: Path) -> Path:
    """The bundle of a full memory bank of 150 patches, of `synthetic_parts`; not to be changed."""
    import brightfield  # here, as only tests that train need to load torch

    options = {"method": "patchcore", "backbone": TINY, "weights": "none", "image_size": 64, "bank": 150}
    return once("trained/memory", lambda bundle: brightfield.train(synthetic_parts, bundle, **options))


@pytest.fixture(scope="session")
def folded_bundle(once: Once, synthetic_parts: Path) -> Path:
    """The bundle of an inspector that its training images calibrated, out of fold; not to be changed."""
    import brightfield  # here, as only tests that train need to load torch

    options = {"backbone": TINY, "weights": "none", "image_size": 64}
    return once("trained/folded", lambda bundle: brightfield.train(synthetic_parts, bundle, **options))


@pytest.fixture
def copied_bundle(trained_bundle: Path, tmp_path: Path) -> Callable[[], Path]:
    """Return a function that copies `trained_bundle` to a new place, where it may be changed."""

    def copy() -> Path:
        return Path(shutil.copytree(trained_bundle, tmp_path / "copied-inspector"))

    return copy


@pytest.fixture
def small_files() -> Callable[[int], AbstractContextManager[None]]:
    """Return a context in which no file can grow beyond so many bytes, as on a full disk."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a disk of so much room, or gives the mounted one so much; root can."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def sized(size: str) -> Path:
        nonlocal mounted
        option = f"remount,size={size}" if mounted else f"size={size}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(place)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("only root can mount a disk")
        mounted = True
        return place

    try:
        yield sized
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="session")
def make_spots() -> SpotFolder:
    """Return a function that writes class folders of grey noise, with bright squares but for the first."""

    def make(
        folder: Path,
        classes: tuple[str, ...] = ("OK", "Defect"),
        each: int = 30,
        size: tuple[int, int] = (64, 96),
        side: int = 10,
        masks: bool = False,
    ) -> Path:
        rng = np.random.default_rng(len(classes) * each)
        for kind, name in enumerate(classes):
            (folder / name).mkdir(parents=True)
            for i in range(each):
                square = side + 6 * (kind - 1) if kind else 0
                top, left = (int(rng.integers(0, extent - square)) for extent in size)
                mask = np.zeros(size, dtype=bool)
                mask[top : top + square, left : left + square] = True
                grey = (rng.normal(90, 14, size) + 110 * mask).clip(0, 255).astype(np.uint8)
                Image.fromarray(grey).save(folder / name / f"{i:03d}.png")
                if masks and kind:
                    (folder / "masks" / name).mkdir(parents=True, exist_ok=True)
                    Image.fromarray(mask).save(folder / "masks" / name / f"{i:03d}.png")
        return folder

    return make


@pytest.fixture(scope="session")
def spots(once: Once, make_spots: SpotFolder) -> Path:
    """A folder of 40 OK and 40 Defect pictures of 96x64 px, with masks; not to be changed."""
    return once("spots/spots", lambda folder: make_spots(folder, each=40, masks=True))


@pytest.fixture(scope="session")
def spot_bundle(once: Once, spots: Path) -> Path:
    """The bundle of an inspector trained on `spots` from the packaged weights; not to be changed."""
    import brightfield  # here, as only tests that train need to load torch

    return once(
        "trained/spots", lambda bundle: brightfield.train(spots, bundle, image_size=96, calibration=0.4)
    )


@pytest.fixture(scope="session")
def spot_inspector(spot_bundle: Path) -> Inspector:
    """The inspector in `spot_bundle`."""
    import brightfield

    return brightfield.load(spot_bundle)
