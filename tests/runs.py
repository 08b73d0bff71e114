"""The parts that two runs of one training have in common."""


def untimed(history):
    """The lines of a history without their seconds."""
    return [
        {name: value for name, value in entry.items() if name != "seconds"} for entry in history
    ]


def without_time(result):
    """How a run ended, without its seconds."""
    return result.metrics, result.steps, untimed(result.history)
