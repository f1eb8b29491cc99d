"""Train a successor from old and new pictures, and accept it only if it is no worse."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from brightfield.bundle import check_replaceable, read_bundle
from brightfield.data.dataset import Dataset
from brightfield.evaluation.gate import FEWEST_TO_RANK, Demands, Gate, Pair, compare_successor
from brightfield.evaluation.metrics import auroc
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.run import Evaluation
from brightfield.evaluation.side_by_side import evaluate_beside, judge_both
from brightfield.inspector import Inspector
from brightfield.pipeline.lineage import gate_in_short, step_of, with_step
from brightfield.pipeline.old_and_new import find_old, join_old_and_new, load_parts, said_of
from brightfield.pipeline.successor import Made, Making, make_successor, note_on_method, successor_options
from brightfield.pipeline.successor_data import SuccessorData, load_golden, share_out
from brightfield.progress import Progress, silent, with_prefix

OLD, NEW = "old", "new"
"""Where a test picture comes from: the inspector before was tested on it, or it is a new one."""

SWAPPED = 0.3
"""Below this AUROC labels look swapped: a new look of the parts makes the scores useless, not reversed."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a retraining.

    Attributes:
        old: The data set that the inspector before was trained on; None to find it by the bundle.
        golden: The golden set, a labelled data set of pictures that must be decided rightly; None without.
        demands: When the successor is accepted.
        changed: Options by name that differ from those that the inspector before was trained with.
        anew: Whether to train anew even where a memory bank could be updated.
        resume: Whether to continue an interrupted training of the same output.
        kept_features: The folder in which features are kept from one training to the next; None keeps none.
        keep_refused: Where a refused successor is kept; None keeps none.
    """

    old: str | Path | None = None
    golden: str | Path | None = None
    demands: Demands = field(default_factory=Demands)
    changed: Mapping[str, Any] = field(default_factory=dict)
    anew: bool = False
    resume: bool = False
    kept_features: Path | None = None
    keep_refused: Path | None = None


@dataclass(frozen=True)
class Retrained:
    """A successor, and whether it was accepted.

    Attributes:
        inspector: The successor.
        parent: The inspector before.
        gate: The outcome of the gate.
        by_origin: The same figures on the old and on the new test pictures apart, which decide nothing.
        step: What its lineage says of this retraining.
        evaluation: The successor's evaluation on the test pictures; None without any.
        bundle: Where it was written; None where it was refused and not kept.
        notes: What a reader should know.
    """

    inspector: Inspector = field(repr=False)
    parent: Inspector = field(repr=False)
    gate: Gate
    by_origin: Mapping[str, Gate]
    step: Mapping[str, Any]
    evaluation: Evaluation | None = field(default=None, repr=False)
    bundle: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the gate accepted the successor."""
        return self.gate.accepted


def retrain(
    bundle: str | Path,
    data: str | Path,
    output: str | Path,
    asked: Asked | None = None,
    *,
    progress: Progress | None = None,
) -> Retrained:
    """Train a successor from old and new pictures, compare it, and save it if it is accepted.

    Pictures are known by their SHA-256: those that the bundle knows stay in their split, so that what tested
    or calibrated the inspector before never teaches its successor. Of the new pictures some are held out.
    Golden pictures, and those that show the same part, are kept out of the training.

    Args:
        bundle: The bundle of the inspector before.
        data: The new pictures, labelled, or old and new ones together.
        output: The bundle to write.
        asked: What is asked; None for the defaults.
        progress: Callback for progress reports.

    Raises:
        InputError: If the bundle, the data or the options are wrong, or nothing is left to compare on.
    """
    begin, tell = time.perf_counter(), progress or silent
    asked = asked or Asked()
    for place in (output, asked.keep_refused):
        if place is not None:
            check_replaceable(Path(place))
    base = Inspector.load(bundle)
    options = successor_options(base, asked.changed)  # a wrong one is an error before anything is read
    new = load_parts(data, base)
    golden = load_golden(asked.golden, base, new)
    parts = join_old_and_new(base, find_old(base, Path(bundle), new, asked.old), new)
    with tempfile.TemporaryDirectory(suffix="-brightfield") as folder:
        ready = share_out(base, parts, golden, options, Path(folder), tell)
        same = {name: getattr(asked, name) for name in ("changed", "anew", "resume", "kept_features")}
        making = Making(base, Path(bundle), Path(output), ready, parts, tell, **same)
        made = make_successor(making, Path(folder))
    made_at = time.perf_counter()
    tested = _tested(base, made, golden, tell)
    gate = compare_successor(tested.pair, asked.demands, tested.golden)
    step = {
        **step_of(base, Path(bundle), parts, new, made.data.placed),
        **{"how": made.how, **made.recorded, "gate": gate_in_short(gate, golden)},
        "making_seconds": round(made_at - begin, 1),
        "seconds": round(time.perf_counter() - begin, 1),
    }
    inspector = with_step(made.inspector, base, step)
    written = Path(output) if gate.accepted else asked.keep_refused
    return Retrained(
        inspector=_saved(inspector, tested.evaluation, written),
        parent=base,
        gate=gate,
        by_origin=_by_origin(tested, made.data, asked.demands),
        step=step,
        evaluation=tested.evaluation,
        bundle=written,
        notes=(*said_of(parts), *ready.notes, *_further(making, tested, made.data)),
    )


