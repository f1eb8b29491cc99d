"""A week of a line in numbers: what was decided, what changed, what is proven, and what people did."""
