"""A small segmenter without a data set, whose every number is drawn at random."""

from __future__ import annotations

from brightfield.data.preprocessing import Preprocessing
from brightfield.methods.segmenter.fitted import ExportedPixels, Known, Segmenter

KNOWN = Known(types=("burr", "pit", "scratch"), class_of_type=(1, 2, 1), classes=3, normal=0)
"""Two types are of one class."""

SPREAD, GOOD = 0.6, 4.0
"""The standard deviation of the logits of noise, and how much larger the mean of the background's is."""


def random_method(rule: Preprocessing) -> Segmenter:
    """Return a method that is not trained, for the classes of `KNOWN`."""
    import torch

    from brightfield.learn.backbone import build_trunk
    from brightfield.methods.segmenter.exporting import export
    from brightfield.methods.segmenter.network import Judge, SegmenterNet

    torch.manual_seed(5)
    net = SegmenterNet(build_trunk("test_resnet"), len(KNOWN.types) + 1, 16, pretrained=False)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and module.running_var is not None:
            module.running_var.uniform_(0.5, 2)
            module.bias.data.normal_(0, 0.3)
    head = net.decoder.head
    with torch.no_grad():  # of noise, no type is more probable than another, and most pixels are good
        head.weight.normal_()
        logits = net.eval()(4 * torch.rand(4, 3, 64, 64) - 2)[0]
        deviation, mean = torch.std_mean(logits, (0, 2, 3))
        head.weight *= (SPREAD / deviation)[:, None, None, None]
        head.bias.copy_((head.bias - mean) * SPREAD / deviation)
        head.bias[0] += GOOD
    return Segmenter(ExportedPixels(export(Judge(net), rule.tile, fixed=False)), KNOWN, rule)
