"""Where the program begins: Ctrl-C while its modules are loaded, or when all is done, is quiet."""

import signal
import sys


def main() -> int:
    """Run the command line; return its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a command that runs answers it by itself
    from sln_guide import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
