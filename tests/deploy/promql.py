"""PromQL, read just far enough to find the names in it. promtool says whether it's sound."""

import re

from names import SCRAPED, VALUES, series

OTHERS = {"up": SCRAPED, "ALERTS": SCRAPED | {"alertname", "alertstate", "severity", "sign"}}
SELECTOR = re.compile(r"\b(gatewright[a-z0-9_:]*|up|ALERTS)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")


def faults(expression, recorded=()):
    """What an expression asks for that nothing exports: metrics, labels, and values of labels."""
    known = series() | OTHERS
    found, labels = [], {"ago"}
    # Texts are no names.
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', lambda text: text[0].replace("gatewright", "text").replace("up", "text"), expression)
    for selector in SELECTOR.finditer(bare):
        name, start = selector[1], selector.start()
        matchers = SELECTOR.match(expression, start)[2] or ""
        if ":" in name:
            if name not in recorded:
                found.append(f"no rule records {name}")
            labels |= SCRAPED | {"operation"}
            continue
        if name not in known:
            found.append(f"nothing exports {name}")
            continue
        labels |= known[name]
        for label, operator, value in MATCHER.findall(matchers):
            if label not in known[name]:
                found.append(f"{name} has no label {label}")
            allowed = VALUES.get((name, label), "").split()
            if allowed and "$" not in value:
                wanted = value.split("|") if operator in ("=~", "!~") else [value]
                found += [f"{name} has no {label} {each}" for each in wanted if each not in allowed]
    for group in GROUPING.findall(expression):
        found += [f"no label {label} is there to group by" for label in re.findall(r"\w+", group) if label not in labels]
    return found
