"""PromQL, read just far enough to find the names in it. promtool says whether it's sound."""

import functools
import re

import yaml

from names import ROOT, SCRAPED, VALUES, series

OTHERS = {"up": SCRAPED, "ALERTS": SCRAPED | {"alertname", "alertstate", "severity", "sign"}}
SELECTOR = re.compile(r"\b(gatewright[a-z0-9_:]*|up|ALERTS)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")


@functools.cache
def rules():
    groups = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def faults(expression):
    """What an expression asks for that nothing exports: metrics, labels, and values of labels."""
    known = series() | OTHERS
    recorded = {rule.get("record") for rule in rules()}
    found, labels = [], {"ago"}
    # Texts are no names.
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', lambda text: '"' + "-" * (len(text[0]) - 2) + '"', expression)
    for selector in SELECTOR.finditer(bare):
        name = selector[1]
        matchers = expression[selector.start(2) : selector.end(2)] if selector[2] else ""
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
