"""Rows as tables: every cell escaped, numbers as readers want to see them."""
import html


def table_html(rows, caption):
    columns = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f'<th scope="col">{html.escape(str(column))}</th>' for column in columns)
    body = "".join("<tr>" + "".join(cell_html(row.get(column, "")) for column in columns) + "</tr>" for row in rows)
    return (f'<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')


def cell_html(value):
    """One escaped cell; numbers and intervals do not wrap."""
    kind = ' class="number"' if isinstance(value, (int, float, dict)) else ""
    return f"<td{kind}>{html.escape(cell(value))}</td>"


def cell(value):
    """A value as readers want to see it: a rate as "0.81 [0.76, 0.85]", a float with three decimals, None as a dash."""
    if isinstance(value, dict) and {"rate", "low", "high"} <= set(value):
        return interval(value)
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.2g}"
    return str(value)


def interval(value, scale=1.0, digits=3):
    """A rate with its 95 % interval, such as "0.812 [0.756, 0.857]"."""
    if value["rate"] is None:
        return "–"
    if value["low"] is None:  # a bootstrap over a single cluster
        return f"{value['rate'] * scale:.{digits}f}"
    return "{:.{d}f} [{:.{d}f}, {:.{d}f}]".format(*(value[key] * scale for key in ("rate", "low", "high")), d=digits)
