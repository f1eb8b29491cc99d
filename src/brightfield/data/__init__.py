"""Where images come from: layouts, catalog, splits, checks, decoding, cache, masks, synthetic parts."""
