"""From a network that was trained in a loop of one's own to an inspector."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from brightfield.data.dataset import Dataset, check_calibration_classes
from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.policy import parse_policy
from brightfield.inspector import Inspector
from brightfield.methods.classifier.own_network import classifier_of
from brightfield.options import TrainOptions
from brightfield.pipeline.agreement import compare
from brightfield.pipeline.calibrate import assemble
from brightfield.pipeline.facts import facts_of
from brightfield.pipeline.preflight import Ready, check_calibration, check_labels
from brightfield.progress import Progress, silent


def inspector_of(
    trunk: nn.Module,
    head: nn.Linear,
    data: Dataset,
    preprocessing: Preprocessing,
    *,
    policy: str = "auto",
    progress: Progress | None = None,
) -> Inspector:
    """Make an inspector of a trained torch network, whose logits are `head(trunk(x).mean((2, 3)))`.

    The data set's split `calibration`, which the network must not have learned from, calibrates it and
    chooses the threshold. The network itself is copied and left as it is.

    Args:
        trunk: A normalised batch (N, 3, H, W) to maps (N, C, h, w), such as a ResNet up to its pooling.
        head: From C means to logits, one for each class of the data, in their order: the normal one first.
        data: With a split for every image.
        preprocessing: What happened to every image before the network saw it; tiles are what it saw.
        policy: What chooses the threshold.
        progress: Told of every stage.

    Raises:
        ConfigError: If trunk, head and classes do not fit together.
        DataError: If the calibration split does not suffice.
        WeightsError: If ONNX Runtime cannot run the network.
        AgreementError: If the inspector judges otherwise than the network.
    """
    begin = time.perf_counter()
    tell = progress or silent
    options = TrainOptions(method="classifier", normal=data.normal, policy=policy)
    wanted = parse_policy(policy)
    check_labels(data)
    calibration = data.split("calibration")
    check_calibration_classes(calibration, "share the images out with a larger share to calibrate on")
    check_calibration(calibration, wanted)
    ready = Ready(data, calibration, duplicates=np.arange(len(data.split("train"))), folds=None)
    with tempfile.TemporaryDirectory() as folder:
        fitted = classifier_of(trunk, head, data, preprocessing, Path(folder))
        inspector = assemble(ready, fitted, wanted, tell)
        agreement = compare(inspector, fitted, [s.image for s in calibration.samples], tell)
    facts = facts_of(ready, fitted, options, time.perf_counter() - begin)
    return replace(inspector, facts={**facts, "agreement": agreement})
