"""Private: layers, which create their variables when they are called first."""
