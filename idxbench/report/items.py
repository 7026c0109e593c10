"""Tables of the tasks between items: similar and cluster."""

from rich.markup import escape
from rich.table import Table

from idxbench.records import Measurement, Run
from idxbench.report.lookup import Figures
from idxbench.report.style import make_table, share, shared


def similar_table(run: Run) -> Table:
    """Show whose neighbours each strategy gives an item."""
    figures = Figures(run, "similar")
    facts = run.info["similar"]
    k, deep = facts["shallow"], facts["deep"]
    name = run.info["item_reference"]
    labelled = any(row.metric == "label_agreement" for row in figures.rows)
    floored = figures.of("", "neighbor_overlap", "floor", k=k) is not None
    columns = [
        ("strategy", "left"),
        ("by", "left"),
        (f"overlap@{k}", "right"),
        (f"{k}-in-{deep}", "right"),
        *([("same label", "right")] if labelled else []),
        ("hub Gini", "right"),
        ("anti-hubs", "right"),
    ]
    table = make_table(
        f"Similar: neighbours of {facts['asking']:,} items among all, against {name}",
        columns,
        f"by: what neighbours are compared by. Overlap: share of the reference's {k} neighbours among the strategy's "
        f"{k}, ± the longer arm of its 95 % interval; {k}-in-{deep}: among its {deep}. "
        + ("Same label: neighbours with the item's label. " if labelled else "")
        + ("floor: the reference against itself, from two halves of the queries. " if floored else "")
        + "chance: random answers. Hub Gini: 0 when all items are returned equally often; anti-hubs: items never "
        "returned.",
    )

    def add(label: str, by: str, row: str, references: tuple[str, str, str]) -> None:
        overlap, agreement, hubs = references

        def at(metric: str, reference: str) -> Measurement | None:
            return figures.of(row, metric, reference, k=k)

        cells = [label, by, shared(at("neighbor_overlap", overlap)), shared(at("neighbor_overlap_in_50", overlap))]
        if labelled:
            cells.append(shared(at("label_agreement", agreement)))
        for metric in ("hub_gini", "antihub_share"):
            figure = at(metric, hubs)
            cells.append(share(figure.value if figure else None))
        table.add_row(*map(escape, cells))

    similarity = {row.strategy: row.similarity for row in figures.rows}
    for strategy in figures.strategies():
        add(strategy, similarity[strategy], strategy, (name, "labels", ""))
    table.add_section()
    add(f"reference: {name}", "", "reference", ("", "labels", ""))
    if floored:
        add("floor", "", "", ("floor", "", "none"))
    add("chance", "", "", ("chance", "chance", "chance"))
    return table


def cluster_table(run: Run) -> Table:
    """Show how far each strategy moves the clusters."""
    figures = Figures(run, "cluster")
    name = run.info["item_reference"]
    labelled = any(row.metric == "ari" and row.reference == "labels" for row in figures.rows)
    columns = [
        ("clusters", "right"),
        ("strategy", "left"),
        ("k-means", "left"),
        ("drift", "right"),
        ("ARI", "right"),
        ("seed floor", "right"),
        ("moved", "right"),
        ("largest", "right"),
        *([("labels ARI", "right")] if labelled else []),
    ]
    told = " Labels ARI: agreement with the labels." if labelled else ""
    dot = any(row.similarity == "dot" for row in figures.rows)
    note = " * Dot has no k-means: those vectors were clustered by l2, as an inverted-file index would." if dot else ""
    table = make_table(
        f"Cluster: drift against {name}",
        columns,
        "Drift: 0 as alike as two seeds, 1 unrelated; – where seeds alone agree too little to tell. ARI: agreement "
        "with the reference's clusters. Seed floor: ARI between seeds of the same strategy. Moved: share of items in "
        f"another cluster after matching. Largest: share of items in the largest cluster.{told}{note}",
    )
    kinds = {"cosine": "spherical", "l2": "plain", "dot": "plain *"}
    for count in figures.depths("ari_seed_floor"):
        rows = [row for row in figures.rows if row.metric == "ari_seed_floor" and row.k == count]
        for row in sorted(rows, key=lambda one: one.strategy == "reference"):
            label = f"reference: {name}" if row.strategy == "reference" else row.strategy
            cells = [
                str(count),
                label,
                kinds[row.similarity],
                share(figures.value(row, "cluster_drift", name)),
                share(figures.value(row, "ari", name)),
                share(row.value),
                share(figures.value(row, "moved_share", name)),
                share(figures.value(row, "largest_cluster_share")),
            ]
            if labelled:
                cells.append(share(figures.value(row, "ari", "labels")))
            table.add_row(*map(escape, cells))
        table.add_section()
    return table
