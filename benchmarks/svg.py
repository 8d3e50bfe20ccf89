"""Two kinds of pictures, as plain SVG without any library: lines over an axis, and stacked horizontal bars."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from xml.sax.saxutils import escape

Points = Sequence[tuple[float, float]]

# Okabe and Ito's palette (2008): told apart with any colour vision, and in print.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")
_INK, _FAINT, _GRID = "#222222", "#666666", "#e4e4e4"
_FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
_WIDTH, _HEIGHT = 760, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 84, 56
_BAR, _GAP = 30, 22
# Roughly what a letter takes at 12 px: SVG cannot measure text.
_LETTER = 6.8


def lines(title: str, x_name: str, y_name: str, series: Mapping[str, Points], *, log: bool = False) -> str:
    """Lines through points, one colour a name. `log`: powers of ten on the y axis, from below the lowest value."""
    x_ticks = _ticks(max((x for points in series.values() for x, _ in points), default=1.0))
    values = [y for points in series.values() for _, y in points]
    y_ticks = _powers(values) if log else _ticks(max(values, default=1.0))
    across = _scale(0.0, x_ticks[-1], _LEFT, _WIDTH - _RIGHT)
    up = _scale(y_ticks[0], y_ticks[-1], _HEIGHT - _BOTTOM, _TOP, log=log)
    parts = [_text(_LEFT - 60, 26, title, size=16, weight=600)]
    if len(series) > 1:
        parts.append(_legend(list(series), _LEFT, 52))
    for tick in y_ticks:
        parts.append(_line(_LEFT, up(tick), _WIDTH - _RIGHT, up(tick), _GRID))
        parts.append(_text(_LEFT - 8, up(tick) + 4, _number(tick), anchor="end", colour=_FAINT))
    parts += [
        _text(across(tick), _HEIGHT - _BOTTOM + 18, _number(tick), anchor="middle", colour=_FAINT) for tick in x_ticks
    ]
    for colour, points in zip(cycle(_COLOURS), series.values(), strict=False):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
    parts.append(_line(_LEFT, _HEIGHT - _BOTTOM, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM, _FAINT))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, x_name, anchor="middle", colour=_FAINT))
    parts.append(_text(_LEFT, _TOP - 10, y_name, colour=_FAINT))
    return _document(title, _HEIGHT, parts)


def bars(title: str, unit: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    """A horizontal bar a row, stacked of its named parts, with its sum at the end."""
    names = list(dict.fromkeys(name for parts in rows.values() for name in parts))
    colours = dict(zip(names, cycle(_COLOURS), strict=False))
    left = 24 + max(len(row) for row in rows) * _LETTER
    ticks = _ticks(max((sum(parts.values()) for parts in rows.values()), default=1.0))
    across = _scale(0.0, ticks[-1], left, _WIDTH - 70)
    bottom = _TOP + len(rows) * (_BAR + _GAP)
    parts = [_text(16, 26, title, size=16, weight=600), _legend(names, 16, 52)]
    for tick in ticks:
        parts.append(_line(across(tick), _TOP - 8, across(tick), bottom, _GRID))
        parts.append(_text(across(tick), bottom + 18, _number(tick), anchor="middle", colour=_FAINT))
    for number, (row, values) in enumerate(rows.items()):
        y, reached = _TOP + number * (_BAR + _GAP), 0.0
        for name, value in values.items():
            x, end = across(reached), across(reached + value)
            shape = f"<rect x='{x:.1f}' y='{y}' width='{max(end - x, 0):.1f}' height='{_BAR}'"
            parts.append(f"{shape} fill='{colours[name]}'><title>{escape(name)}: {_number(value)}</title></rect>")
            reached += value
        parts.append(_text(left - 10, y + 20, row, anchor="end"))
        parts.append(_text(across(reached) + 8, y + 20, _number(reached), weight=600))
    parts.append(_text((left + _WIDTH - 70) / 2, bottom + 42, unit, anchor="middle", colour=_FAINT))
    return _document(title, bottom + 56, parts)


def save(folder: Path, name: str, picture: str) -> None:
    """Write ``NAME.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.svg").write_text(picture, encoding="utf-8")


def _scale(low: float, high: float, start: float, end: float, *, log: bool = False) -> Callable[[float], float]:
    def share(value: float) -> float:
        if log:
            return math.log10(max(value, low) / low) / math.log10(high / low)
        return (value - low) / (high - low)

    def place(value: float) -> float:
        return start + (end - start) * share(value)

    return place


def _powers(values: Sequence[float]) -> list[float]:
    """Powers of ten around all values above zero, two at the least."""
    known = [value for value in values if value > 0] or [1.0]
    low = math.floor(math.log10(min(known)))
    return [10.0**power for power in range(low, max(low + 1, math.ceil(math.log10(max(known)))) + 1)]


def _ticks(highest: float) -> list[float]:
    """Round numbers from 0 to at least `highest`, four to eight of them."""
    if highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest))
    step = next(power * share for share in (0.2, 0.25, 0.5, 1, 2) if highest / (power * share) <= 6)  # noqa: PLR2004 - a quiet axis
    return [step * number for number in range(math.ceil(round(highest / step, 6)) + 1)]


def _number(value: float) -> str:
    """As short as it stays exact enough: 12,000; 4.1; 0.25."""
    if value >= 100 or value == round(value):  # noqa: PLR2004 - digits that matter
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}".rstrip("0")


def _legend(names: Sequence[str], left: float, y: float) -> str:
    parts: list[str] = []
    for colour, name in zip(cycle(_COLOURS), names, strict=False):
        parts.append(f"<rect x='{left:.0f}' y='{y - 10:.0f}' width='12' height='12' rx='2' fill='{colour}'/>")
        parts.append(_text(left + 18, y, name))
        left += 40 + len(name) * _LETTER
    return "".join(parts)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, weight: int = 400, colour: str = _INK
) -> str:
    where = f"x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'"
    return f"<text {where} font-size='{size}' font-weight='{weight}' fill='{colour}'>{escape(text)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}'/>"


def _document(title: str, height: float, parts: Sequence[str]) -> str:
    size = f"viewBox='0 0 {_WIDTH} {height:.0f}' width='{_WIDTH}' height='{height:.0f}'"
    label = escape(title, {"'": "&apos;"})
    body = "\n".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img' aria-label='{label}' {_FONT}>\n"
        f"<rect width='100%' height='100%' fill='#ffffff'/>\n{body}\n</svg>\n"
    )
