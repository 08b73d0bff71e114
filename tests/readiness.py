"""The calls of a layer that have been checked, and what runs them."""


def kinds(module):
    """For each kind of call that has been checked: how each layer and direction runs. A "bound"
    inference has its own job list.
    """
    return [[*map(_kind, _executables(accepted))] for accepted in _accepted(module)]


def executables(module):
    """For each kind of call that has been checked: the executable of each layer and direction."""
    return [_executables(accepted) for accepted in _accepted(module)]


def forget(module):
    """Have the next call checked, and its executables looked up."""
    module._accepted.kinds.clear()


def _accepted(module):
    return [*module._accepted.kinds.values()]


def _executables(accepted):
    if accepted.bound is not None:
        return [*accepted.bound]
    return [e for layer in accepted.layers for e in layer.executables]


def _kind(runner):
    if hasattr(runner, "executable"):
        return "bound"
    return "training" if runner.signature.backward else "inference"
