"""Reading and preparing images: folder layouts, catalog, splits, checks, decoding, cache, masks."""
