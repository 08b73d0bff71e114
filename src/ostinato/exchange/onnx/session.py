"""Private: runs ONNX files in ONNX Runtime, for comparisons."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["session_of"]


def session_of(content: bytes) -> "InferenceSession":
    """A session of ONNX Runtime on one thread of the CPU: inputs of comparisons are small.

    Raises:
        ModuleNotFoundError: onnxruntime is not installed.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4  # fatal: errors are raised
    settings.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
