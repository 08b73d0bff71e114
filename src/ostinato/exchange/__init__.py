"""Models for other tools, and models from them: one module for each format."""

__all__ = ["c", "keras", "onnx", "tf1", "torch"]
