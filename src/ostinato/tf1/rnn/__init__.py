"""Private: recurrent cells and the functions that run them over sequences."""
