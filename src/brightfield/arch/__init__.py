"""Analysis of network architectures: output sizes, parameters, receptive fields."""
