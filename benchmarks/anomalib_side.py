"""The side of anomalib, run in an environment that has it; see `beside_anomalib.py`.

The modules of anomalib are called as its engine calls them, `training_step` for every batch and `fit` after
every pass, but without the engine itself, its callbacks, metrics and validation, which would cost time.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from anomalib.data.utils import read_image
from anomalib.models import MHPatchcore, Patchcore
from torchvision.transforms.v2 import Compose, Normalize, Resize

from answering import Clocks, answer, peak_memory

BATCH = 32
"""The pictures in a batch: the default of anomalib's data modules."""

PASSES = {"Patchcore": 1, "MH-PatchCore": 3}
"""The passes over the pictures that each model's fit takes."""

WITHOUT = {name: False for name in ("pre_processor", "post_processor", "evaluator", "visualizer")}


class Side:
    """One of anomalib's models."""

    def make(self, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Build the model with the given weights; no part of the time of fitting."""
        torch.manual_seed(0)
        torch.set_num_threads(given["threads"])
        self.kind, self.threads = kind, given["threads"]
        backbone = {"backbone": given["backbone"], "layers": list(given["layers"]), "pre_trained": False}
        if kind == "Patchcore":
            self.model = Patchcore(**backbone, coreset_sampling_ratio=given["ratio"], **WITHOUT)
        else:
            self.model = MHPatchcore(**backbone, **given["mh"], **WITHOUT)
        state = torch.load(given["weights"], map_location="cpu", weights_only=True)
        network = self.model.model.feature_extractor.feature_extractor
        missing = network.load_state_dict(state, strict=False).missing_keys
        if missing:
            raise RuntimeError(f"the weights lack {len(missing)} tensors of the network: {missing[:3]}")
        self.transform = Compose(
            [Resize([given["side"]] * 2, antialias=True), Normalize(given["mean"], given["std"])]
        )
        return {}

    def fit(self, paths: Sequence[str], limit: float | None) -> dict[str, Any]:
        """Fit on the pictures of good parts; after `limit` seconds it is stopped."""
        self.model.train()
        begin = Clocks()
        signal.signal(signal.SIGALRM, _stop)
        signal.setitimer(signal.ITIMER_REAL, limit or 0)
        stopped = False
        try:
            with torch.no_grad():
                for _ in range(PASSES[self.kind]):
                    for batch in self._batches(paths):
                        self.model.training_step(SimpleNamespace(image=batch))
                    self.model.fit()
        except TimeoutError:
            stopped = True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        passed = begin.passed()
        self.model.eval()
        return {**passed, "stopped": stopped, "patches": self._patches(), "memory": peak_memory()}

    def _patches(self) -> int:
        bank = self.model.model.memory_bank
        return len(bank if isinstance(bank, torch.Tensor) else bank.bank)

    def judge(self, paths: Sequence[str], output: str) -> dict[str, Any]:
        """Write the scores (N,) and maps (N, side, side) of pictures to an `.npz` file."""
        scores, maps = [], []
        with torch.inference_mode():
            for x in (x for batch in self._batches(paths) for x in torch.split(batch, 1)):
                found = self.model.model(x)
                scores.append(float(found.pred_score))
                maps.append(found.anomaly_map[0, 0].numpy())
        np.savez(output, scores=np.array(scores), maps=np.stack(maps))
        return {"memory": peak_memory()}

    def time(self, paths: Sequence[str]) -> dict[str, Any]:
        """Return the milliseconds of each picture, from normalised tensor to score and anomaly map."""
        ready = [x for batch in self._batches(paths) for x in torch.split(batch, 1)]
        taken = []
        with torch.inference_mode():
            for x in ready:
                begin = time.perf_counter()
                self.model.model(x)
                taken.append(1000 * (time.perf_counter() - begin))
        return {"milliseconds": taken}

    def _batches(self, paths: Sequence[str]) -> Iterator[torch.Tensor]:
        """Yield pictures as the network takes them, (B, 3, side, side), decoded in parallel."""
        with ThreadPoolExecutor(self.threads) as pool:
            for at in range(0, len(paths), BATCH):
                yield torch.stack(list(pool.map(self._one, paths[at : at + BATCH])))

    def _one(self, path: str) -> torch.Tensor:
        tensor: torch.Tensor = self.transform(read_image(path, as_tensor=True))
        return tensor


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError("the fit took longer than --limit-fit")


def serve() -> None:
    """Answer requests about one of anomalib's models."""
    side = Side()
    answer({name: getattr(side, name) for name in ("make", "fit", "judge", "time")})
