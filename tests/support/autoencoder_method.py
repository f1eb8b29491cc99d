"""A small autoencoder without a data set, whose every number is drawn at random."""

from __future__ import annotations

from brightfield.data.preprocessing import Preprocessing
from brightfield.methods.autoencoder.fitted import AutoencoderMethod, Standard


def random_method(rule: Preprocessing) -> AutoencoderMethod:
    """Return a method that is not trained, for tiles of the preprocessing."""
    import torch

    from brightfield.methods.autoencoder.fit import exported_residuals
    from brightfield.methods.autoencoder.network import Autoencoder, Judge

    torch.manual_seed(3)
    judge = Judge(Autoencoder(rule.tile)).eval()
    return AutoencoderMethod(exported_residuals(judge, rule.tile), Standard(0.3, 0.0007, 0.03), rule)
