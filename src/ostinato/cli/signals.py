"""Private: signals that end the program: Ctrl-C, `kill`, and a terminal that is closed."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

# The signals that end the program, with the message for each.
ENDING = {signal.SIGINT: "stopped", signal.SIGTERM: "stopped by SIGTERM"}
# Windows has no SIGHUP.
if hasattr(signal, "SIGHUP"):
    ENDING[signal.SIGHUP] = "stopped by SIGHUP (the terminal was closed)"


class Stopped(KeyboardInterrupt):
    """A signal asks the program to end; it may come between any two steps.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int):
        super().__init__()
        self.signal = signal.Signals(number)

    def __str__(self):
        return ENDING[self.signal]

    @property
    def exit_code(self) -> int:
        """The exit code that shells expect of a program that a signal ended."""
        return 128 + self.signal


@contextlib.contextmanager
def raised_as_stopped() -> Iterator[None]:
    """Raise `Stopped` when a signal asks the program to end.

    A signal that is ignored stays ignored, as SIGHUP under nohup. The second signal ends the
    program at once, in case the first one did not get through; a second SIGHUP is ignored, since a
    closing terminal sends several.
    """

    def stop(number, frame):
        for other in replaced:
            signal.signal(
                other,
                signal.SIG_DFL if other != getattr(signal, "SIGHUP", None) else signal.SIG_IGN,
            )
        raise Stopped(number)

    # only the main thread may install signal handlers
    main = threading.current_thread() is threading.main_thread()
    replaced = {
        number: handler
        for number in ENDING
        if main and (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
    }
    process = os.getpid()
    for number in replaced:
        signal.signal(number, stop)
    try:
        yield
    finally:
        if os.getpid() == process:
            for number, handler in replaced.items():
                signal.signal(number, handler)
