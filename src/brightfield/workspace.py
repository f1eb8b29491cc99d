"""Where a training keeps what it would need to go on after it was killed."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from pathlib import Path

from brightfield.atomic import write_atomically
from brightfield.config import TrainOptions
from brightfield.data.dataset import Dataset
from brightfield.errors import ConfigError, DataError, ImageError
from brightfield.training.processes import Processes

log = logging.getLogger(__name__)


class Workspace:
    """A folder beside the output that is removed once the training is done, or refused.

    Attributes:
        spent: Seconds that the runs before a resumed one took until they last saved something.
    """

    def __init__(
        self,
        output: str | Path | None,
        options: TrainOptions,
        dataset: Dataset,
        resume: bool,
        together: Processes,
    ) -> None:
        self.kept = output is not None
        self.folder = (
            _workspace_of(Path(output)) if output is not None else Path(tempfile.mkdtemp("-brightfield"))
        )
        self.identity = {"options": options.as_dict(), "data": dataset.fingerprint()}
        self.resume = resume
        self.together = together
        self.spent = 0.0

    def __enter__(self) -> Path:
        with self.together.first_goes_first():
            if self.kept and self.together.first:
                self._prepare()
        return self.folder

    def _prepare(self) -> None:
        note = self.folder / "training.json"
        if self.resume and note.exists():
            before = json.loads(note.read_text(encoding="utf-8"))
            for what, value in self.identity.items():
                if before.get(what) != value:
                    raise ConfigError(
                        f"--resume: the {what} are not those of the training that {self.folder} keeps; "
                        "give the same again, or train anew without --resume"
                    )
            self.spent = before["spent"] + self._latest() - note.stat().st_mtime
        else:
            if self.resume:
                log.warning("nothing to resume at %s: training from the start", self.folder)
            shutil.rmtree(self.folder, ignore_errors=True)
        write_atomically(note, json.dumps({**self.identity, "spent": self.spent}).encode())

    def _latest(self) -> float:
        """Return when anything was last written; what came after it is done again."""
        return max(file.stat().st_mtime for file in self.folder.rglob("*"))

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is None:
            self.together.wait()
        over = kind is None or _is_refusal(kind)
        if not self.kept or (over and self.together.first):
            shutil.rmtree(self.folder, ignore_errors=True)


def _is_refusal(kind: type[BaseException]) -> bool:
    """Tell whether the data or the options are wrong, so that nothing can go on from here.

    An image that cannot be read may be there again later, as when a network drive was away.
    """
    return issubclass(kind, DataError | ConfigError) and not issubclass(kind, ImageError)


def _workspace_of(output: Path) -> Path:
    absolute = output.absolute()
    return absolute.parent / f".{absolute.name}.training"
