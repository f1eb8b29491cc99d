"""A compact U-Net that marks the pixels of every defect, and their type."""
