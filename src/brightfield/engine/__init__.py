"""Inference with ONNX Runtime and NumPy, without torch: networks, heads, heat."""
