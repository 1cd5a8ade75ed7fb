"""Match observations with images: a plan for each chip, and a reason for each observation without one."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from instageo.data.items.item import Item
from instageo.data.matching.candidates import REASON_ORDER, CandidateFinder, MatchRules, Unmatched
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.matching.dates import Period
from instageo.data.matching.placement import ChipWindow, place_points
from instageo.data.matching.scenes import Scenes
from instageo.data.observations.observation import Observation
from instageo.data.output.skipped import Reason, Skipped


@dataclass(frozen=True)
class Matches:
    """Plans of chips, and observations without one.

    Attributes:
        plans: In the order of tile, row, column and date.
        skipped: In the order of the table.
    """

    plans: tuple[ChipPlan, ...]
    skipped: tuple[Skipped, ...]


def match(observations: Sequence[Observation], scenes: Scenes, rules: MatchRules) -> Matches:
    """Find the window and the images of each observation; observations of the same window and images share a chip."""
    lonlats = [(observation.longitude, observation.latitude) for observation in observations]
    windows = place_points(lonlats, scenes.frames, size=rules.size, centre=rules.centre)
    counts = Counter(window.tile for window in windows if window is not None)
    chooser = CandidateFinder(scenes, rules, {window for window in windows if window is not None})
    exchanged = _exchanged(
        [lonlat for lonlat, window in zip(lonlats, windows, strict=True) if window is None], scenes, rules
    )
    skipped: list[Skipped] = []
    groups: dict[tuple[object, ...], list[Observation]] = defaultdict(list)
    choices: dict[tuple[object, ...], tuple[ChipWindow, tuple[tuple[Item, ...], ...]]] = {}
    for observation, window in zip(observations, windows, strict=True):
        chosen = _choose(observation, window, counts, chooser, exchanged)
        if isinstance(chosen, Unmatched) or window is None:
            reason = chosen if isinstance(chosen, Unmatched) else Unmatched(Reason.NOT_PLACED, "")
            skipped.append(Skipped(observation.number, reason.reason, reason.detail))
            continue
        used = tuple(items[0].id if items else "" for items in chosen)
        key = (window.tile, window.row, window.column, used, observation.number if rules.per_point else 0)
        groups[key].append(observation)
        choices.setdefault(key, (window, chosen))
    plans = [_plan(*choices[key], members, rules) for key, members in groups.items()]
    plans.sort(key=lambda plan: (plan.tile, plan.row, plan.column, plan.name))
    return Matches(tuple(_with_unique_names(plans)), tuple(skipped))


def _exchanged(lonlats: Sequence[tuple[float, float]], scenes: Scenes, rules: MatchRules) -> set[tuple[float, float]]:
    """Return the coordinates that would lie in a tile if their longitude and latitude were exchanged."""
    possible = [lonlat for lonlat in lonlats if abs(lonlat[0]) <= 90]
    turned = [(latitude, longitude) for longitude, latitude in possible]
    windows = place_points(turned, scenes.frames, size=rules.size, centre=False)
    return {lonlat for lonlat, window in zip(possible, windows, strict=True) if window is not None}


def _choose(
    observation: Observation, window: ChipWindow | None, counts: Mapping[str, int], chooser: CandidateFinder,
    exchanged: Container[tuple[float, float]],
) -> tuple[tuple[Item, ...], ...] | Unmatched:  # fmt: skip
    rules, day = chooser.rules, observation.time.date()
    if window is None:
        swapped = (observation.longitude, observation.latitude) in exchanged
        return _without_tile(rules.dates.periods(day), chooser.scenes, rules, swapped=swapped)
    if counts[window.tile] < rules.min_count:
        return Unmatched(
            Reason.FEW_OBSERVATIONS, f"{window.tile} has {counts[window.tile]}; min_count is {rules.min_count}"
        )
    return chooser.items(window, day)


def _without_tile(periods: Sequence[Period], scenes: Scenes, rules: MatchRules, *, swapped: bool) -> Unmatched:
    """Return why a place is in no tile."""
    if periods[0].last < rules.first_day:
        return Unmatched(Reason.BEFORE_SENSOR, f"the first image is of {rules.first_day}")
    others = [other for tile in scenes.rejected for other in scenes.rejected_between(
        tile, periods[0].first, periods[-1].last)]  # fmt: skip
    if not scenes.usable and others:
        first = min(others, key=lambda other: REASON_ORDER.index(other.reason))
        return Unmatched(first.reason, first.detail)
    largest = max((min(frame.grid.shape) for frame in scenes.frames), default=rules.size)
    if largest < rules.size:
        detail = f"chips of {rules.size} pixels are larger than the images, which have {largest}"
        return Unmatched(Reason.NOT_PLACED, detail)
    hint = "; with lat and lon exchanged it would lie in one" if swapped else ""
    return Unmatched(Reason.NOT_PLACED, f"the images that were found lie elsewhere{hint}")


def _plan(
    window: ChipWindow, items: tuple[tuple[Item, ...], ...], members: Sequence[Observation], rules: MatchRules
) -> ChipPlan:
    day = min(observation.time.date() for observation in members)
    targets = tuple(period.target for period in rules.dates.periods(day))
    if rules.newest_first:
        items, targets = items[::-1], targets[::-1]
    name = f"{window.tile}_{day:%Y%m%d}_{window.row:04}_{window.column:04}"
    if rules.per_point:
        name += f"_p{members[0].number}"
    return ChipPlan(name, window.tile, window.grid, window.row, window.column, targets, items, tuple(members))


def _with_unique_names(plans: Iterable[ChipPlan]) -> Iterable[ChipPlan]:
    """Yield plans; a name that occurs again gets a letter, as where two dates are served by different images."""
    counts: Counter[str] = Counter()
    for plan in plans:
        counts[plan.name] += 1
        again = counts[plan.name]
        yield plan if again == 1 else replace(plan, name=f"{plan.name}_{again}")
