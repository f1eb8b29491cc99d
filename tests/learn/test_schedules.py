"""Schedules and optimisers by name do what torch's own do, step by step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau, StepLR

from brightfield.errors import ConfigError
from brightfield.learn.muon import Muon
from brightfield.learn.optimisers import Rates, build_optimisers
from brightfield.learn.recipes import OPTIMISERS, SCHEDULES
from brightfield.learn.schedules import Length, Schedule, build_schedule

EPOCHS, STEPS = 6, 4
LENGTH = Length(EPOCHS, STEPS, step_epochs=2, step_factor=0.1)
FIGURES = (0.5, 0.9, 0.6, 0.6, 0.6, 0.6)  # stalls from the third on


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.trunk(x).mean((2, 3)))
        return found


def learn(net: nn.Module, optimisers: list[Optimizer], seed: int) -> None:
    x = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    for optimiser in optimisers:
        optimiser.zero_grad()
    nn.functional.cross_entropy(net(x), torch.arange(8) % 2).backward()
    for optimiser in optimisers:
        optimiser.step()


def rates_of(schedule: Schedule, optimisers: list[Optimizer], net: nn.Module) -> list[float]:
    """Return the first rate at every step."""
    found = []
    for epoch in range(EPOCHS):
        for step in range(STEPS):
            found.append(float(optimisers[0].param_groups[0]["lr"]))
            learn(net, optimisers, epoch * STEPS + step)
            schedule.after_step()
        schedule.after_epoch(FIGURES[epoch])
    return found


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("step", lambda o: StepLR(o, 2, 0.1)),
        ("plateau", lambda o: ReduceLROnPlateau(o, mode="max", factor=0.5, patience=2)),
        ("cosine", lambda o: CosineAnnealingLR(o, EPOCHS * STEPS)),
        ("one-cycle", lambda o: OneCycleLR(o, 0.1, total_steps=EPOCHS * STEPS + 1)),
    ],
)
def test_weights_are_those_of_a_plain_loop_with_torchs_own(
    name: str, theirs: Callable[[Optimizer], object]
) -> None:
    ours, plain = Net(), Net()
    optimisers = build_optimisers("adamw", ours, Rates(0.1, 0.01))
    found = rates_of(build_schedule(name, optimisers, LENGTH), optimisers, ours)
    optimiser = AdamW(plain.parameters(), lr=0.1, weight_decay=0.01, fused=True)
    scheduler: object = theirs(optimiser)
    expected = []
    for i in range(EPOCHS * STEPS):
        expected.append(optimiser.param_groups[0]["lr"])
        learn(plain, [optimiser], i)
        ends = (i + 1) % STEPS == 0
        if isinstance(scheduler, ReduceLROnPlateau):
            if ends:
                scheduler.step(FIGURES[i // STEPS])
        elif isinstance(scheduler, StepLR):
            if ends:
                scheduler.step()
        else:
            scheduler.step()  # type: ignore[attr-defined]
    assert found == expected
    assert len(set(found)) > 1
    other = plain.state_dict()
    assert all(torch.equal(v, other[k]) for k, v in ours.state_dict().items())


def test_rates_by_hand() -> None:
    def rates(name: str) -> list[float]:
        net = Net()
        optimisers = build_optimisers("sgd", net, Rates(0.1))
        return rates_of(build_schedule(name, optimisers, LENGTH), optimisers, net)

    every = EPOCHS * STEPS
    assert rates("step") == pytest.approx([0.1] * 8 + [0.01] * 8 + [0.001] * 8)
    assert rates("linear") == [0.1 * (1 - i / every) for i in range(every)]
    assert rates("cosine") == pytest.approx(
        [0.05 * (1 + math.cos(math.pi * i / every)) for i in range(every)]
    )
    assert rates("plateau") == [0.1] * 20 + [0.05] * 4  # after three epochs without a better figure
    cycle = rates("one-cycle")
    assert cycle[0] == pytest.approx(0.1 / 25)
    assert max(cycle) == pytest.approx(0.1, rel=0.02)
    assert cycle.index(max(cycle)) in (6, 7)  # three tenths of 24 steps
    assert cycle[-1] < cycle[0]


def test_a_plateau_without_a_figure_changes_nothing() -> None:
    net = Net()
    optimisers = build_optimisers("adam", net, Rates(0.1))
    schedule = build_schedule("plateau", optimisers, LENGTH)
    for _ in range(9):
        schedule.after_epoch(None)
    assert optimisers[0].param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("sgd", lambda p: SGD(p, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1)),
        ("adam", lambda p: Adam(p, lr=0.01, weight_decay=0.1)),
        ("adamw", lambda p: AdamW(p, lr=0.01, weight_decay=0.1, fused=True)),
    ],
)
def test_optimisers_are_torchs(name: str, theirs: Callable[[object], Optimizer]) -> None:
    ours, plain = Net(), Net()
    found, expected = build_optimisers(name, ours, Rates(0.01, 0.1)), theirs(plain.parameters())
    for i in range(5):
        learn(ours, found, i)
        learn(plain, [expected], i)
    other = plain.state_dict()
    assert all(torch.equal(v, other[k]) for k, v in ours.state_dict().items())


def test_muon_takes_the_filters_and_sgd_the_rest() -> None:
    net = Net()
    muon, sgd = build_optimisers("muon", net, Rates(0.2, 0.004, bias_rate=0.05, head_rate=0.001))
    assert isinstance(muon, Muon)
    assert [p.shape for g in muon.param_groups for p in g["params"]] == [net.trunk[0].weight.shape]
    assert [(g["lr"], g["weight_decay"]) for g in sgd.param_groups] == [(0.05, 0.004 / 0.05), (0.001, 4.0)]
    assert [len(g["params"]) for g in sgd.param_groups] == [3, 2]
    with pytest.raises(ConfigError, match="--optimiser is muon.*has none to train"):
        build_optimisers("muon", net.head, Rates(0.2, bias_rate=0.1, head_rate=0.1))


def test_what_is_frozen_is_left_out() -> None:
    net = Net()
    net.trunk.requires_grad_(False)
    (adam,) = build_optimisers("adam", net, Rates(0.1))
    assert [p.shape for p in adam.param_groups[0]["params"]] == [(2, 4), (2,)]


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match="optimiser 'lion' is unknown"):
        build_optimisers("lion", Net(), Rates(0.1))
    with pytest.raises(ConfigError, match="schedule 'exponential' is unknown"):
        build_schedule("exponential", build_optimisers("adam", Net(), Rates(0.1)), LENGTH)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_what_was_kept_goes_on_the_same_way(optimiser: str, schedule: str, tmp_path: object) -> None:
    def begin() -> tuple[Net, list[Optimizer], Schedule]:
        net = Net()
        optimisers = build_optimisers(optimiser, net, Rates(0.05, 0.01, 0.01, 0.01))
        return net, optimisers, build_schedule(schedule, optimisers, LENGTH)

    def go_on(net: Net, optimisers: list[Optimizer], of: Schedule, epochs: range) -> None:
        for epoch in epochs:
            for step in range(STEPS):
                learn(net, optimisers, epoch * STEPS + step)
                of.after_step()
            of.after_epoch(FIGURES[epoch])

    whole = begin()
    go_on(*whole, range(EPOCHS))
    half = begin()
    go_on(*half, range(3))
    file = f"{tmp_path}/state.pt"
    torch.save([half[0].state_dict(), [o.state_dict() for o in half[1]], half[2].state()], file)
    weights, kept, state = torch.load(file, weights_only=True)
    net, optimisers, of = begin()
    net.load_state_dict(weights)
    for one, its in zip(optimisers, kept, strict=True):
        one.load_state_dict(its)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        of.restore(state)
        go_on(net, optimisers, of, range(3, EPOCHS))
    expected = whole[0].state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in net.state_dict().items())
