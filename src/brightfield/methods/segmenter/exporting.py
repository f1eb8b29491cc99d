"""Export of the segmenter's network to ONNX."""

from __future__ import annotations

import logging

import torch
from torch import nn

from brightfield.engine.network import Network
from brightfield.errors import ConfigError, WeightsError
from brightfield.learn.backbone import BackboneSpec
from brightfield.learn.export import exported
from brightfield.methods.segmenter.fitted import GRAIN, PICTURES, TYPES
from brightfield.methods.segmenter.network import Judge

log = logging.getLogger(__name__)


def export(judge: Judge, tile: int, *, fixed: bool) -> Network:
    """Return a network, which is put in evaluation mode, as ONNX Runtime executes it.

    Args:
        judge: The network.
        tile: The side of the largest pieces that it sees.
        fixed: Whether it takes pieces of that side only.

    Raises:
        WeightsError: If it cannot be exported, or its outputs differ.
    """
    if fixed:
        return exported(judge, [(tile, tile)], (PICTURES, TYPES), {0: "batch"})
    shapes = [(3 * GRAIN, 3 * GRAIN), (2 * GRAIN, 4 * GRAIN), (GRAIN, GRAIN)]
    return exported(judge, shapes, (PICTURES, TYPES), {0: "batch", 2: "height", 3: "width"})


def takes_one_size(net: nn.Module, spec: BackboneSpec) -> bool:
    """Return whether a network can be exported for pieces of one size only.

    A transformer can, as its positions belong to a size. What cannot be exported at all is refused before
    time is spent on training it.

    Args:
        net: The network on the CPU; it is put in evaluation mode.
        spec: Its backbone.

    Raises:
        ConfigError: If it cannot be computed on the smallest pieces, or its maps do not fit together.
        WeightsError: If it cannot be exported.
    """
    _check_computed(net, spec)
    judge = Judge(net)
    if not spec.fixed_size:
        try:
            export(judge, GRAIN, fixed=False)
        except WeightsError as error:
            log.debug("one size of pieces: %s", error)
        else:
            return False
    export(judge, _usual(spec), fixed=True)
    return True


def _check_computed(net: nn.Module, spec: BackboneSpec) -> None:
    side = spec.input_size if spec.fixed_size else GRAIN
    try:
        with torch.no_grad():
            logits = net.eval()(torch.zeros(2, 3, side, side))[0]
        if side % logits.shape[2]:
            raise ValueError(f"the logits have {logits.shape[2]} rows")
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"--backbone {spec.name!r} gives no map of a picture of {side} px with this decoder ({said}); "
            "choose another backbone or --decoder"
        ) from error


def _usual(spec: BackboneSpec) -> int:
    return spec.input_size if spec.fixed_size else -(-spec.input_size // GRAIN) * GRAIN
