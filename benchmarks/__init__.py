"""Speed, detection and latency beside peers, in one run."""

# numba takes the processor's features once, when the first kernel is made. Where that was one of
# the phantom's, all of the core's were compiled anew, for half of the widest registers.
import sln_guide.core  # noqa: F401
