"""Private: metrics and values of the history by name: titles, parts, and which values are better.
Nothing here imports torch.
"""

# Whether higher values of a metric are better; None if it should be close to a target level.
HIGHER_IS_BETTER: dict[str, bool | None] = {
    "accuracy": True,
    "macro_f1": True,
    "micro_f1": True,
    "nats": False,
    "span_f1": True,
    "unseen_accuracy": True,
    "bits_per_character": False,
    "nats_per_character": False,
    "perplexity": False,
    "bleu": True,
    "chrf": True,
    "exact_match": True,
    "word_error_rate": False,
    "mae": False,
    "rmse": False,
    "mase": False,
    "coverage": None,
    "width": False,
}
# Titles of metrics whose names are short or are not words.
TITLES = {
    "coverage_80": "80 % interval coverage",
    "coverage_95": "95 % interval coverage",
    "horizon_coverage_80": "80 % interval coverage, all steps ahead",
    "horizon_mase": "MASE, all steps ahead",
    "relative_mae": "MAE relative to the naive forecast",
    "width_80": "80 % interval width",
    "bits": "bits per character",
    "mae": "MAE",
    "mase": "MASE",
    "rmse": "RMSE",
    "nats": "cross-entropy (nats)",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "span_f1": "span F1",
    "bleu": "BLEU",
    "chrf": "chrF",
}


def title(name: str) -> str:
    """The title of a metric, or of a value of the history without its part.

    Example:
        >>> title("mae"), title("exact_match")
        ('MAE', 'exact match')
    """
    return TITLES.get(name, name.replace("_", " "))


def part_and_name(key: str) -> tuple[str, str]:
    """The part of the data that a value of the history is of, "training" or "validation", and its
    name.

    Example:
        >>> part_and_name("training_loss"), part_and_name("held_out_loss"), part_and_name("chrf")
        (('training', 'loss'), ('validation', 'loss'), ('validation', 'chrf'))
    """
    part = "training" if key.startswith("training_") else "validation"
    return part, key.removeprefix("training_").removeprefix("held_out_")


def higher_is_better(name: str) -> bool | None:
    """Whether higher values of a metric are better; None if that is not known.

    Example:
        >>> higher_is_better("accuracy"), higher_is_better("horizon_mase")
        (True, False)
        >>> higher_is_better("coverage_80"), higher_is_better("rows")
        (None, None)
    """
    if name in HIGHER_IS_BETTER:
        return HIGHER_IS_BETTER[name]
    # "horizon_mase" is a mase, "naive_mase" describes the data
    return HIGHER_IS_BETTER.get(name.rpartition("_")[2]) if "naive" not in name else None
