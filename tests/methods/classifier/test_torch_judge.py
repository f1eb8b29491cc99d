"""The network that learned judges pictures in float32, whatever it learned in, and is left as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.spec import HeadSpec
from brightfield.learn.backbone import build_trunk
from brightfield.learn.network import build_network
from brightfield.learn.runtime import pick_runtime
from brightfield.methods.classifier.torch_judge import judge_with_torch

RULE = Preprocessing(8, 128, False, 64, 0, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.mark.parametrize("normal", [1, None])
def test_pictures_are_judged_by_their_tiles_in_every_view(normal: int | None) -> None:
    torch.manual_seed(0)
    spec = HeadSpec(taps=(-1,), dropout=0.5)
    net = build_network(build_trunk("test_resnet"), 3, spec, pick_runtime("cpu", "bfloat16"))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (64, width, 3), dtype=np.uint8) for width in (128, 64)]
    found = judge_with_torch(net.train(), RULE, normal, ("plain", "mirror"), pictures)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert found.logits is not None
    for row, picture in enumerate(pictures):
        tiles = np.stack(np.split(picture, picture.shape[1] // 64, axis=1))
        x = torch.tensor((tiles / 255 - np.array(RULE.mean)) / np.array(RULE.std), dtype=torch.float32)
        with torch.no_grad():
            x = x.permute(0, 3, 1, 2)
            each = ((net(x) + net(x.flip(-1))) / 2).numpy()
        odds = np.log(np.exp(each[:, [0, 2]]).sum(1)) - each[:, 1]
        expected = each.mean(0) if normal is None else each[odds.argmax()]
        assert found.logits[row] == pytest.approx(expected, abs=1e-5)
        top = np.sort(expected)[::-1]
        assert found.defect[row] == pytest.approx(top[0] - top[1] if normal is None else odds.max(), abs=1e-5)
