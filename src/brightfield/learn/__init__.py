"""What learners share: backbones and weights, the training loop, losses, recipes, frozen features."""
