"""Private: the log of a program (tf.logging)."""

import logging
from typing import Any

__all__ = [
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "WARN",
    "debug",
    "error",
    "fatal",
    "get_verbosity",
    "info",
    "log",
    "log_every_n",
    "log_first_n",
    "set_verbosity",
    "vlog",
    "warn",
    "warning",
]

DEBUG, INFO, WARN = logging.DEBUG, logging.INFO, logging.WARNING
ERROR, FATAL = logging.ERROR, logging.CRITICAL

_logger = logging.getLogger("ostinato.tf1")
get_verbosity = _logger.getEffectiveLevel
debug, info, warn, warning = _logger.debug, _logger.info, _logger.warning, _logger.warning
error, fatal, log = _logger.error, _logger.critical, _logger.log

_counts: dict[str, int] = {}


def set_verbosity(v: int) -> None:
    """Show the messages of a level and above.

    Args:
        v: The level, such as `tf.logging.INFO`.
    """
    _logger.setLevel(v)


def vlog(level: int, msg: str, *args: Any) -> None:
    """Log a message at a level."""
    _logger.log(level, msg, *args)


def log_every_n(level: int, msg: str, n: int, *args: Any) -> None:
    """Log a message at the first of every n calls."""
    count = _counts[msg] = _counts.get(msg, -1) + 1
    if count % n == 0:
        _logger.log(level, msg, *args)


def log_first_n(level: int, msg: str, n: int, *args: Any) -> None:
    """Log a message at the first n calls."""
    count = _counts[msg] = _counts.get(msg, -1) + 1
    if count < n:
        _logger.log(level, msg, *args)
