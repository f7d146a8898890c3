"""Entry point of `xtransplant` and `python -m xtransplant`; imports nothing slow itself."""

import sys


def main() -> int:
    """Run the command line; an interrupt during its imports also ends in one line."""
    try:
        return _imported()
    except KeyboardInterrupt:
        if sys.stderr:  # the parent process may have closed it
            sys.stderr.write("error: interrupted\n")
        return 130


def _imported() -> int:
    from xtransplant.runner import stopping

    stopping.note_interrupts()
    try:
        from xtransplant.cli.app import main

        return main()
    except Exception as error:
        if stopping.interrupted():
            raise KeyboardInterrupt from error
        raise


if __name__ == "__main__":
    sys.exit(main())
