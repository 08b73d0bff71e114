"""Reading files and batching them."""
