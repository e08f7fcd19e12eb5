"""python -m batch_updater: the same as the command batch-updater."""

import sys

from batch_updater.cli import main

sys.exit(main())
