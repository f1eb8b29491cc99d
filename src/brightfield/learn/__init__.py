"""Training in torch: backbones and weights, heads, training loops, losses, recipes, frozen features."""
