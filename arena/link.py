"""Makes the packages of this checkout known to the virtual environment, and the ``arena`` command with them.

Run by make with the environment's own Python. In the place of an editable installation, which would need a build
tool from the network.
"""

import sys
import sysconfig
from pathlib import Path


def main() -> None:
    """Write the path file and the command."""
    root = Path(__file__).resolve().parent.parent
    if sys.prefix == sys.base_prefix:
        sys.exit("link.py: only for a virtual environment's Python")
    Path(sysconfig.get_path("purelib"), "svidnet_arena.pth").write_text(f"{root}\n", encoding="utf-8")
    command = Path(sysconfig.get_path("scripts"), "arena")
    command.write_text(f"#!{sys.executable}\nfrom arena.cli import main\n\nmain()\n", encoding="utf-8")
    command.chmod(0o755)


if __name__ == "__main__":
    main()
