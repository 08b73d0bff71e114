"""Private: functions that are computed in float64 and rounded. C's float32 functions, which
TensorFlow calls, give the same numbers but for a few arguments in a million.
"""

from collections.abc import Callable

import numpy as np
import torch

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cosh",
    "digamma",
    "erf",
    "erfc",
    "lgamma",
    "sinh",
    "tan",
]


def _rounded(function: Callable) -> Callable:
    def compute(*given: np.ndarray) -> np.ndarray:
        dtype = given[0].dtype
        if dtype.kind != "f" or dtype == np.float64:
            return function(*given)
        return function(*(v.astype(np.float64) for v in given)).astype(dtype)

    return compute


def _of_torch(function: Callable) -> Callable:
    return _rounded(lambda x: function(torch.tensor(np.asarray(x))).numpy())


acos, acosh = _rounded(np.arccos), _rounded(np.arccosh)
asin, asinh = _rounded(np.arcsin), _rounded(np.arcsinh)
atan, atanh, atan2 = _rounded(np.arctan), _rounded(np.arctanh), _rounded(np.arctan2)
cosh, sinh, tan = _rounded(np.cosh), _rounded(np.sinh), _rounded(np.tan)
erf, erfc = _of_torch(torch.erf), _of_torch(torch.erfc)
lgamma, digamma = _of_torch(torch.lgamma), _of_torch(torch.digamma)
