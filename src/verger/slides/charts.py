"""Native charts: their numbers can be edited where the slides are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import (
    XL_CHART_TYPE,
    XL_LABEL_POSITION,
    XL_LEGEND_POSITION,
    XL_TICK_LABEL_POSITION,
)
from pptx.util import Inches, Pt

from verger.slides.boxes import Box
from verger.slides.drawing import FONT, Page, describe, rgb
from verger.slides.text import on_one_line

_SIZE = 12
# What a sheet would take for a formula or a link.
_ACTIVE = re.compile(r"^[=+\-@{]|://|^(mailto|internal|external):", re.IGNORECASE)
_NOTHING = "\u200b"


def plain(name: str) -> str:
    """Return a name that the sheet behind a chart takes for text, whatever it begins with."""
    return _NOTHING + name.replace("://", f":{_NOTHING}//") if _ACTIVE.search(name) else name


def bars(
    page: Page,
    box: Box,
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    form: str,
    what: str,
    most: float,
) -> None:
    """Draw horizontal bars, the first on top; `form` is how numbers look, as sheets write it."""
    data = CategoryChartData(number_format=form)
    room = box.width * 0.36
    data.categories = [plain(on_one_line(name, _SIZE, room)) for name in reversed(names)]
    for name, values in reversed(list(series.items())):
        data.add_series(name, list(reversed(values)))
    chart = _chart(page, XL_CHART_TYPE.BAR_CLUSTERED, box, data, what, legend=len(series) > 1)
    plot = chart.plots[0]
    plot.gap_width = 45
    plot.overlap = -5 if len(series) > 1 else 0
    plot.has_data_labels = True
    labels = plot.data_labels
    labels.number_format, labels.number_format_is_linked = form, False
    labels.position = XL_LABEL_POSITION.OUTSIDE_END
    labels.font.size = Pt(11)
    colours = ("light", "accent")[-len(series) :]
    for drawn, colour in zip(reversed(list(plot.series)), colours, strict=True):
        drawn.format.fill.solid()
        drawn.format.fill.fore_color.rgb = rgb(colour)
    chart.value_axis.visible = False
    chart.value_axis.has_major_gridlines = False
    chart.value_axis.minimum_scale = 0
    chart.value_axis.maximum_scale = most
    _axis(chart.category_axis)


def curve(
    page: Page,
    box: Box,
    points: Sequence[tuple[float, float]],
    marked: tuple[float, float],
    names: tuple[str, str, str],
    *,
    form: str,
    what: str,
) -> None:
    """Draw a share that grows with a count, and mark one point of it.

    `names` are those of the curve, of the mark, and of the count; `form` is how shares are written.
    """
    data = XyChartData(number_format=form)
    line = data.add_series(names[0])
    for x, y in points:
        line.add_data_point(x, y)
    mark = data.add_series(names[1])
    for x, y in ((marked[0], 0.0), marked, (0.0, marked[1])):
        mark.add_data_point(x, y)
    chart = _chart(page, XL_CHART_TYPE.XY_SCATTER_LINES_NO_MARKERS, box, data, what, legend=True)
    for drawn, colour, wide in zip(
        chart.plots[0].series, ("accent", "second"), (3, 1.75), strict=True
    ):
        drawn.smooth = False
        drawn.format.line.color.rgb = rgb(colour)
        drawn.format.line.width = Pt(wide)
    across, up = chart.category_axis, chart.value_axis
    across.minimum_scale, across.maximum_scale = 0, max(x for x, _ in points)
    across.has_major_gridlines = False
    across.has_title = True
    across.axis_title.text_frame.text = names[2]
    run = across.axis_title.text_frame.paragraphs[0].runs[0]
    run.font.size, run.font.bold, run.font.name = Pt(_SIZE), False, FONT
    across.tick_labels.number_format, across.tick_labels.number_format_is_linked = "0", False
    up.minimum_scale, up.maximum_scale, up.major_unit = 0, 1, 0.2
    up.tick_labels.number_format, up.tick_labels.number_format_is_linked = form, False
    up.major_gridlines.format.line.color.rgb = rgb("line")
    for axis in (across, up):
        _axis(axis)


def _chart(page: Page, kind: Any, box: Box, data: Any, what: str, *, legend: bool) -> Any:
    frame = page.slide.shapes.add_chart(kind, *(Inches(side) for side in box), data)
    describe(frame, what)
    chart = frame.chart
    chart.has_title = False
    chart.font.size, chart.font.name = Pt(_SIZE), FONT
    chart.font.color.rgb = rgb("ink")
    chart.has_legend = legend
    if legend:
        chart.legend.position = XL_LEGEND_POSITION.TOP
        chart.legend.include_in_layout = False
    return chart


def _axis(axis: Any) -> None:
    axis.format.line.color.rgb = rgb("line")
    axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
