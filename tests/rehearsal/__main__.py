"""python -m rehearsal: the rehearsal as a command."""

import sys

from rehearsal.command import main

if __name__ == "__main__":
    sys.exit(main())
