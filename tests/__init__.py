# Before the phantom: numba takes the processor's features once, when the first kernel is made, and
# would compile the core anew. Here too for processes that take their cameras from a test's module.
import sln_guide.core  # noqa: F401
