"""The validation task: what people know decides between similarities, or says that it can't."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.embed import Embedded, embed
from idxbench.bench.figures import Where
from idxbench.bench.inputs import Inputs
from idxbench.bench.progress import Advance
from idxbench.bench.ranked import answers, hits
from idxbench.bench.session import Finding, Session
from idxbench.bench.similar import SHALLOW, NeighborTask, item_neighbors
from idxbench.bench.validation_sets import PairSet, QuestionSet, Sets
from idxbench.config.transforms import Learned, TransformSpec
from idxbench.data.dataset import Labels
from idxbench.data.pairs import pair_keys, write_pairs
from idxbench.errors import DataError
from idxbench.measures.intervals import mean_interval
from idxbench.measures.neighbors import chance_label_agreement, label_agreement
from idxbench.measures.validation import (
    Comparison,
    chance_hit_rate,
    chance_ndcg,
    compare_means,
    compare_spearman,
    ranked_gains,
)
from idxbench.records import Measurement, Notice
from idxbench.store.files import unwritable
from idxbench.strategies.catalogue import fit
from idxbench.strategies.learned import learned_pairs
from idxbench.strategies.transforms import Chain, Linear

Ids = NDArray[np.int64]


def validate(session: Session, inputs: Inputs, sets: Sets | None, spaces: Sequence[Embedded]) -> None:
    """Judge every strategy by the validation sets; write the maps of learned strategies, validated or not."""
    _save_learned(session, inputs, spaces)
    if sets is None:
        return
    session.notices += sets.notices
    session.facts["validation"] = sets.facts
    session.facts["tasks"] = [*session.facts.get("tasks", ()), "validate"]
    session.save()
    judge = _Judge(session, inputs, spaces, sets.pairs)
    n_sets = sum(one is not None for one in (sets.pairs or sets.questions, sets.asking))
    with session.progress.stage("validate", n_sets * len(spaces)) as advance:
        works = {}
        if sets.pairs is not None and sets.questions is None:
            works["pairs"] = partial(judge.grades, sets.pairs, advance)
        if sets.questions is not None:
            works[sets.questions.kind] = partial(judge.questions, sets.questions, advance)
        if sets.asking is not None and inputs.dataset.labels is not None:
            works["labels"] = partial(judge.labels, sets.asking, inputs.dataset.labels, advance)
        for kind, work in works.items():
            unit = {"kind": "validate", "set": kind}
            if session.directory.has(unit):
                advance(len(spaces))
            session.once(unit, lambda work=work: Finding(work()))  # type: ignore[misc]


@dataclass(frozen=True)
class _Judge:
    """Scores all strategies on one set after the other, and returns what it finds."""

    session: Session
    inputs: Inputs
    spaces: Sequence[Embedded]
    pairs: PairSet | None

    def grades(self, of: PairSet, advance: Advance) -> list[Measurement]:
        """Compare rank correlations with graded pairs."""
        pairs = of.pairs
        assert pairs.grades is not None

        def score(embedded: Embedded, chosen: Ids) -> NDArray[np.float64]:
            asked = np.asarray(embedded.items[pairs.left[chosen]])
            return embedded.exact.score_ids(asked, pairs.right[chosen][:, None])[:, 0]

        known, scores = self._by_fold("pairs", of.folds, score, advance)
        if not known:
            return []
        compared = compare_spearman(scores, pairs.grades, seed=self.session.config.seed)
        chance = Where("validate").value("spearman", 0.0, "", n=len(pairs.left), reference="chance")
        return [chance, *_standing("spearman", "pairs", 0, known, compared)]

    def questions(self, of: QuestionSet, advance: Advance) -> list[Measurement]:
        """Compare what queries, or items, find of what they want."""
        questions, n_items = of.questions, len(self.inputs.items)
        depths = [k for k in self.session.config.k if k <= n_items] or [n_items]
        deepest = max(depths)

        def find(embedded: Embedded, chosen: Ids) -> NDArray[np.float64]:
            asking = embedded.items if of.kind == "pairs" else embedded.queries
            asked = questions.take(chosen)
            found = answers(embedded.exact, np.asarray(asking), asked, deepest)
            marked = hits(found, asked)
            gained = [ranked_gains(found, marked, asked.relevant.sizes, k) for k in depths]
            return np.stack([*gained, *(marked[:, :k].any(axis=1) for k in depths)], axis=1)

        known, worth = self._by_fold(of.kind, of.folds, find, advance, 2 * len(depths))
        rows: list[Measurement] = []
        if not known:
            return rows
        _, owner = np.unique(questions.rows, return_inverse=True)
        n_wanted, n_candidates = questions.relevant.sizes, n_items - questions.excluded.sizes
        for position, k in enumerate(depths):
            where = Where("validate", k=k)
            for metric, chance in (("ndcg", chance_ndcg), ("hit_rate", chance_hit_rate)):
                expected = _mean_by(owner, chance(n_wanted, n_candidates, k))
                rows.append(where.value(metric, float(expected.mean()), n=len(expected), reference="chance"))
            for name, values in zip(known, worth[:, :, len(depths) + position], strict=True):
                rate = mean_interval(_mean_by(owner, values), seed=self.session.config.seed)
                place = replace(where, strategy=name.space.name, similarity=name.space.similarity)
                rows.append(place.estimate("hit_rate", rate, reference=of.kind))
            gains = np.stack([_mean_by(owner, values) for values in worth[:, :, position]])
            compared = compare_means(gains, seed=self.session.config.seed)
            rows += _standing("ndcg", of.kind, k, known, compared)
        return rows

    def labels(self, asking: Ids, labels: Labels, advance: Advance) -> list[Measurement]:
        """Compare how many neighbours share an item's label."""
        n_items = len(self.inputs.items)
        k = min(SHALLOW, n_items - 1)
        task = NeighborTask(asking, n_items, k, k)
        agreement = []
        for one in self.spaces:
            found = item_neighbors(one.items, one.space.similarity, task, self.session.threads)
            agreement.append(label_agreement(found, asking, labels))
            advance(1)
        # An item all of whose neighbours under some strategy lack a label counts for no strategy.
        shared = np.stack(agreement)
        shared = shared[:, ~np.isnan(shared).any(axis=0)]
        self.session.facts["validation"]["n_labelled"] = [shared.shape[1], len(asking)]
        if shared.shape[1] < 2:
            return []
        by_chance = chance_label_agreement(labels)
        chance = Where("validate", k=k).value("purity", by_chance, n=shared.shape[1], reference="chance")
        compared = compare_means(shared, seed=self.session.config.seed)
        return [chance, *_standing("purity", "labels", k, self.spaces, compared)]

    def _by_fold(
        self, kind: str, folds: Ids, score: Callable[[Embedded, Ids], NDArray[Any]], advance: Advance, width: int = 0
    ) -> tuple[list[Embedded], NDArray[np.float64]]:
        """Score every strategy; one that is learned from these pairs, fold by fold by a map that has not seen them."""
        known, scores = [], []
        for one in self.spaces:
            try:
                values = np.empty((len(folds), width) if width else len(folds))
                pairs = self.pairs if kind == "pairs" else None
                for embedded, chosen in self._unseen(one, folds, pairs):
                    values[chosen] = score(embedded, chosen)
                known.append(one)
                scores.append(values)
            except DataError as error:
                reason = f"{error.problems[0].expected}, found {error.problems[0].found}"
                text = f"{one.space.name} could not be fitted on the other folds alone: expected {reason}"
                self.session.notices.append(Notice("learned-not-validated", text, "give more pairs"))
            advance(1)
        return known, np.array(scores)

    def _unseen(self, one: Embedded, folds: Ids, of: PairSet | None) -> Iterator[tuple[Embedded, Ids]]:
        """Yield the strategy with what it may be scored on: fold by fold where it learned from those pairs."""
        n_items = len(self.inputs.items)
        specs = [spec for spec in one.space.transforms if isinstance(spec, Learned)]
        learned = {id(spec): learned_pairs(spec, n_items) for spec in specs}
        shared = of is not None and any(
            np.isin(pair_keys(pairs, n_items), pair_keys(of.pairs, n_items)).any() for pairs in learned.values()
        )
        if of is None or not shared:
            yield one, np.arange(len(folds))
            return
        crossed = self.session.facts["validation"].setdefault("cross_fitted", [])
        crossed.append(one.space.name)
        folder = self.session.directory.work / "unseen"
        for fold in np.unique(folds).tolist():  # fewer than n_folds where there are fewer pairs
            kept_out = pair_keys(of.pairs.take(of.folds == fold), n_items)
            transforms: list[TransformSpec] = []
            for position, spec in enumerate(one.space.transforms):
                if not isinstance(spec, Learned):
                    transforms.append(spec)
                    continue
                path = self.session.directory.work / f"pairs-{position}.tsv"
                pairs = learned[id(spec)]
                write_pairs(path, pairs.take(~np.isin(pair_keys(pairs, n_items), kept_out)))
                transforms.append(spec.model_copy(update={"pairs": path, "names": None}))
            try:
                yield (
                    embed(replace(one.space, transforms=tuple(transforms)), self.inputs, folder, self.session.threads),
                    np.flatnonzero(folds == fold),
                )
            finally:
                shutil.rmtree(folder, ignore_errors=True)


