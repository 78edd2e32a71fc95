"""Charts as SVG text: bars, dots with whiskers, lines, histograms, heat maps. No library, no script, no font file.

Colours are classes (``s0``-``s7`` for series, ``ink``, ``soft``, ``rule``): the style sheet around a chart makes it
light or dark. All are narrow (:data:`WIDTH` units), to be readable on a phone. Text from data is escaped here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape as _escape
from math import ceil, floor, log10
from typing import NamedTuple

from t2t_dist.core.printing import clean

WIDTH = 440
#: Colours safe for colour-blind readers (after Okabe and Ito), for light and dark backgrounds.
LIGHT: dict[str, Sequence[str]] = {
    "ink": "#1c1e21",
    "soft": "#63686f",
    "rule": "#d9dce1",
    "paper": "#ffffff",
    "series": ("#0072b2", "#d55e00", "#009e73", "#b8569a", "#8a6d00", "#3aa0d8", "#7a5195", "#6b7075"),
}
DARK: dict[str, Sequence[str]] = {
    "ink": "#e8eaed",
    "soft": "#a0a6ae",
    "rule": "#3a3f46",
    "paper": "#16181b",
    "series": ("#56b4e9", "#f0883e", "#2fc89b", "#e08bc6", "#e0c04c", "#8ecff2", "#b79bd3", "#a9afb6"),
}
SERIES = len(LIGHT["series"])
_MARGIN = 14  # around a standalone chart
_CHAR = 7.6  # width of a character at 12 units, in a wide font


def escape(text: str) -> str:
    return _escape(clean(text))


def style(theme: Mapping[str, Sequence[str]] = LIGHT) -> str:
    """The rules of a theme, for a style sheet."""
    rules = [
        f".ink{{fill:{theme['ink']}}}.soft{{fill:{theme['soft']}}}.paper{{fill:{theme['paper']}}}",
        f".rule{{stroke:{theme['rule']};stroke-width:1}}.zero{{stroke:{theme['soft']};stroke-width:1}}",
        f".whisker{{stroke:{theme['ink']};stroke-width:1.5}}.empty{{fill:{theme['rule']}}}",
    ]
    rules += [
        f".s{n}{{fill:{colour}}}.l{n}{{stroke:{colour};fill:none;stroke-width:2}}"
        for n, colour in enumerate(theme["series"])
    ]
    return "".join(rules)


TEXT = "text{font:12px system-ui,'DejaVu Sans',sans-serif}.small{font-size:10px}.bold{font-weight:600}"


def standalone(svg: str, dark: bool = True) -> str:
    """A chart as a file of its own, with its colours; with ``dark``, also those for dark screens."""
    more = f"@media (prefers-color-scheme:dark){{{style(DARK)}}}" if dark else ""
    size = re.match(r'(<svg [^>]*viewBox=")0 0 (\d+) (\d+)', svg)
    assert size is not None
    wide, tall = int(size[2]) + 2 * _MARGIN, int(size[3]) + 2 * _MARGIN
    head, _, rest = svg[size.end() :].partition(">")
    ground = f'<rect class="paper" x="-{_MARGIN}" y="-{_MARGIN}" width="{wide}" height="{tall}"/>'
    place = f"-{_MARGIN} -{_MARGIN} {wide} {tall}"
    return f"{size[1]}{place}{head}><style>{TEXT}{style(LIGHT)}{more}</style>{ground}{rest}"


def _svg(height: float, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img"'
        f' aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, kind: str = "ink", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str = "rule") -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _rect(x: float, y: float, width: float, height: float, kind: str, tip: str = "", opacity: float = 1.0) -> str:
    faint = "" if opacity >= 1 else f' fill-opacity="{opacity:.2f}"'
    inside = f"<title>{escape(tip)}</title>" if tip else ""
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" rx="1.5"'
        f"{faint}>{inside}</rect>"
    )


def cut(text: str, width: float) -> str:
    """Text cut to a width in the middle, as names tend to differ at their ends."""
    most = max(4, floor(width / _CHAR))
    if len(text) <= most:
        return text
    left = (most - 1) // 2
    return f"{text[:left]}\N{HORIZONTAL ELLIPSIS}{text[len(text) - (most - 1 - left) :]}"


def _wide(texts: Sequence[str], most: float) -> float:
    return min(most, max((len(text) * _CHAR for text in texts), default=0.0) + 8)


def nice(most: float) -> tuple[float, float]:
    """A round upper end for an axis that must reach ``most``, and a step of it."""
    if most <= 0:
        return 1.0, 0.5
    size = 10 ** floor(log10(most))
    step = next(size * m for m in (0.2, 0.5, 1.0, 2.0, 5.0) if most / (size * m) <= 5)
    return step * ceil(most / step - 1e-9), step


def short(value: float) -> str:
    """``12.3k`` of 12345: at most four figures."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def legend(names: Sequence[str] | Mapping[int, str], y: float, x: float = 0.0) -> tuple[list[str], float]:
    """The legend, and the y at which it ends. A list names series 0, 1 ..."""
    parts, at, top = [], x, y
    for number, name in names.items() if isinstance(names, Mapping) else enumerate(names):
        text = cut(name, WIDTH - x - 24)
        wide = len(text) * _CHAR + 26
        if at > x and at + wide > WIDTH:
            at, top = x, top + 17
        parts += [_rect(at, top, 10, 10, f"s{number % SERIES}"), _text(at + 15, top + 9, text, "soft")]
        at += wide
    return parts, top + 20 if names else 4.0


