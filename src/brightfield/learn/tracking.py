"""Tracking of a training's figures with TensorBoard or MLflow.

Training code calls `record_settings` and `record_figures`, which log to the logger `brightfield.figures`;
`tracked_by` attaches handlers that write the records to trackers. Any other `logging.Handler` of that logger
gets them too, as the attributes `stage`, `figures` and `step`, or `settings`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from brightfield.errors import ConfigError

log = logging.getLogger(__name__)
_figures = logging.getLogger("brightfield.figures")

EXPERIMENT = "brightfield"


def record_figures(stage: str, figures: Mapping[str, float], step: int) -> None:
    """Record figures by name, of a stage, at a step (the epoch's number, from 1)."""
    text = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    _figures.info("%s %d: %s", stage, step, text, extra={"stage": stage, "figures": figures, "step": step})


def record_settings(settings: Mapping[str, Any]) -> None:
    """Record the settings of a training, by name; they may be nested."""
    _figures.debug("settings: %s", json.dumps(settings, default=str), extra={"settings": settings})


class Sink(Protocol):
    """A tracker to which figures are written."""

    def figure(self, name: str, value: float, step: int) -> None:
        """Write one figure."""

    def settings(self, values: Mapping[str, Any]) -> None:
        """Write settings by their dotted names."""

    def close(self, done: bool) -> None:
        """Flush and close; `done` says whether the training was completed."""


@contextlib.contextmanager
def tracked_by(places: Sequence[str], run: str) -> Iterator[None]:
    """Write all figures and settings recorded inside the block to trackers.

    Args:
        places: The trackers: `tensorboard:FOLDER` (the run gets a folder in it), `mlflow` (at
            MLFLOW_TRACKING_URI, else in the folder `mlruns` or at MLflow's own default) or `mlflow:URI`.
        run: The name of the run.

    Raises:
        ConfigError: If a tracker's name is wrong, its package is not installed, or it does not answer.
    """
    done = False
    before = _figures.level
    handlers: list[_Writer] = []
    try:
        for place in places:
            handlers.append(_Writer(place, _open(place, run)))
        for handler in handlers:
            _figures.addHandler(handler)
        if handlers:
            _figures.setLevel(logging.DEBUG)
        yield
        done = True
    finally:
        _figures.setLevel(before)
        for handler in handlers:
            _figures.removeHandler(handler)
            handler.finish(done)


def check_places(places: Sequence[str]) -> None:
    """Raise ConfigError if the name of a tracker is wrong."""
    for place in places:
        _kind(place)


class _Writer(logging.Handler):
    """Writes records to a tracker; after an error it writes no more, so that the training goes on."""

    def __init__(self, place: str, sink: Sink) -> None:
        super().__init__()
        self.place = place
        self.sink: Sink | None = sink

    def emit(self, record: logging.LogRecord) -> None:
        fields = vars(record)
        if "settings" in fields:
            settings = _flat(fields["settings"])
            self._do(lambda sink: sink.settings(settings))
        elif "figures" in fields:
            for name, value in fields["figures"].items():
                self._write(f"{fields['stage']}/{name}", float(value), int(fields["step"]))

    def finish(self, done: bool) -> None:
        """Close the tracker."""
        self._do(lambda sink: sink.close(done))

    def _write(self, name: str, value: float, step: int) -> None:
        self._do(lambda sink: sink.figure(name, value, step))

    def _do(self, action: Callable[[Sink], None]) -> None:
        if self.sink is None:
            return
        try:
            action(self.sink)
        except Exception as e:  # noqa: BLE001 - whatever a server or its client comes up with
            self.sink = None
            log.warning("no more figures go to %s: %s: %s", self.place, type(e).__name__, e)


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested values as a flat dictionary with dotted names."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            out.update(_flat(value, f"{before}{name}."))
        else:
            out[f"{before}{name}"] = value
    return out


def _kind(place: str) -> tuple[str, str]:
    kind, _, where = place.partition(":")
    if kind not in _SINKS or (kind == "tensorboard" and not where):
        raise ConfigError(
            f"--log {place!r} names no tracker; expected tensorboard:FOLDER, mlflow or mlflow:URI"
        )
    return kind, where


def _open(place: str, run: str) -> Sink:
    kind, where = _kind(place)
    return _SINKS[kind](where, run)


class _TensorBoard:
    def __init__(self, where: str, run: str) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ModuleNotFoundError as e:
            raise _not_installed("tensorboard", e) from e
        try:
            self.writer: Any = SummaryWriter(str(Path(where) / run))
        except OSError as e:
            raise ConfigError(f"--log tensorboard: {where} cannot be written to: {e}") from e
        self.step: int | None = None

    def figure(self, name: str, value: float, step: int) -> None:
        if step != self.step:
            # on a full disk the writer's thread ends, and a later add_scalar would wait for ever: flushing
            # here raises the error here
            self.writer.flush()
            self.step = step
        self.writer.add_scalar(name, value, step)

    def settings(self, values: Mapping[str, Any]) -> None:
        # a table in Markdown, which TensorBoard shows as one
        rows = "\n".join(f"| {name} | {value} |" for name, value in values.items())
        self.writer.add_text("settings", f"| | |\n|---|---|\n{rows}")

    def close(self, done: bool) -> None:
        self.writer.close()


class _MLflow:
    def __init__(self, where: str, run: str) -> None:
        # without these, MLflow sends telemetry, and retries for minutes when a server does not answer
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        # a folder of files is the only store that needs neither a server nor a database
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        if not where and "MLFLOW_TRACKING_URI" not in os.environ and find_spec("sqlalchemy") is None:
            where = Path("mlruns").absolute().as_uri()  # MLflow's own default would be a database
        try:
            from mlflow.exceptions import MlflowException
            from mlflow.tracking import MlflowClient
        except ModuleNotFoundError as e:
            raise _not_installed("mlflow", e) from e
        try:
            self.client: Any = MlflowClient(tracking_uri=where or None)
            found = self.client.get_experiment_by_name(EXPERIMENT)
            experiment = found.experiment_id if found else self.client.create_experiment(EXPERIMENT)
            self.run: str = self.client.create_run(experiment, run_name=run).info.run_id
        except (MlflowException, OSError) as e:
            why = "does not answer" if where.startswith("http") else "cannot be used"
            raise ConfigError(f"--log mlflow: {where or 'its default place'} {why}: {e}") from e

    def figure(self, name: str, value: float, step: int) -> None:
        self.client.log_metric(self.run, name, value, step=step)

    def settings(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self.client.log_param(self.run, name, value)

    def close(self, done: bool) -> None:
        self.client.set_terminated(self.run, "FINISHED" if done else "KILLED")


def _not_installed(what: str, error: ModuleNotFoundError) -> ConfigError:
    return ConfigError(
        f"--log {what} needs {error.name}, which is not installed: pip install 'brightfield[{what}]'"
    )


_SINKS: dict[str, Callable[[str, str], Sink]] = {"tensorboard": _TensorBoard, "mlflow": _MLflow}
