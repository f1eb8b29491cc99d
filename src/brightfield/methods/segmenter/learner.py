"""The learner of the segmenter, which learns from masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brightfield.data.dataset import Dataset, check_calibration_classes
from brightfield.errors import DataError
from brightfield.methods.base import Fitted, Job
from brightfield.methods.good_parts.checks import check_one_process
from brightfield.methods.segmenter.options import SegmenterOptions

NAME = "segmenter"


class SegmenterLearner:
    """Trains the segmenter on pictures with masks."""

    folds = 0
    good_parts_alone = False

    def __init__(self, options: SegmenterOptions) -> None:
        self.options = options

    @property
    def identity(self) -> Mapping[str, Any]:
        """The method's name: its options are compared anyway."""
        return {"method": NAME}

    def check(self, train: Dataset, calibration: Dataset) -> None:
        """Check that there are a normal class, defective parts with masks, and both kinds to calibrate on.

        Raises:
            DataError: If something is missing.
        """
        if train.normal is None:
            raise DataError(
                f"{NAME} tells defective pixels from good ones, and no class of this data set is the good "
                f"one ({', '.join(train.classes)}): name it with --normal"
            )
        masked = sum(s.mask is not None and s.label != train.normal for s in train.samples)
        if not masked:
            raise DataError(
                f"no defective picture of the training split has a mask, and {NAME} learns from masks: see "
                "brightfield data check, propose masks with brightfield masks, or choose another --method"
            )
        check_calibration_classes(calibration, "raise --calibration, or add pictures")

    def check_processes(self, processes: Any) -> None:
        """Check that there is one process only.

        Raises:
            ConfigError: If there are several.
        """
        check_one_process(processes, NAME)

    def fit(self, job: Job) -> Fitted:
        """Train the segmenter on the training split."""
        from brightfield.methods.segmenter.fit import fit  # here, as it imports torch

        return fit(job, self.options)


def make_learner(options: SegmenterOptions, _dataset: Dataset) -> SegmenterLearner:
    """Return the segmenter's learner."""
    return SegmenterLearner(options)