def _standing(metric: str, kind: str, k: int, known: Sequence[Embedded], compared: Comparison) -> Iterator[Measurement]:
    """Yield each strategy's figure and how it stands to the best."""
    unit = "" if metric == "spearman" else "share"
    best = known[compared.best].space.name
    stands = zip(known, compared.figures, compared.differences, compared.p_values, strict=True)
    for one, figure, difference, p_value in stands:
        where = Where("validate", one.space.name, one.space.similarity, k=k)
        yield where.estimate(metric, figure, unit, reference=kind)
        if one.space.name != best:
            yield where.estimate(f"{metric}_difference", difference, unit, reference=best)
            yield where.value(f"{metric}_holm_p", p_value, "", n=figure.n, reference=best)


def _save_learned(session: Session, inputs: Inputs, spaces: Sequence[Embedded]) -> None:
    """Write the maps of learned transforms, fitted on all their pairs, as ``projected`` reads them."""
    for one in spaces:
        if not any(isinstance(spec, Learned) for spec in one.space.transforms):
            continue
        fitted = fit(
            one.space.transforms,
            inputs.items,
            inputs.fit_queries,
            same_space=inputs.same_space,
            threads=session.threads,
        )
        steps = fitted.steps if isinstance(fitted, Chain) else (fitted,)
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", one.space.name).strip("-.") or "strategy"
        written = session.facts.setdefault("learned", [])
        for position, (spec, step) in enumerate(zip(one.space.transforms, steps, strict=True)):
            if not isinstance(spec, Learned) or not isinstance(step, Linear):
                continue
            stem = f"{len(written)}-{slug}"
            folder = session.directory.path / "learned"
            try:
                folder.mkdir(exist_ok=True)
                np.save(folder / f"{stem}-items.npy", step.items_map)
                np.save(folder / f"{stem}-queries.npy", step.queries_map)
            except OSError as error:
                raise unwritable(folder, error) from None
            written.append(
                {
                    "strategy": one.space.name,
                    "after": [before.kind for before in one.space.transforms[:position]],
                    "items": f"learned/{stem}-items.npy",
                    "queries": f"learned/{stem}-queries.npy",
                    **step.facts,
                }
            )


def _mean_by(owner: Ids, values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean of the values of each owner: an item asks once per fold, and counts once."""
    return np.asarray(np.bincount(owner, weights=values) / np.bincount(owner))
