"""Draw hectares of classes, or the mean value, over time, with the share of the zone that was observed."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instageo.errors import ConfigError, did_you_mean
from instageo.model.figures.canvas import new_figure, save_figure
from instageo.model.figures.colors import class_colors
from instageo.raster.area_products.time_series import AreasOverTime
from instageo.raster.area_products.zone_areas import ZoneArea

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MIN_OBSERVED_SHARE = 0.5
"""Share of the zone below which the numbers of a date say little; their markers are hollow."""

MAX_DATE_TICKS = 12
"""Most dates of which each has its label."""

Position = datetime | float


def draw_areas_over_time(
    series: AreasOverTime, path: Path, *, zone: str | None = None, colors: Sequence[str] = ()
) -> None:
    """Draw one zone over time as a PNG.

    The upper part shows the observed hectares of each class, or the mean value; markers of dates at which less than
    half of the zone was observed are hollow, and not on the curve. The lower part shows the observed share.

    Args:
        series: What was measured.
        path: The PNG.
        zone: Name of the zone; the first one by default.
        colors: Colour of each class by number, such as `#419bdf`; the usual ones of their names by default.

    Raises:
        ConfigError: No zone has this name.
        WriteError: The disk refuses the file.
    """
    name = zone or series.zone_names[0]
    if name not in series.zone_names:
        raise ConfigError(
            f"zone={name} is unknown; choose one of {', '.join(series.zone_names[:20])}"
            f"{did_you_mean(name, series.zone_names)}"
        )
    measured = [areas.zones[series.zone_names.index(name)] for areas in series.areas]
    positions = _positions(series.labels)
    figure = new_figure(9, 5)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    if series.has_classes:
        _draw_classes(upper, series, measured, positions, colors)
    else:
        _draw_curve(upper, positions, [each.mean for each in measured], measured, "#0072b2", "mean")
        upper.set_ylabel("mean over the observed area")
    upper.set_title(name)
    upper.grid(alpha=0.3)
    _draw_observed(lower, measured, positions)
    _label_dates(lower, series.labels, positions)
    save_figure(figure, path, dpi=120)


def _draw_classes(
    panel: "Axes",
    series: AreasOverTime,
    measured: Sequence[ZoneArea],
    positions: Sequence[Position],
    colors: Sequence[str],
) -> None:
    names = series.class_names
    usual = class_colors(None, [names.get(number, str(number)) for number in range(max(names, default=-1) + 1)])
    for number, name in names.items():
        hectares = [next((each.hectares for each in zone.classes if each.number == number), 0.0) for zone in measured]
        color = colors[number] if number < len(colors) else "#" + "".join(f"{part:02x}" for part in usual[number])
        _draw_curve(panel, positions, hectares, measured, color, name)
    panel.set_ylabel("observed area, hectares")
    panel.set_ylim(0, 1.05 * max(panel.dataLim.ymax, 0.01))
    panel.yaxis.set_major_formatter("{x:,.10g}")
    panel.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _draw_curve(
    panel: "Axes",
    positions: Sequence[Position],
    values: Sequence[float | None],
    measured: Sequence[ZoneArea],
    color: str,
    label: str,
) -> None:
    """Draw a curve, whose colour may be pale, through the dates at which enough was observed; others stand alone."""
    from matplotlib.patheffects import Normal, Stroke

    points = list(zip(positions, values, measured, strict=True))
    enough: list[Any] = [(x, y) for x, y, zone in points if y is not None and _is_observed(zone)]
    too_little: list[Any] = [(x, y) for x, y, zone in points if y is not None and not _is_observed(zone)]
    outline = [Stroke(linewidth=3.2, foreground="0.45"), Normal()]
    xs, ys = zip(*enough, strict=True) if enough else ((), ())
    panel.plot(
        xs, ys, "o-", color=color, linewidth=2, path_effects=outline, markersize=7, markeredgewidth=0.3,
        label=label,
    )  # fmt: skip
    for x, y in too_little:
        for edge, width in (("0.45", 3.2), (color, 2.0)):
            panel.plot(x, y, "o", markersize=7, markerfacecolor="white", markeredgecolor=edge, markeredgewidth=width)


def _is_observed(zone: ZoneArea) -> bool:
    return zone.observed_share >= MIN_OBSERVED_SHARE


def _draw_observed(panel: "Axes", measured: Sequence[ZoneArea], positions: Sequence[Position]) -> None:
    shares = [100 * zone.observed_share for zone in measured]
    xs: list[Any] = list(positions)
    panel.vlines(xs, 0, shares, color="0.6", linewidth=4)
    panel.axhline(100 * MIN_OBSERVED_SHARE, color="0.6", linewidth=0.8, linestyle="--")
    panel.set(ylim=(0, 100), ylabel="observed, %", yticks=[0, 50, 100])
    if not all(map(_is_observed, measured)):
        panel.set_xlabel("hollow: less than half of the zone was observed", color="0.35", fontsize=9)


def _label_dates(panel: "Axes", labels: Sequence[str], positions: Sequence[Position]) -> None:
    if len(labels) <= MAX_DATE_TICKS:
        ticks: list[Any] = list(positions)
        panel.set_xticks(ticks, labels, rotation=30, ha="right")
    elif isinstance(positions[0], datetime):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        panel.xaxis.set_major_locator(locator)
        panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    else:
        step = -(-len(labels) // MAX_DATE_TICKS)
        panel.set_xticks(
            [float(number) for number in range(0, len(labels), step)], labels[::step], rotation=30, ha="right"
        )


def _positions(labels: Sequence[str]) -> list[Position]:
    """Return the middle of the day or period of each label; their numbers if one is not a date."""
    try:
        return [_middle(label) for label in labels]
    except ValueError:
        return [float(number) for number in range(len(labels))]


def _middle(label: str) -> datetime:
    first, slash, last = label.partition("/")
    start = datetime.combine(date.fromisoformat(first.strip()), time())
    end = datetime.combine(date.fromisoformat((last if slash else first).strip()), time()) + timedelta(days=1)
    return start + (end - start) / 2
