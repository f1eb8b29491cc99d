"""A classifier and the evidence of unusual patches together, for few known defects."""
