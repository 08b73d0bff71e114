"""Private: everything that writes LLVM IR, compiles it or runs it."""