def _saved(inspector: Inspector, evaluation: Evaluation | None, place: Path | None) -> Inspector:
    """Return the inspector with the figures of its evaluation, saved where a place is given."""
    measured = inspector if evaluation is None else inspector.with_metrics(evaluation.metrics)
    if place is None:
        return replace(measured, sha256=None)
    measured.save(place)
    return replace(measured, sha256=str(read_bundle(place).manifest["sha256"]))


@dataclass(frozen=True)
class _Tested:
    """Both inspectors' predictions: on the test pictures, and on the golden ones; None without any."""

    pair: Pair | None
    golden: Pair | None
    evaluation: Evaluation | None


def _tested(base: Inspector, made: Made, golden: Dataset | None, tell: Progress) -> _Tested:
    test = made.data.placed.split("test")
    pair = evaluation = None
    if len(test):
        *both, evaluation = evaluate_beside(base, made.inspector, test, tell)
        pair = (both[0], both[1])
    replayed = None
    if golden is not None:
        replayed = judge_both(base, made.inspector, golden, with_prefix("golden set", tell))
    return _Tested(pair, replayed, evaluation)


def _by_origin(tested: _Tested, data: SuccessorData, demands: Demands) -> dict[str, Gate]:
    """Return the figures on old and on new test pictures, where there are both."""
    if tested.pair is None:
        return {}
    fresh = _fresh(data)
    images = set(tested.pair[0].images)
    origins = {OLD: images - fresh, NEW: images & fresh}
    if not all(origins.values()):
        return {}
    before, after = tested.pair
    return {
        name: compare_successor((before.only(of), after.only(of)), demands) for name, of in origins.items()
    }


def _fresh(data: SuccessorData) -> set[str]:
    """Return the names of the pictures that the inspector before did not know."""
    return {s.image for s, seen in zip(data.placed.samples, data.seen, strict=True) if seen is None}


def _further(making: Making, tested: _Tested, data: SuccessorData) -> list[str]:
    note = note_on_method(making)
    of_test = [] if tested.evaluation is None else list(tested.evaluation.notes)
    swapped = None if tested.pair is None else on_swapped_labels(tested.pair[0], _fresh(data))
    return [said for said in (note, swapped, *of_test) if said is not None]


def on_swapped_labels(before: Predictions, fresh: Collection[str]) -> str | None:
    """Return a note where the inspector before ranks new test pictures against their labels, else None.

    Args:
        before: Its predictions on the test pictures.
        fresh: The names of the new pictures.
    """
    images = set(before.images) & set(fresh)
    if before.normal is None or not images:
        return None
    new = before.only(images)
    defect = new.is_defect
    if min(int(defect.sum()), int((~defect).sum())) < FEWEST_TO_RANK:
        return None
    ranked = auroc(defect, new.scores)
    if ranked is None or ranked >= SWAPPED:
        return None
    return (
        f"the labels of the new pictures look swapped: on the {len(new):,} of them in the test the inspector "
        f"before has an AUROC of {ranked:.3f}, where chance has 0.5 and right labels more; look whether good "
        f"parts are in the folder {before.normal!r} and defective ones in the others"
    )
