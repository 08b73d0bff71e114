"""Private: the command line; its entry point reports packages of a missing extra."""

import sys

from ..errors import missing_extra


def main() -> None:
    """Run the command line and exit with its code; 2 if the packages of an extra are missing."""
    try:
        from .main import main as run

        run()
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        print(f"error: {missing}", file=sys.stderr)
        sys.exit(2)
