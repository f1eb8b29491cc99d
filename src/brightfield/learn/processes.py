"""Several processes that train one network: who of them this one is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import distributed

from brightfield.errors import ConfigError


@dataclass(frozen=True)
class Processes:
    """This process among those that `torchrun` started.

    Attributes:
        rank: Its number, from 0; the first one writes.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this one writes."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all of them have come here."""
        if self.world > 1:
            distributed.barrier()

    def told_by_the_first(self, figure: float) -> float:
        """Return the first process's figure in all of them."""
        if self.world == 1:
            return figure
        told = torch.tensor([figure], dtype=torch.float64)
        told = told.cuda() if torch.cuda.is_available() else told
        distributed.broadcast(told, 0)
        return float(told)

    @contextlib.contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """Let the others run a block only once the first one has, to find what it left on disk."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()


ALONE = Processes()
"""One process."""


def processes() -> Processes:
    """Return what `torchrun` says of this process; alone where nothing is said.

    Raises:
        ConfigError: If what is said makes no sense.
    """
    try:
        rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    except ValueError as e:
        raise ConfigError(f"RANK and WORLD_SIZE must be whole numbers, as torchrun sets them: {e}") from e
    if not 0 <= rank < world:
        raise ConfigError(f"RANK is {rank} and WORLD_SIZE {world}; expected a rank below the world's size")
    return Processes(rank, world)


def take_device(these: Processes) -> None:
    """Give each of several processes a GPU of its own, where there are GPUs, before anything goes to one."""
    if these.world > 1 and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))


@contextlib.contextmanager
def joined(these: Processes) -> Iterator[Processes]:
    """Let the processes talk to one another inside the block."""
    if these.world == 1:
        yield these
        return
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield these
    finally:
        distributed.destroy_process_group()
