"""How a successor is made: by new good parts in a memory bank where that will do, else trained anew."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.policy import parse_policy
from brightfield.errors import ConfigError, said_if_missing
from brightfield.inspector import Inspector
from brightfield.methods.base import SeenAs
from brightfield.methods.declared import options_of
from brightfield.methods.registry import METHODS
from brightfield.options import AUTO, TrainOptions, declared_by, make_options
from brightfield.pipeline.choice import choose_method
from brightfield.pipeline.old_and_new import OldAndNew
from brightfield.pipeline.successor_data import SuccessorData
from brightfield.pipeline.update import Taking, facts_of_update, known_places, taken_in
from brightfield.progress import Progress

log = logging.getLogger(__name__)

TRAINED, UPDATED = "trained", "updated"
"""How a successor was made."""

KEPT = ("normal", "roi", "rules", "mm_per_pixel", "resplit")
"""Options that a successor has from the inspector before, and that cannot be changed."""

_HARMLESS = ("policy", "test", "calibration", "seed")
"""Options that may differ where a memory bank is updated."""

_OWN_SIZE = ("method", "image_size", "tile", "backbone", "recipe", "time_budget")
"""Options with which a successor sees pictures in its own way instead of as the inspector before."""


@dataclass(frozen=True)
class Making:
    """What a successor is made of.

    Attributes:
        base: The inspector before.
        bundle: Its bundle.
        output: The successor's bundle.
        data: Its data.
        parts: Old and new pictures, and what has changed of them.
        changed: Options that differ from those of the inspector before.
        anew: Whether to train anew even where a memory bank could be updated.
        resume: Whether to continue an interrupted training of the same output.
        kept_features: The folder in which features are kept from one training to the next, or None.
        progress: Callback for progress reports.
    """

    base: Inspector
    bundle: Path
    output: Path
    data: SuccessorData
    parts: OldAndNew
    progress: Progress
    changed: Mapping[str, Any] = field(default_factory=dict)
    anew: bool = False
    resume: bool = False
    kept_features: Path | None = None

    @property
    def options(self) -> TrainOptions:
        """The options of the successor."""
        return successor_options(self.base, self.changed)


@dataclass(frozen=True)
class Made:
    """A successor as it was made.

    Attributes:
        inspector: The successor; its facts have no lineage yet.
        how: `TRAINED` or `UPDATED`.
        recorded: What the lineage says of that.
        data: Its data; an update may let more pictures teach.
    """

    inspector: Inspector
    how: str
    recorded: Mapping[str, Any]
    data: SuccessorData


def successor_options(base: Inspector, changed: Mapping[str, Any]) -> TrainOptions:
    """Return the options of a successor: those that the inspector before was trained with, but for some.

    The method is the one that the inspector has, also where `auto` chose it.

    Args:
        base: The inspector before.
        changed: Options by name that differ.

    Raises:
        ConfigError: If an option cannot be changed, is unknown to the method, or is out of range.
    """
    wrong = [name for name in KEPT if changed.get(name) is not None]
    if wrong:
        raise ConfigError(
            f"--{wrong[0].replace('_', '-')}: a successor has this from the inspector before it; remove it, "
            "or train an inspector of its own"
        )
    recorded = dict((base.facts.get("training") or {}).get("options") or {})
    method = str(changed.get("method") or base.method.name)
    known = set(options_of(TrainOptions))
    known |= {name for m in (METHODS if method == AUTO else (method,)) for name in declared_by(m)}
    values = {name: value for name, value in recorded.items() if name in known}
    values |= {"method": method, "normal": base.normal, "mm_per_pixel": base.mm_per_pixel}
    values["policy"] = _policy(base, str(values.get("policy", AUTO)))
    values |= {"resplit": False, "roi": None, "rules": None}  # what these named is in the bundle
    return make_options({**values, **changed})


def _policy(base: Inspector, trained: str) -> str:
    """Return the policy of a successor: that of the inspector before, as it stands now.

    Args:
        base: The inspector before.
        trained: The policy that it was trained with; its threshold may have been chosen again since.
    """
    point = base.operating_point
    if point is None:
        return trained
    chosen = parse_policy(point.policy).clauses[0].name
    by_good_parts = trained == AUTO and chosen == "overkill"  # more of them may prove a smaller bound
    return balance_kept(point) or (trained if by_good_parts else point.policy)


def balance_kept(point: OperatingPoint) -> str | None:
    """Return the policy that finds as large a share of the defects as a threshold chosen by F1 does.

    So it is for Youden's sum. Where either is greatest is a matter of a few calibration parts, and the next
    training would trade escapes for overkills, or the reverse, by chance.

    Args:
        point: The operating point of the inspector before.

    Returns:
        The policy; None where another one chose the threshold, or no defect is found by it.
    """
    found = point.n_defect - point.escapes
    if str(parse_policy(point.policy)) not in ("f1", "youden") or not found:
        return None
    return f"recall={found / point.n_defect!r}"


def make_successor(making: Making, folder: Path) -> Made:
    """Make a successor.

    Args:
        making: What it is made of.
        folder: A folder for what is needed meanwhile.

    Raises:
        InputError: If the data or the options are wrong; the message says how to correct it.
        AgreementError: If the inspector disagrees with the trained network.
    """
    why = why_anew(making)
    if why is not None:
        log.info("the successor is trained anew: %s", why)
        return _trained(making)
    return _updated(making, folder)


def why_anew(making: Making) -> str | None:
    """Return why a memory bank cannot just take the new good parts in; None if it can."""
    base, data = making.base, making.data
    entry = METHODS.get(base.method.name)
    if making.anew:
        return "it was asked for"
    if entry is None or entry.update is None:
        return f"the method {base.method.name} has to be trained"
    others = sorted(n for n, value in making.changed.items() if value is not None and n not in _HARMLESS)
    if others:
        return f"other options were given ({', '.join(others)})"
    if data.unlearned or any(r.split == "train" for r in making.parts.relabelled):
        return "pictures that it learned from are no longer good parts to learn from"
    fresh = zip(data.placed.samples, data.seen, strict=True)
    if not any(s.split == "train" and s.label == base.normal and seen is None for s, seen in fresh):
        return "there is no new good part to take in"
    return None


def _updated(making: Making, folder: Path) -> Made:
    base, data, policy = making.base, making.data, making.options.policy
    asked = making.changed.get("policy") is not None
    how = Taking(base, policy, asked, folder, making.progress)
    inspector, placed, recorded = taken_in(how, data.given, data.placed, data.seen)
    places = known_places(base, making.bundle, making.output, making.parts.places)
    inspector = replace(inspector, facts=facts_of_update(base, placed, policy, recorded, places))
    return Made(inspector, UPDATED, recorded, replace(data, placed=placed))


def _trained(making: Making) -> Made:
    with said_if_missing():
        from brightfield.learn.processes import processes  # here, as an update needs no torch
        from brightfield.pipeline.train import Request, train_as

    if processes().world > 1:
        raise ConfigError("retrain runs in one process; start it without torchrun")
    base, options = making.base, making.options
    request = Request(
        options=options,
        policy=parse_policy(options.policy),
        output=making.output,
        resume=making.resume,
        region=base.preprocessing.region,
        progress=making.progress,
        duplicates=np.array(making.data.duplicates, dtype=np.intp),
        rules=base.rules,
        save=False,
        seen_as=_seen_as(base, making.changed),
        kept_features=making.kept_features,
    )
    inspector = train_as(request, making.data.placed)
    places = known_places(base, making.bundle, making.output, making.parts.places)
    fingerprints = {**inspector.facts["fingerprints"], "data_places": places}
    held_out = {
        content: split for content, split in base.splits.items() if split != "train" and making.parts.missing
    }
    found = inspector.facts["training"].get("kept_features")
    return Made(
        replace(
            inspector,
            facts={**inspector.facts, "fingerprints": fingerprints},
            splits={**held_out, **inspector.splits},
        ),
        TRAINED,
        {} if found is None else {"kept_features": found},
        making.data,
    )


def _seen_as(base: Inspector, changed: Mapping[str, Any]) -> SeenAs | None:
    """Return how the inspector before sees pictures, which its successor keeps unless options differ."""
    training = base.facts.get("training") or {}
    views = training.get("views")
    if views is None or any(changed.get(name) is not None for name in _OWN_SIZE):
        return None
    learned = views.get("learned", len(views["names"]))
    return SeenAs(base.preprocessing, int(learned), str(training.get("plan")))


def note_on_method(making: Making) -> str | None:
    """Return a note if `auto` would now choose another method; None if not, or if a method was named."""
    options = making.options
    if making.base.normal is None or making.changed.get("method") is not None:
        return None
    free = replace(options, method=AUTO, own={})
    now = choose_method(making.data.placed, free)
    if now.method == options.method:
        return None
    why = "" if now.reason is None else f": {now.reason}"
    return (
        f"the successor has the method {options.method}, as the inspector before; of these pictures `auto` "
        f"would now choose {now.method}{why}. --method {now.method} trains and compares that"
    )
