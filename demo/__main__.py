"""``python -m demo [images]``."""

from __future__ import annotations

import sys

from demo.errors import DemoError
from demo.images import provide_images
from demo.story import run
from demo.target import find_target
from localcluster.errors import LocalClusterError
from localcluster.stages import Stages


def main() -> int:
    """Run the demo, or only provide the images."""
    try:
        if sys.argv[1:] == ["images"]:
            stages = Stages()
            provide_images(find_target(stages), stages)
        else:
            run()
    except (DemoError, LocalClusterError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
