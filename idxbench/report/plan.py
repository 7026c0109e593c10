"""What would run, on a console."""

from rich.console import Console
from rich.markup import escape

from idxbench.bench.preview import Preview
from idxbench.report.lookup import index_name
from idxbench.report.style import make_table


def print_plan(preview: Preview, console: Console) -> None:
    """Print strategies, builds, and the number of cells."""
    plan, config = preview.plan, preview.config

    def size(n: int | None) -> str:
        return "? " if n is None else f"{n:,} "

    console.print(
        f"[bold]{escape(config.name)}[/bold]: {size(preview.n_items)}items x {size(preview.n_dims)}dimensions, "
        f"{size(preview.n_queries)}queries, k = {', '.join(map(str, config.k))}, {preview.threads} threads"
    )
    tables = {"validate": config.validation, "recover": config.recover, "probe": config.probe}
    extra = [task for task, table in tables.items() if table]
    tasks: list[str] = [*plan.tasks, *extra]
    console.print(f"tasks: {', '.join(tasks)}\n")
    if config.probe:
        points = sum(len(probe.strength) * probe.seeds for probe in config.probe)
        again = points + max(probe.seeds for probe in config.probe)
        console.print(f"probes: {points} changes of coordinates; every index is built {again} times for them\n")
    rounds = config.measure.rounds
    swept = any(search for build in plan.builds for search in build.searches)
    title = f"{plan.n_cells} cells: {len(plan.builds)} builds" + (", each searched at every ef" if swept else "")
    columns = ["strategy", "transform", "similarity", "index", *(["ef"] if swept else [])]
    table = make_table(
        title if plan.builds else "No index",
        [(column, "left") for column in columns],
        f"Each search runs in {rounds} round{'s' if rounds != 1 else ''}." if plan.builds else "",
    )
    for build in plan.builds:
        space = build.space
        efs = ", ".join(str(search["ef"]) for search in build.searches if "ef" in search)
        name = index_name(build.kind, build.build_json)
        table.add_row(*map(escape, (space.name, space.described, space.similarity, name, *([efs] if swept else []))))
    if not plan.builds:
        for space in plan.spaces:
            table.add_row(*map(escape, (space.name, space.described, space.similarity)))
    console.print(table)
    for notice in plan.notices:
        console.print(f"- {escape(notice.text)}" + (f"; {escape(notice.advice)}" if notice.advice else ""))
