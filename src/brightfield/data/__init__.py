"""Where images come from: layouts, catalog, splits, checks, cache, augmentation, synthetic parts."""