class Dot(NamedTuple):
    """An estimate with its interval and optional wider bounds; ``series`` gives the colour."""

    value: float
    low: float
    high: float
    series: int
    tip: str
    outer: tuple[float, float] | None = None


def dots(
    groups: Sequence[tuple[str, Sequence[Dot | None]]], names: Sequence[str], title: str, axis: tuple[float, float]
) -> str:
    """Groups of estimates on one axis; ``None`` leaves a gap."""
    parts, y = legend(names, 4)
    left = _wide([name for name, _ in groups], 170)
    start, end = axis
    right = 44.0

    def place(value: float) -> float:
        return left + (value - start) / (end - start) * (WIDTH - left - right)

    y += 4
    top = y
    rows = sum(len(row) for _, row in groups)
    bottom = y + rows * 13 + len(groups) * 10
    for tick in range(5):
        value = start + (end - start) * tick / 4
        parts.append(_line(place(value), top, place(value), bottom, "zero" if value == 0 and start < 0 else "rule"))
        parts.append(_text(place(value), bottom + 14, f"{value:g}", "soft", "middle"))
    for name, row in groups:
        parts.append(_text(0, y + 6 + len(row) * 13 / 2, cut(name, left), "ink"))
        for dot in row:
            y += 13
            if dot is None:
                continue
            middle = y - 4
            if dot.outer is not None and dot.outer[0] < dot.outer[1]:
                wide = place(dot.outer[1]) - place(dot.outer[0])
                parts.append(_rect(place(dot.outer[0]), middle - 4, wide, 8, f"s{dot.series % SERIES}", dot.tip, 0.25))
            parts.append(_line(place(dot.low), middle, place(dot.high), middle, f"l{dot.series % SERIES}"))
            parts.append(
                f'<circle class="s{dot.series % SERIES}" cx="{place(dot.value):.1f}" cy="{middle:.1f}" r="4">'
                f"<title>{escape(dot.tip)}</title></circle>"
            )
            parts.append(_text(WIDTH, middle + 4, f"{dot.value:.2f}", "soft small", "end"))
        y += 10
    return _svg(bottom + 20, parts, title)


class Bar(NamedTuple):
    """A bar of segments ``(amount, series, tip)``, with ``label`` at its end."""

    name: str
    segments: Sequence[tuple[float, int, str]]
    label: str
    indent: int = 0


def bars(rows: Sequence[Bar], names: Sequence[str] | Mapping[int, str], title: str, most: float | None = None) -> str:
    """Horizontal bars: names are long and screens narrow."""
    parts, y = legend(names, 4)
    longest = most or max((sum(amount for amount, _, _ in bar.segments) for bar in rows), default=1) or 1
    left = _wide(["  " * bar.indent + bar.name for bar in rows], 180)
    right = _wide([bar.label for bar in rows], 100)
    for bar in rows:
        inset = bar.indent * 12.0
        parts.append(_text(inset, y + 13, cut(bar.name, left - inset - 4), "ink" if not bar.indent else "soft"))
        x = left
        for amount, series, tip in bar.segments:
            wide = amount / longest * (WIDTH - left - right)
            parts.append(_rect(x, y + 3, wide, 13, f"s{series % SERIES}", tip))
            x += wide
        parts.append(_text(x + 5, y + 13, bar.label, "soft"))
        y += 20
    return _svg(y + 4, parts, title)


