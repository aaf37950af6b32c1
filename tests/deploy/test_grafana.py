"""The dashboard: importable with any Prometheus, of queries that are sound and ask for what is exported."""

import json
import os
import pathlib
import re
import subprocess
import unittest

import yaml

import promql
from names import METRICS, ROOT, RUNBOOKS

DIR = pathlib.Path(os.environ["DEPLOY_DIR"])
DASHBOARD = json.loads((ROOT / "deploy/grafana/gatewright.json").read_text())
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What Grafana puts in for its variables.
VARIABLES = {"$__rate_interval": "5m", "$__range": "6h", "$job": "gatewright.*"}


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries():
    """Each query as Prometheus gets it, with the panel that asks."""
    asked = [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    asked += [(note["name"], note["expr"]) for note in DASHBOARD["annotations"]["list"] if "expr" in note]
    for title, query in asked:
        for variable, value in VARIABLES.items():
            query = query.replace(variable, value)
        yield title, query


class Dashboard(unittest.TestCase):
    def test_every_panel_has_a_title_a_description_and_a_unit(self):
        for panel in panels():
            with self.subTest(panel["title"]):
                self.assertGreater(len(panel["description"]), 10)
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                self.assertTrue(panel["targets"])
        for part in ("id", "title"):
            values = [panel[part] for panel in DASHBOARD["panels"]]
            self.assertEqual(len(values), len(set(values)), part)

    def test_panels_lie_side_by_side(self):
        taken = {}
        for panel in DASHBOARD["panels"]:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24)
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    self.assertNotIn((x, y), taken, f"{panel['title']} covers {taken.get((x, y))}")
                    taken[x, y] = panel["title"]

    def test_every_query_goes_to_the_data_source_that_was_chosen_and_to_the_job(self):
        self.assertEqual([v["name"] for v in DASHBOARD["templating"]["list"]], ["datasource", "job"])
        for panel in panels():
            with self.subTest(panel["title"]):
                self.assertEqual(panel["datasource"], SOURCE)
                for target in panel["targets"]:
                    self.assertEqual(target["datasource"], SOURCE)
                    selectors = re.findall(r"(?:gatewright[a-z0-9_:]*|\bup|ALERTS)\{([^}]*)\}", target["expr"])
                    self.assertTrue(selectors)
                    for selector in selectors:
                        self.assertIn('job=~"$job"', selector)

    def test_queries_are_sound_and_ask_for_what_is_exported(self):
        found = []
        for title, query in queries():
            with self.subTest(title):
                self.assertNotIn("$", query, "a variable that the dashboard doesn't have")
                self.assertEqual(promql.faults(query), [])
            found.append({"record": f"panel:{len(found)}", "expr": query})
        path = DIR / "panels.yaml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": found}]}))
        done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_metric_is_shown(self):
        shown = " ".join(query for _, query in queries())
        for name in METRICS:
            with self.subTest(name):
                self.assertRegex(shown, rf"\b{name}(_bucket)?\b")

    def test_legends_name_labels_that_the_query_leaves(self):
        for panel in panels():
            for target in panel["targets"]:
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    with self.subTest(panel["title"]):
                        grouped = re.findall(r"by \(([^)]*)\)", target["expr"])
                        self.assertTrue(any(label in group for group in grouped) or not grouped, label)

    def test_runbooks_are_there(self):
        links = [link["url"] for panel in panels() for link in panel.get("links", [])] + [link["url"] for link in DASHBOARD["links"]]
        self.assertGreater(len(links), 10)
        for link in links:
            with self.subTest(link):
                self.assertTrue((ROOT / "docs/runbooks" / link.removeprefix(RUNBOOKS)).is_file())
