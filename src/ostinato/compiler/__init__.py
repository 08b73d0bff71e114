"""Private: from a cell's graph to a plan: the gradient of one step, and what runs before, in and
after the time loop.
"""
