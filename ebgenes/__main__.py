"""``python -m ebgenes``."""

import sys

from ebgenes.app.cli import main

sys.exit(main())
