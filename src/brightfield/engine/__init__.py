"""Networks that judge: ONNX Runtime and NumPy, without torch."""
