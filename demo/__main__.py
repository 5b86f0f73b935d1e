"""``python -m demo [images]``."""

from __future__ import annotations

import sys

from demo.errors import DemoError
from demo.images import build_images
from demo.story import run
from localcluster.errors import LocalClusterError
from localcluster.stages import Stages


def main() -> int:
    """Run the demo, or only build its images."""
    try:
        if sys.argv[1:] == ["images"]:
            build_images(Stages())
        else:
            run()
    except (DemoError, LocalClusterError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
