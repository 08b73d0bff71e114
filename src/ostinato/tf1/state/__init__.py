"""Private: variables, the scopes that name and share them, and their collections."""
