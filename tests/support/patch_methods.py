"""Small methods on patches, fitted on drawn pictures without a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing
from brightfield.methods.patches.fitted import PatchMethod

KINDS = {"patchcore": ("bank",), "flow": ("flow",), "fusion": ("bank", "flow")}
Picture = npt.NDArray[np.uint8]


def pictures(count: int, shape: tuple[int, int], seed: int = 0) -> list[Picture]:
    """Return good parts: coarse noise that is another one in each."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(110, 25, (count, -(-shape[0] // 6), -(-shape[1] // 6), 1))
    fine = np.kron(coarse, np.ones((1, 6, 6, 1)))[:, : shape[0], : shape[1]]
    grey = (fine + rng.normal(0, 6, (count, *shape, 1))).clip(0, 255).astype(np.uint8)
    return list(np.repeat(grey, 3, axis=3))


def fitted_method(
    name: str, rule: Preprocessing, good: Sequence[Picture], *, share: float = 0.02, bank: int = 60
) -> PatchMethod:
    """Return a method fitted on pictures at working size; its trunk has random weights."""
    import torch

    from brightfield.engine.spec import HeadSpec
    from brightfield.learn.backbone import build_trunk
    from brightfield.learn.frozen import Freezer
    from brightfield.learn.network import build_network
    from brightfield.learn.runtime import pick_runtime
    from brightfield.methods.good_parts.stream import tile_stream
    from brightfield.methods.patches import members as m
    from brightfield.methods.patches.coreset import Coreset
    from brightfield.methods.patches.fitted import ExportedFeatures
    from brightfield.methods.patches.flow import exported_flow, train_flow
    from brightfield.progress import silent

    torch.manual_seed(4)
    trunk = build_trunk("test_resnet")
    spec = HeadSpec(taps=(-3, -2), pools=("mean",))
    features = ExportedFeatures(
        Freezer(build_network(trunk, 2, spec, pick_runtime("cpu"))).trunk(rule.tile).networks
    )
    seen = m.Seen(features, rule, trunk.spec.channels[-3:-1])
    scales = {"bank": 1.0, "flow": 0.5}
    plans = [m.MemberPlan(kind, scales[kind], (0, 1), share) for kind in KINDS[name]]
    embedded = m.embeddings(seen, plans, tile_stream(good, rule))
    collected = [
        m.Collected(Coreset(bank, e.width, m.TAGS, 0) if plan.name == "bank" else None)
        for plan, e in zip(plans, embedded, strict=True)
    ]
    m.collect(seen, plans, embedded, collected, tile_stream(good, rule))
    members = []
    for plan, embedding, one in zip(plans, embedded, collected, strict=True):
        if one.coreset is not None:
            one.coreset.finish()
            members.append(m.unfitted(plan, embedding, m.bank_of(one.coreset)))
            continue
        patches, inside = np.stack(one.tiles), np.stack(one.inside)
        net, _ = train_flow(patches, inside, epochs=1, seed=0, precision=torch.float32, progress=silent)
        detector = exported_flow(net, patches.shape[3], (patches.shape[1], patches.shape[2]))
        members.append(m.unfitted(plan, embedding, detector))
    measured = m.measure(seen, members, tile_stream(good, rule), len(good))
    ready = [m.standardised(one, found) for one, found in zip(members, measured, strict=True)]
    return PatchMethod(name, features, ready, rule, backbone=trunk.spec.as_dict())
