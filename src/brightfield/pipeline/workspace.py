"""The folder in which a training keeps its state, from which an interrupted one can be resumed."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.disk.atomic import write_atomically
from brightfield.disk.names import shortened
from brightfield.disk.room import writing
from brightfield.errors import ConfigError, DataError, ImageError, WeightsError
from brightfield.learn.processes import Processes
from brightfield.options import TrainOptions

log = logging.getLogger(__name__)


class Workspace:
    """A folder beside the output that holds the state of a training and is removed when it is done.

    It is also removed if wrong data or options end the training before the fit.

    Attributes:
        spent: Seconds of the earlier runs of a resumed training, up to what they last saved.
        keep_on_failure: Whether to keep the folder after any error, because it holds a fit result or the
            state of an earlier run.
    """

    def __init__(
        self,
        output: str | Path | None,
        options: TrainOptions,
        dataset: Dataset,
        resume: bool,
        group: Processes,
        identity: Mapping[str, Any],
        promises: bool = False,
    ) -> None:
        self.kept = output is not None
        self.folder = Path() if output is None else workspace_of(Path(output))
        # another policy does not change the fit, unless it holds images out for a guarantee
        wanted = {**options.as_dict(), "policy": "a promise" if promises else "any other"}
        del wanted["roi"]  # its content counts, not its place
        del wanted["rules"], wanted["mm_per_pixel"]  # which come after the fit
        # a recipe's settings may differ between versions
        further = json.loads(json.dumps(identity))
        self.identity = {"options": wanted, "data": dataset.fingerprint(), **further}
        self.resume = resume
        self.group = group
        self.spent = 0.0
        self.keep_on_failure = False
        self._locked: int | None = None

    def __enter__(self) -> Path:
        if not self.kept:
            self.folder = Path(tempfile.mkdtemp("-brightfield"))
        with self.group.first_goes_first():
            if self.kept and self.group.first:
                self._lock()
                try:
                    self._prepare()
                except BaseException:
                    self._unlock()
                    raise
        return self.folder

    def _lock(self) -> None:
        """Lock the folder against other processes while this one works there."""
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._locked = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self._locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._unlock()
            raise ConfigError(
                f"another training is writing to {self.folder}; wait for it, or name another output"
            ) from error
        except OSError as error:
            log.debug("%s cannot be locked (%s)", self.folder, error)  # as on some network drives

    def _unlock(self) -> None:
        if self._locked is not None:
            os.close(self._locked)
            self._locked = None

    def _prepare(self) -> None:
        note = self.folder / "training.json"
        if self.resume and note.exists():
            before = json.loads(note.read_text(encoding="utf-8"))
            for what, value in self.identity.items():
                if before.get(what) != value:
                    raise ConfigError(
                        f"--resume: the {what} are not those of the training that {self.folder} keeps; "
                        "give the same again, or train from the start without --resume"
                    )
            self.keep_on_failure = True
            self.spent = before["spent"] + self._latest() - note.stat().st_mtime
        elif self.resume:
            log.warning("nothing to resume at %s: training from the start", self.folder)
            self._clear()
        else:
            if note.exists():
                log.warning(
                    "%s held an interrupted training and is cleared; --resume would have continued it",
                    self.folder,
                )
            self._clear()
        write_atomically(note, json.dumps({**self.identity, "spent": self.spent}).encode())

    def _clear(self) -> None:
        for entry in self.folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _latest(self) -> float:
        """Return the time of the last write; work after it is done again."""
        return max(file.stat().st_mtime for file in self.folder.rglob("*"))

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is None:
            self.group.wait()
        over = kind is None or (_is_refusal(kind) and not self.keep_on_failure)
        if not self.kept or (over and self.group.first):
            shutil.rmtree(self.folder, ignore_errors=True)
        self._unlock()


def _is_refusal(kind: type[BaseException]) -> bool:
    """Return whether an error means wrong data or options, so that a resumed training would fail again.

    An unreadable image or a full disk does not: the network drive or the space may be back later.
    """
    return issubclass(kind, DataError | ConfigError | WeightsError) and not issubclass(kind, ImageError)


def workspace_of(output: Path) -> Path:
    """Return the folder in which the training of an output keeps its state."""
    absolute = output.absolute()
    name = shortened(absolute.name, len("..training"), absolute.parent)
    return absolute.parent / f".{name}.training"
