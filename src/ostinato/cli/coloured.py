"""Private: colours of the terminal that mean numbers: inputs by their gradients, labels by their
probabilities.
"""

from collections.abc import Sequence

import numpy as np
from rich.text import Text

# A token without influence, and one with the most.
LOW, HIGH = np.array([255, 255, 255]), np.array([213, 94, 0])


def by_gradient(tokens: Sequence[str], gradients: np.ndarray) -> Text:
    """Tokens whose background is the darker the larger their gradient is.

    Args:
        tokens: The name of each step.
        gradients: (T,) sizes of gradients, 0 or more.

    Returns:
        A text of all tokens with spaces between them.
    """
    most = float(np.max(gradients, initial=0.0)) or 1.0
    found = Text()
    for token, gradient in zip(tokens, gradients):
        red, green, blue = (LOW + (HIGH - LOW) * (gradient / most)).astype(int)
        found.append(token, style=f"#000000 on #{red:02x}{green:02x}{blue:02x}")
        found.append(" ")
    found.rstrip()
    return found
