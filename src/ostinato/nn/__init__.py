"""Recurrent layers as torch modules."""
