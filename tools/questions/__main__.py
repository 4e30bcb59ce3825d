"""Ask every question and write the page: ``python -m tools.questions [FILE]``."""

import asyncio
import sys
import tempfile
from pathlib import Path

from tools.questions.page import page
from tools.questions.scenes import SCENES, Scene
from tools.questions.site import Answer, site


async def play(scene: Scene) -> tuple[Scene, list[Answer], str]:
    """One scene on a site of its own.

    Raises:
        AssertionError: an answer is not true.
    """
    with tempfile.TemporaryDirectory(prefix="tender-questions-") as folder:
        async with site(Path(folder) / "site", extra=scene.extra) as staged:
            await staged.start()
            truth = await scene.play(staged)
            return scene, list(staged.answers), truth


def _all(file: Path) -> None:
    played = []
    for scene in SCENES:
        print(scene.question, flush=True)
        played.append(asyncio.run(play(scene)))
    file.write_text(page(played))


if __name__ == "__main__":
    _all(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/ten-questions.md"))