def histogram(
    edges: Sequence[str], counts: Sequence[Sequence[float]], names: Sequence[str], title: str, below: str
) -> str:
    """Stacked columns: ``counts[i]`` has the amounts of column i by series; of the labels ``edges``, some are shown."""
    parts, y = legend(names, 4)
    most, step = nice(max((sum(column) for column in counts), default=0))
    left, top, tall = 40.0, y + 10, 130.0
    tick = 0.0
    while tick <= most + 1e-9:
        at = top + tall - tick / most * tall
        parts += [_line(left, at, WIDTH, at), _text(left - 5, at + 4, short(tick), "soft", "end")]
        tick += step
    wide = (WIDTH - left) / max(len(counts), 1)
    every = max(1, ceil(len(edges) * 46 / (WIDTH - left)))
    for place, column in enumerate(counts):
        at = top + tall
        for series, amount in enumerate(column):
            height = amount / most * tall
            at -= height
            if amount:
                tip = f"{edges[place]}: {amount:g}" + (f" {names[series]}" if names else "")
                parts.append(_rect(left + place * wide + 0.5, at, wide - 1, height, f"s{series % SERIES}", tip))
        if place % every == 0:
            anchor = "end" if place == len(counts) - 1 and wide < 40 else "middle"
            at_x = WIDTH if anchor == "end" else left + (place + 0.5) * wide
            parts.append(_text(at_x, top + tall + 14, edges[place], "soft small", anchor))
    parts.append(_text(WIDTH, top + tall + 29, below, "soft", "end"))
    return _svg(top + tall + 36, parts, title)


def lines(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    title: str,
    below: str,
    xs: Sequence[tuple[float, str]],
    most: float | None = None,
) -> str:
    """Lines through points; ``xs`` are the ticks of the x axis."""
    parts, y = legend([name for name, _ in series], 4) if len(series) > 1 else ([], 0.0)
    points = [point for _, values in series for point in values]
    top_value, step = nice(most if most is not None else max((value for _, value in points), default=0))
    first, last = xs[0][0], xs[-1][0] if xs[-1][0] > xs[0][0] else xs[0][0] + 1
    left, top, tall, right = 40.0, y + 10, 130.0, 14.0

    def at(x: float, value: float) -> tuple[float, float]:
        return left + (x - first) / (last - first) * (WIDTH - left - right), top + tall - value / top_value * tall

    tick = 0.0
    while tick <= top_value + 1e-9:
        _, height = at(first, tick)
        parts += [_line(left, height, WIDTH - right, height), _text(left - 5, height + 4, short(tick), "soft", "end")]
        tick += step
    for place, (x, label) in enumerate(xs):
        anchor = "end" if place == len(xs) - 1 else "middle"
        parts.append(_text(at(x, 0)[0], top + tall + 14, label, "soft small", anchor))
    for number, (name, values) in enumerate(series):
        path = " ".join(f"{x:.1f},{height:.1f}" for x, height in (at(*point) for point in values))
        parts.append(f'<polyline class="l{number % SERIES}" points="{path}"><title>{escape(name)}</title></polyline>')
        if len(values) <= 12:
            parts += [
                f'<circle class="s{number % SERIES}" cx="{at(*point)[0]:.1f}" cy="{at(*point)[1]:.1f}" r="3">'
                f"<title>{escape(name)}: {point[1]:.3g}</title></circle>"
                for point in values
            ]
    parts.append(_text(WIDTH - right, top + tall + 29, below, "soft", "end"))
    return _svg(top + tall + 36, parts, title)


def heat(rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]], title: str) -> str:
    """A heat map: the larger the value, the darker the cell; zero is an empty cell."""
    left = _wide(rows, 250)
    wide = (WIDTH - left) / max(len(columns), 1)
    slanted = any(len(name) * _CHAR > wide - 4 for name in columns)
    top = 0.75 * max((len(cut(name, 110)) for name in columns), default=0) * _CHAR + 16 if slanted else 18.0
    most = max((value for row in values for value in row), default=0) or 1
    parts = []
    for place, name in enumerate(columns):
        x = left + (place + 0.5) * wide
        if slanted:
            text = escape(cut(name, 110))
            parts.append(
                f'<text class="soft" text-anchor="end" transform="translate({x + 4:.1f},{top - 6:.1f}) rotate(48)"'
                f' x="0" y="0">{text}</text>'
            )
        else:
            parts.append(_text(x, top - 6, name, "soft", "middle"))
    for line, (name, row) in enumerate(zip(rows, values, strict=True)):
        y = top + line * 19
        parts.append(_text(0, y + 13, cut(name, left), "ink"))
        for place, value in enumerate(row):
            x = left + place * wide + 1
            if not value:
                parts.append(_rect(x, y + 1, wide - 2, 17, "empty", f"{name}, {columns[place]}: 0", 0.35))
                continue
            parts.append(
                _rect(
                    x,
                    y + 1,
                    wide - 2,
                    17,
                    "s0",
                    f"{name}, {columns[place]}: {value:g}",
                    0.15 + 0.6 * (value / most) ** 0.5,
                )
            )
            parts.append(_text(x + wide / 2 - 1, y + 13.5, short(value), "ink small", "middle"))
    return _svg(top + len(rows) * 19 + 4, parts, title)
