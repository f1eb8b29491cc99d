"""The process group that trains one network, as `torchrun` starts it."""

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
    """The process group that `torchrun` started, and this process's rank in it.

    Attributes:
        rank: The rank of this process, from 0; only rank 0 writes files.
        world: The number of processes.
    """

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process has rank 0, and so writes files."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all processes have called this (a barrier)."""
        if self.world > 1:
            distributed.barrier()

    def broadcast_from_first(self, figure: float) -> float:
        """Return the figure of rank 0 in all processes."""
        if self.world == 1:
            return figure
        value = torch.tensor([figure], dtype=torch.float64)
        value = value.cuda() if torch.cuda.is_available() else value
        distributed.broadcast(value, 0)
        return float(value)

    @contextlib.contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """Run the block in rank 0 first and then in the others, which find its files on disk."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()


ALONE = Processes()
"""A single process without a group."""


def processes() -> Processes:
    """Return the process group that `torchrun` set in the environment; a single process without one.

    Raises:
        ConfigError: If RANK or WORLD_SIZE is not a valid number.
    """
    try:
        rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    except ValueError as e:
        raise ConfigError(f"RANK and WORLD_SIZE must be whole numbers, as torchrun sets them: {e}") from e
    if not 0 <= rank < world:
        raise ConfigError(f"RANK is {rank} and WORLD_SIZE {world}; expected a rank below the world's size")
    return Processes(rank, world)


def take_device(these: Processes) -> None:
    """Select this process's own GPU, if there are GPUs; to be called before the first use of one."""
    if these.world > 1 and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))


@contextlib.contextmanager
def joined(these: Processes) -> Iterator[Processes]:
    """Connect the processes of a group inside the block."""
    if these.world == 1:
        yield these
        return
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield these
    finally:
        distributed.destroy_process_group()
