"""Figures on their way to TensorBoard and MLflow: what is written can be read there."""

from __future__ import annotations

import errno
import logging
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from brightfield.errors import ConfigError
from brightfield.learn.tracking import check_places, record_figures, record_settings, tracked_by


def events(folder: Path) -> list[Any]:
    """Read TensorBoard's files: records of a length, its checksum, a message, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    out = []
    for file in folder.glob("events.out.tfevents.*"):
        data = file.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])
            event = Event()
            event.ParseFromString(data[12 : 12 + size])
            out.append(event)
            data = data[16 + size :]
    return out


def test_tensorboard_gets_every_figure_at_its_step(tmp_path: Path) -> None:
    with tracked_by([f"tensorboard:{tmp_path}"], "a run"):
        record_settings({"options": {"seed": 7}})
        record_figures("train", {"train_loss": 0.5, "learning_rate": 0.1}, 1)
        record_figures("train", {"train_loss": 0.25}, 2)
    record_figures("train", {"train_loss": 9.0}, 3)  # after the block nothing is written
    values = [(v.tag, v.simple_value, e.step) for e in events(tmp_path / "a run") for v in e.summary.value]
    assert ("train/train_loss", 0.5, 1) in values
    assert ("train/train_loss", 0.25, 2) in values
    assert sorted(tag for tag, _, _ in values if tag.startswith("train/")) == [
        "train/learning_rate",
        "train/train_loss",
        "train/train_loss",
    ]
    texts = [
        v.tensor.string_val[0].decode()
        for e in events(tmp_path / "a run")
        for v in e.summary.value
        if "settings" in v.tag
    ]
    assert "| options.seed | 7 |" in texts[0]


@pytest.mark.parametrize(("error", "status"), [(None, "FINISHED"), (KeyboardInterrupt, "KILLED")])
def test_mlflow_gets_every_figure_and_how_it_ended(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
    error: type[BaseException] | None,
    status: str,
) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    place = f"mlflow:{(tmp_path / 'runs').as_uri()}"
    try:
        with tracked_by([place], "a run"):
            record_settings({"options": {"seed": 7}})
            record_figures("fine-tune", {"validation_f1": 0.5}, 1)
            record_figures("fine-tune", {"validation_f1": 0.75}, 2)
            if error is not None:
                raise error
    except KeyboardInterrupt:
        pass
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=(tmp_path / "runs").as_uri())
    experiment = client.get_experiment_by_name("brightfield")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("a run", status)
    assert run.data.params == {"options.seed": "7"}
    history = client.get_metric_history(run.info.run_id, "fine-tune/validation_f1")
    assert [(m.value, m.step) for m in history] == [(0.5, 1), (0.75, 2)]


def test_mlflow_without_a_server_or_a_database_writes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("brightfield.learn.tracking.find_spec", lambda _name: None)
    with tracked_by(["mlflow"], "a run"):
        record_figures("train", {"train_loss": 0.5}, 1)
    (metric,) = (tmp_path / "mlruns").rglob("train_loss")
    assert metric.read_text().split()[1] == "0.5"


@pytest.mark.parametrize("place", ["wandb:x", "tensorboard", "tensorboard:", ""])
def test_a_place_that_is_none_is_refused(place: str) -> None:
    with pytest.raises(ConfigError, match="expected tensorboard:FOLDER, mlflow or mlflow:URI"):
        check_places([place])
    with pytest.raises(ConfigError, match="names no tracker"), tracked_by([place], "a run"):
        pass


@pytest.mark.parametrize(
    ("place", "package"), [("tensorboard:x", "tensorboardX"), ("mlflow", "mlflow.exceptions")]
)
def test_a_missing_package_is_named_with_what_installs_it(
    place: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    wanted = rf"needs {package.partition('.')[0]}.*pip install 'brightfield\[{place.partition(':')[0]}\]'"
    with pytest.raises(ConfigError, match=wanted), tracked_by([place], "a run"):
        pass


def test_a_server_that_is_not_there_is_said_before_the_training() -> None:
    with (
        pytest.raises(ConfigError, match="http://127.0.0.1:9 does not answer"),
        tracked_by(["mlflow:http://127.0.0.1:9"], "a run"),
    ):
        pass


def test_a_place_that_fails_does_not_stop_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tensorboardX import SummaryWriter

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(SummaryWriter, "add_scalar", full)
    with tracked_by([f"tensorboard:{tmp_path}"], "a run"):
        record_figures("train", {"train_loss": 0.5}, 1)
        record_figures("train", {"train_loss": 0.4}, 2)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == [f"no more figures go to tensorboard:{tmp_path}: OSError: no space left"]


def test_a_full_disk_does_not_hold_up_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tensorboardX import SummaryWriter

    def full(writer: SummaryWriter) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    # what would wait for ever is a queue that nobody empties
    written: list[str] = []
    monkeypatch.setattr(SummaryWriter, "add_scalar", lambda writer, name, *_: written.append(name))
    with tracked_by([f"tensorboard:{tmp_path}"], "run"):
        record_figures("train", {"loss": 0.5}, 1)
        monkeypatch.setattr(SummaryWriter, "flush", full)
        for step in range(2, 100):
            record_figures("train", {"loss": 0.5}, step)
    assert len(written) == 1
    assert caplog.text.count("no more figures go to tensorboard") == 1


def test_any_handler_of_the_logger_gets_them() -> None:
    got: list[logging.LogRecord] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            got.append(record)

    logger = logging.getLogger("brightfield.figures")
    listener, level = Listener(), logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    try:
        record_figures("head", {"train_loss": 0.125}, 3)
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
    assert (got[0].getMessage(), vars(got[0])["step"]) == ("head 3: train_loss 0.125", 3)


def test_the_first_place_is_closed_where_the_second_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []

    class Sink:
        def close(self, done: bool) -> None:
            closed.append(done)

    def opened(place: str, run: str) -> Any:
        if place == "second":
            raise ConfigError("second does not answer")
        return Sink()

    monkeypatch.setattr("brightfield.learn.tracking._open", opened)
    with pytest.raises(ConfigError, match="second"), tracked_by(["first", "second"], "a run"):
        raise AssertionError("trained")
    assert closed == [False]
