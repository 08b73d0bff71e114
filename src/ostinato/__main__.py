"""`python -m ostinato` is the command line."""

from .cli.main import main

main()
