"""``python -m gameserver``: one node, from the environment."""

import sys

from gameserver.node import main

sys.exit(main(sys.argv[1:]))
