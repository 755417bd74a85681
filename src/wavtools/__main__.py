"""``python -m wavtools``: the same as the command ``wavtools``.

Thread: the main one.
"""

import sys

from wavtools.command.main import main

if __name__ == "__main__":
    sys.exit(main())
