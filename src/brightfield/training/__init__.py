"""One plain loop, losses, sampling, recipes."""
