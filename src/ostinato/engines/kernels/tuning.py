"""Private: the thresholds of the CPU engine, each with the reason for its value.

Those that decide which code is compiled for a register tile stay with that code.
"""

# ------------------------------------------------------------ threads

# Multiply-adds below which a second thread costs more than it saves: entering the pool and one
# barrier take as long as these.
WORTH_A_THREAD = 200_000
# Multiply-adds of a step from which threads share the units of one row: they meet at a barrier at
# every phase of every step.
WORTH_A_MEETING = 60_000
# Numbers of weights that a core's second-level cache does not hold: each thread had better read
# its part of them, for a few rows too.
FAR = 250_000
# Multiply-adds of one direction from which both directions run at the same time, each on half of
# the threads: below, a call is shorter if each direction has all threads.
MUCH = 250_000_000
# The same where a direction has fewer rows than there are threads, and so cannot use them all.
MUCH_OF_ONE_THREAD = 4_000_000
# Bytes of weights from which several threads read them for a fingerprint.
LONG_SPAN = 1 << 18

# ------------------------------------------------------------ products

# Multiply-adds from which a product is worth a call outside the loop.
WORTH_A_CALL = 1_000_000

# ------------------------------------------------------------ memory

# Bytes from which memory is used again from call to call: below, torch's allocator is as fast.
LONG = 1 << 20
# Bytes of memory that an inference keeps for the next call. More is given back after each call.
SMALL = 1 << 20
# Bytes of a weight up to which a single step reads all of it to see whether it has changed; of a
# longer weight it reads samples of that many bytes in all.
SHORT = 4096
# The place of an array is a multiple of this many numbers: those of a cache line.
LINE = 16

# ------------------------------------------------------------ caches

# Executables that are kept of each cell.
EXECUTABLES = 512
# Sets of packed weights that are kept of each plan.
PACKED_WEIGHTS = 64
# Layouts of weights whose packing jobs are kept.
PACKED_LAYOUTS = 8
# Kinds of calls that a layer accepts without checking the arguments again.
ACCEPTED = 16
# Plans that are kept after the last layer that used them is gone: a cell that is defined again
# finds its kernels.
LAST_PLANS = 32
