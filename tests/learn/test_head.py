"""Heads and the pooling of tiles, against numpy written out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from brightfield.engine.spec import HeadSpec
from brightfield.learn.head import HeadEnsemble, defect_log_odds, pool_maps, pool_tiles


def gelu(x: float) -> float:
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


@pytest.mark.parametrize("hidden", [(), (5,), (5, 4)])
def test_the_ensemble_is_the_mean_of_its_members(hidden: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    spec = HeadSpec(hidden=hidden, members=3, dropout=0.4)
    head = HeadEnsemble(4, 2, spec).eval()
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    head.standardise(torch.from_numpy(x * 3 + 1))
    scaled = (x - (x * 3 + 1).mean(0)) / (x * 3 + 1).std(0)
    members = []
    for m in range(3):
        h = scaled
        for layer, (w, b) in enumerate(zip(head.weights, head.biases, strict=True)):
            if layer:
                h = np.vectorize(gelu)(h)
            h = h @ w[m].detach().numpy() + b[m].detach().numpy()
        members.append(h)
    assert np.allclose(head.each(torch.from_numpy(x)).detach().numpy(), members, atol=1e-5)
    assert np.allclose(head(torch.from_numpy(x)).detach().numpy(), np.mean(members, 0), atol=1e-5)


def ones(members: int, dropout: float, hidden: tuple[int, ...] = ()) -> HeadEnsemble:
    """Return a head whose logits are sums of what is not dropped."""
    head = HeadEnsemble(4000, 2, HeadSpec(members=members, dropout=dropout, hidden=hidden)).train()
    with torch.no_grad():
        for w in head.weights:
            w.fill_(1.0)
        for b in head.biases:
            b.fill_(0.0)
    return head


def test_inputs_are_dropped_for_all_members_alike_and_hidden_units_apart() -> None:
    torch.manual_seed(0)
    one, two = ones(2, 0.5).each(torch.ones(1, 4000))
    assert torch.equal(one, two)
    one, two = ones(2, 0.5, hidden=(50,)).each(torch.ones(1, 4000))
    assert not torch.equal(one, two)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_so_much_is_dropped_and_the_rest_makes_up_for_it(share: float) -> None:
    torch.manual_seed(1)
    head = ones(1, share)
    sums = torch.stack([head.each(torch.ones(7, 4000))[0, :, 0] for _ in range(20)]).detach().numpy() / 4000
    # the mean over the draws is 1, their spread that of a binomial share
    assert abs(sums.mean() - 1) < 4 * sums.std() / np.sqrt(sums.size)
    assert sums.std() == pytest.approx(np.sqrt(share / (1 - share) / 4000), rel=0.25)
    assert torch.equal(head.eval().each(torch.ones(1, 4000))[0], torch.full((1, 2), 4000.0))


def test_members_apart_read_their_own_part_of_the_vector() -> None:
    torch.manual_seed(0)
    head = HeadEnsemble(6, 3, HeadSpec(hidden=(4,), members=2, apart=True))
    x = torch.randn(5, 6)
    each = head.each(x)
    for m, own in enumerate((x[:, :3], x[:, 3:])):
        hidden = torch.nn.functional.gelu(own @ head.weights[0][m] + head.biases[0][m])
        assert torch.allclose(each[m], hidden @ head.weights[1][m] + head.biases[1][m], atol=1e-6)
    assert torch.allclose(head(x), each.mean(0))


@pytest.mark.parametrize(
    "spec",
    [
        HeadSpec(),
        HeadSpec(hidden=(5,), members=3, dropout=0.4),
        HeadSpec(hidden=(5, 4), members=2, activation="relu"),
        HeadSpec(hidden=(4,), members=2, activation="tanh", apart=True),
    ],
)
def test_fitted_it_gives_the_same_logits_and_never_changes(spec: HeadSpec) -> None:
    torch.manual_seed(3)
    head = HeadEnsemble(6, 3, spec)
    head.standardise(torch.randn(30, 6) * 3 + 1)
    x = torch.randn(8, 6)
    expected = head.eval()(x).detach().numpy()
    fitted = head.train().fitted()  # nothing is dropped of what judges
    assert fitted.spec == spec
    assert np.allclose(fitted.logits(x.numpy()), expected, atol=1e-5)
    with torch.no_grad():
        for p in head.parameters():
            p.zero_()
        head.center.fill_(9.0)
    assert np.allclose(fitted.logits(x.numpy()), expected, atol=1e-5), "it learned on"


def test_some_of_the_members() -> None:
    torch.manual_seed(2)
    head = HeadEnsemble(6, 3, HeadSpec(hidden=(4,), members=5)).eval()
    head.standardise(torch.randn(30, 6) * 3 + 1)
    x = torch.randn(8, 6)
    few = head.only([1, 4])
    assert few.spec.members == 2
    assert torch.equal(few.each(x), head.each(x)[[1, 4]])
    assert not few.training


def test_scales_multiply_the_input_but_where_the_trunk_takes_one_size_only() -> None:
    spec = HeadSpec(taps=(-2, -1), pools=("mean", "max"), scales=(1.0, 0.5))
    assert spec.width((9, 3, 2)) == 20
    assert HeadSpec.from_dict(spec.as_dict()) == spec
    assert spec.on((4, 8, 16, 32)).scales == (1.0, 0.5)
    assert spec.on((4, 8, 16, 32), fixed_size=True).scales == (1.0,)


def test_maps_are_pooled_in_the_order_of_the_spec() -> None:
    a = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(np.float32)
    b = np.random.default_rng(2).normal(size=(2, 2, 2, 2)).astype(np.float32)
    found = pool_maps([torch.from_numpy(a), torch.from_numpy(b)], ("mean", "max")).numpy()
    expected = [a.mean((2, 3)), a.max((2, 3)), b.mean((2, 3)), b.max((2, 3))]
    assert np.allclose(found, np.concatenate(expected, 1), atol=1e-6)
    assert HeadSpec(taps=(-2, -1), pools=("mean", "max")).width((9, 3, 2)) == found.shape[1]


def test_taps_read_the_strides_that_were_meant() -> None:
    spec = HeadSpec(taps=(-4, -3, -2))
    assert spec.on((4, 8, 16, 32, 32)).taps == (-4, -3, -2)  # with a final convolution: strides 8, 16, 32
    assert spec.on((4, 8, 16, 32)).taps == (-3, -2, -1)  # without one, the same strides
    assert spec.on((16,)).taps == (-1,)
    assert HeadSpec(taps=(-1,)).on((4, 8, 16, 32)).taps == (-1,)


def brute_odds(row: np.ndarray, normal: int) -> float:
    e = np.exp(row)
    return float(np.log((e.sum() - e[normal]) / e[normal]))


@pytest.mark.parametrize("normal", [0, 2])
def test_the_worst_tile_decides(normal: int) -> None:
    z = np.random.default_rng(4).normal(size=(5, 7, 3))
    odds = np.array([[brute_odds(t, normal) for t in bag] for bag in z])
    assert np.allclose(defect_log_odds(torch.from_numpy(z), normal).numpy(), odds)
    worst = np.stack([bag[o.argmax()] for bag, o in zip(z, odds, strict=True)])
    assert np.array_equal(pool_tiles(torch.from_numpy(z), normal).numpy(), worst)
    w = np.exp(odds / 0.7)
    soft = (z * (w / w.sum(1, keepdims=True))[..., None]).sum(1)
    assert np.allclose(pool_tiles(torch.from_numpy(z), normal, 0.7).numpy(), soft)


@pytest.mark.parametrize("temperature", [None, 1.3])
@pytest.mark.parametrize("normal", [0, None])
def test_tiles_that_are_padding_do_not_count(normal: int | None, temperature: float | None) -> None:
    z = torch.from_numpy(np.random.default_rng(5).normal(size=(2, 6, 3)))
    there = torch.tensor([[True] * 4 + [False] * 2, [True] + [False] * 5])
    padded = z.clone()
    padded[~there] = 50.0
    found = pool_tiles(padded, normal, temperature, there)
    alone = [pool_tiles(z[0, :4], normal, temperature), pool_tiles(z[1, :1], normal, temperature)]
    assert torch.allclose(found, torch.stack(alone))


def test_without_a_normal_class_tiles_count_alike() -> None:
    z = np.random.default_rng(6).normal(size=(4, 3))
    assert np.allclose(pool_tiles(torch.from_numpy(z), None).numpy(), z.mean(0))
