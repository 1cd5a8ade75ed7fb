"""Numbers as texts of the report."""

from datetime import UTC, datetime


def hectares_text(hectares: float) -> str:
    """Return hectares with thousands apart, and decimals where they are few.

    Examples:
        >>> hectares_text(1234.4), hectares_text(12.34), hectares_text(0.0123), hectares_text(0)
        ('1,234 ha', '12.3 ha', '0.0123 ha', '0 ha')
    """
    if abs(hectares) >= 99.95 or hectares == 0:
        return f"{hectares:,.0f} ha"
    return f"{hectares:.3g} ha"


def signed_hectares(hectares: float) -> str:
    """Return a difference of hectares with its sign."""
    sign = "−" if hectares < 0 else "+" if hectares > 0 else "±"
    return f"{sign}{hectares_text(abs(hectares))}"


def percent_text(share: float) -> str:
    """Return a share of 0 to 1 in percent; those that are not quite nothing or everything do not look as if.

    Examples:
        >>> percent_text(0.07), percent_text(0.0712), percent_text(0.0004), percent_text(0.9999), percent_text(1)
        ('7.0 %', '7.1 %', '< 0.1 %', '> 99.9 %', '100 %')
    """
    percent = 100 * share
    if percent in (0, 100):
        return f"{percent:.0f} %"
    if percent < 0.1:
        return "< 0.1 %"
    return "> 99.9 %" if 99.9 < percent < 100 else f"{percent:.1f} %"


def time_text(time: datetime) -> str:
    """Return a time as day and minute, UTC; times without a zone are UTC."""
    utc = time.astimezone(UTC) if time.tzinfo else time
    return f"{utc:%Y-%m-%d %H:%M}"


def day_of(time: datetime) -> str:
    """Return the day of a time, UTC."""
    return time_text(time)[:10]


def degrees_text(value: float, signs: str, decimals: int) -> str:
    """Return a longitude or latitude as text.

    Args:
        value: Degrees; longitudes above 180 are those of the western half.
        signs: Letters for positive and negative ones, `NS` or `EW`.
        decimals: Decimal places.
    """
    if signs == "EW":
        value = (value + 180) % 360 - 180
    rounded = round(value, decimals)
    sign = signs[rounded < 0] if rounded else ""
    return f"{abs(rounded):.{decimals}f}°{f' {sign}' if sign else ''}"
