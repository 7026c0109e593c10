"""How long does a page take? ``python -m tests.report.html.bench_render [RUN]``; wants an idle machine.

Opens the page of a run, or of a made-up one of 500 cells, in a headless browser, and prints seconds: until it is loaded
and what is on the first screen is drawn, and until every picture on it is drawn (as for paper, all at once). Medians of
5 fresh pages.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from idxbench.records import load_run
from idxbench.report.html.run_page import write_run_page
from idxbench.verdicts.decision import decide
from tests.report.html.browser import Visit, opened
from tests.report.html.examples import make_run

TIMES = 5
FIRST = """new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0)))"""
ALL = """() => { dispatchEvent(new Event("beforeprint")); return new Promise((done) => {
    const wait = () => [...document.querySelectorAll(".plot")].every((one) => one.querySelector("svg, canvas"))
        ? requestAnimationFrame(() => done(performance.now())) : setTimeout(wait, 5);
    wait();
}); }"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, opened() as browser:
        if len(sys.argv) > 1:
            run = load_run(sys.argv[1])
        else:
            strategies, efs = tuple(f"strategy {i}" for i in range(10)), tuple(range(10, 110, 10))
            run = make_run(
                Path(folder, "run"), strategies=strategies, links=(4, 8, 16, 32, 64), efs=efs, depths=(10, 100)
            )
        file = Path(folder) / "report.html"
        write_run_page(run, decide(run), file)
        first, everything = [], []
        for _ in range(TIMES):
            visit = Visit(browser, file)
            first.append(visit.page.evaluate(FIRST) / 1e3)
            everything.append(visit.page.evaluate(ALL) / 1e3)
            plots = visit.page.locator(".plot").count()
            visit.close()
        print(f"{file.stat().st_size / 1e6:.2f} MB, {plots} pictures")
        print(f"first screen {statistics.median(first):.2f} s, everything {statistics.median(everything):.2f} s")


if __name__ == "__main__":
    main()
