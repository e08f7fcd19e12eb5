"""python -m contract: the suite as a command."""

import sys

from contract.command import main

if __name__ == "__main__":
    sys.exit(main())
