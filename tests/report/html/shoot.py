"""Take the picture of the README: ``python -m tests.report.html.shoot RUN docs/report.png``; wants an idle machine."""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from idxbench.records import load_run
from idxbench.report.html.run_page import write_run_page
from idxbench.verdicts.decision import decide
from tests.report.html.browser import Visit, opened

WIDTH, COLOURS = 1160, 64


def main(source: str, target: str) -> None:
    """Photograph the page of a run from its head to the end of the first pictures."""
    run = load_run(source)
    with tempfile.TemporaryDirectory() as folder, opened() as browser:
        file = Path(folder) / "report.html"
        write_run_page(run, decide(run), file)
        visit = Visit(browser, file, width=WIDTH)
        visit.page.set_viewport_size({"width": WIDTH, "height": 3000})
        visit.draw_all()
        bottom = "(one) => document.querySelector(one).getBoundingClientRect().bottom"
        ends = f"Math.max(...['#losses', '#costs'].map({bottom}))"
        visit.page.evaluate("window.scrollTo(0, 0)")
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": visit.page.evaluate(ends) + 16}
        visit.page.screenshot(path=Path(folder) / "page.png", clip=clip)
        visit.close()
        image = Image.open(Path(folder) / "page.png").convert("RGB")
        # Text and flat colours: few colours are enough, and a third of the size.
        image.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
