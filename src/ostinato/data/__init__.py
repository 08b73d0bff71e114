"""Private: reading files and batching them."""
