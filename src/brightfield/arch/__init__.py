"""Networks taken apart: sizes, parameters, receptive fields."""
