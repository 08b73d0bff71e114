"""Private: branches, loops and checks in a graph, and gradients."""
