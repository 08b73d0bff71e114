"""Private: programs as a whole: their command line, files and log."""
