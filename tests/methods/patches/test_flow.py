"""The flow against automatic differentiation, and what training and export make of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from brightfield.methods.patches.flow import FlowDistance, FlowInTorch, FlowNet, exported_flow, train_flow
from brightfield.progress import silent


def drawn(width: int, seed: int = 0) -> FlowNet:
    """Return a flow whose steps are not the identity, in double precision."""
    net = FlowNet(width, seed).double()
    torch.manual_seed(seed)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return net


@pytest.mark.parametrize(("width", "height", "across"), [(4, 2, 3), (5, 3, 2), (2, 1, 1)])
def test_the_volume_factor_is_that_of_the_jacobian(width: int, height: int, across: int) -> None:
    net = drawn(width)
    x = torch.randn(1, width, height, across, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: net(v)[0], x)
    size = x.numel()
    _, expected = torch.linalg.slogdet(jacobian.reshape(size, size))
    volume = net(x)[1]
    assert volume.shape == (1, height, across)
    assert float(volume.detach().sum()) == pytest.approx(float(expected), abs=1e-8)


def test_a_flow_begins_as_a_permutation() -> None:
    x = torch.randn(2, 6, 3, 3)
    mapped, volume = FlowNet(6, 0)(x)
    assert not volume.any()
    assert torch.equal(mapped.sort(1).values, x.sort(1).values)
    expected = x.square().mean(1).sqrt()
    assert torch.allclose(FlowDistance(FlowNet(6, 0))(x), expected, atol=1e-6)


def test_exported_it_gives_what_it_gives_in_torch() -> None:
    net = FlowDistance(drawn(8, 1).float()).eval()
    flow, in_torch = exported_flow(net, 8, (6, 6)), FlowInTorch(net)
    for count, height, width in ((1, 6, 6), (3, 6, 6), (2, 4, 9), (1, 1, 1)):
        patches = np.random.default_rng(count).normal(size=(count, height, width, 8)).astype(np.float32)
        found = flow.distances(patches)
        assert found.shape == (count, height, width)
        assert np.allclose(found, in_torch.distances(patches), rtol=1e-4, atol=1e-5)


def drift(seed: int, n: int = 40) -> np.ndarray:
    """Return patches whose second half follows from the first, as those of good parts do."""
    half = np.random.default_rng(seed).normal(size=(n, 5, 5, 3))
    return np.concatenate([half, np.tanh(2 * half)], 3).astype(np.float16)


def test_training_tells_good_patches_from_others() -> None:
    good, inside = drift(0, 160), np.ones((160, 5, 5), np.bool_)
    told: list[tuple[str, int, int]] = []
    net, history = train_flow(
        good,
        inside,
        epochs=25,
        seed=0,
        precision=torch.float32,
        progress=lambda *args: told.append(args),
    )
    assert [row["epoch"] for row in history] == list(range(1, 26))
    assert history[-1]["loss"] < history[0]["loss"] - 0.2
    assert told[-1] == ("flow", 25, 25)
    shuffled = drift(1)
    # each value alone is as usual, but they do not belong together
    shuffled[..., 3:] = (
        np.random.default_rng(3).permutation(shuffled[..., 3:].reshape(-1, 3)).reshape(40, 5, 5, 3)
    )
    detector = FlowInTorch(net)
    new, odd = (detector.distances(p.astype(np.float32)) for p in (drift(2), shuffled))
    assert np.median(odd) > 1.3 * np.median(new)


def test_training_is_repeatable_and_learns_nothing_from_cells_that_do_not_count() -> None:
    good, inside = drift(0, 20), np.ones((20, 5, 5), np.bool_)

    def loss(counted: np.ndarray) -> float:
        _, history = train_flow(good, counted, epochs=2, seed=3, precision=torch.float32, progress=silent)
        return history[-1]["loss"]

    assert loss(inside) == loss(inside) != 0
    assert loss(~inside) == 0
