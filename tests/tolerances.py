"""How far a result may be from the truth: one table for all tests."""

import torch

# As a part of the largest value there, or of 1 where that is less.
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
