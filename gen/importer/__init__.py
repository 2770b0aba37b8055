"""Real QONNX and ONNX files to networks, exactly."""
