"""A classifier of a network that was trained in a loop of one's own."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from brightfield.data.cache import build_cache
from brightfield.data.dataset import Dataset
from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.spec import HeadSpec
from brightfield.errors import ConfigError
from brightfield.learn.backbone import BackboneSpec, Trunk
from brightfield.learn.frozen import frozen_trunk
from brightfield.learn.network import TileNet, build_network
from brightfield.learn.runtime import pick_runtime
from brightfield.methods.base import Fitted
from brightfield.methods.classifier.fitted import Classifier
from brightfield.methods.classifier.torch_judge import judge_with_torch

NAME = "own network"
_VIEWS = ("plain",)


class OwnTrunk(Trunk):
    """A network of one's own without its classifier: a normalised batch (N, 3, H, W) to its last map."""

    def __init__(self, net: nn.Module, channels: int, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.net = net
        self.stage_ends = ()
        side = preprocessing.tile
        self.spec = BackboneSpec(
            name=NAME,
            channels=(channels,),
            strides=(max(1, round(side / _places(net, side, channels))),),
            mean=preprocessing.mean,
            std=preprocessing.std,
            input_size=side,
            fixed_size=True,  # nobody said that it takes another
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the last map of a normalised batch."""
        return [self.net(x)]


def classifier_of(
    trunk: nn.Module, head: nn.Linear, data: Dataset, preprocessing: Preprocessing, folder: Path
) -> Fitted:
    """Return the classifier `head(trunk(x).mean((2, 3)))` for the engine, with the images that calibrate.

    Args:
        trunk: A normalised batch (N, 3, H, W) to maps (N, C, h, w). It is copied, and left as it is.
        head: From C means to logits, one for each class of the data, in their order.
        data: Its split `calibration` is decoded.
        preprocessing: What happened to every image before the network saw it.
        folder: Where the decoded images are kept.

    Raises:
        ConfigError: If trunk, head and classes do not fit together.
        WeightsError: If ONNX Runtime cannot run the network.
    """
    if head.out_features != len(data.classes):
        raise ConfigError(
            f"the head gives {head.out_features} logits, and the data set has {len(data.classes)} classes "
            f"({', '.join(data.classes)}); expected one logit a class, in that order"
        )
    net = _joined(trunk, head, preprocessing)
    normal = data.normal_index
    cache = build_cache(
        [s.path for s in data.split("calibration").samples],
        rule=preprocessing,
        folder=folder,
    )
    method = Classifier(
        frozen_trunk(net, preprocessing.tile),
        net.head.fitted(),
        preprocessing,
        normal=normal,
        views=_VIEWS,
        backbone=net.trunk.spec.as_dict(),
    )
    return Fitted(
        method=method,
        preprocessing=preprocessing,
        cache=cache,
        history=[],
        out_of_fold=None,
        facts={"recipe": {"name": NAME}, "plan": f"tiles of {preprocessing.tile} px, as it was trained"},
        weights_licence="not stated",
        weights_sha256=None,
        learned=partial(judge_with_torch, net, preprocessing, normal, _VIEWS),
    )


def _joined(trunk: nn.Module, head: nn.Linear, preprocessing: Preprocessing) -> TileNet:
    """Return copies of a trunk and a linear head as one network of ours."""
    own = OwnTrunk(copy.deepcopy(trunk).cpu().float(), head.in_features, preprocessing)
    net = build_network(own, head.out_features, HeadSpec(), pick_runtime("cpu"))
    with torch.no_grad():
        net.head.weights[0].copy_(head.weight.T[None])  # (1, C, K)
        net.head.biases[0].zero_()
        if head.bias is not None:
            net.head.biases[0].add_(head.bias.cpu())
    return net.eval()


def _places(net: nn.Module, side: int, channels: int) -> int:
    """Return the height of the map of a picture, which says how coarse it is.

    Raises:
        ConfigError: If what comes out is no map with these channels.
    """
    with torch.no_grad():
        found = net.eval()(torch.zeros(1, 3, side, side))
    shape = tuple(found.shape) if isinstance(found, Tensor) else None
    if shape is None or len(shape) != 4 or shape[1] != channels:
        what = type(found).__name__ if shape is None else f"a tensor {shape}"
        raise ConfigError(
            f"the trunk makes {what} of a batch (1, 3, {side}, {side}); expected maps (1, {channels}, h, w), "
            f"whose means the head's {channels} inputs are: leave out pooling and what comes after it"
        )
    return shape[2]
