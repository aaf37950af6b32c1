"""Every alert has a runbook, every runbook an alert, and what they say to type exists."""

import os
import pathlib
import re
import subprocess
import unittest

import yaml

import promql
from documents import FENCE, blocks
from names import ALERTS, DETAILS, ENVELOPE, EVENTS, METRICS, ROOT

RUNBOOKS = ROOT / "docs/runbooks"
DIR = pathlib.Path(os.environ["DEPLOY_DIR"])
WHO = {"issuer": "the issuer", "prometheus": "Prometheus", "cloudwatch": "CloudWatch"}
HEADINGS = ["Since when, and how much", "How to look", "What to do", "When it's harmless"]


def pages():
    return {path.stem: path.read_text() for path in sorted(RUNBOOKS.glob("*.md")) if path.stem != "README"}


def everything():
    """Each text that tells an operator what to type: the runbooks and the alerts' annotations."""
    notes = {rule["alert"]: f"`{rule['annotations']['action'].partition(': ')[2]}`" for rule in promql.rules() if "alert" in rule}
    return list(pages().items()) + [(f"the rule {name}", text) for name, text in notes.items()]


class Runbooks(unittest.TestCase):
    def test_every_alert_has_a_runbook_and_every_runbook_an_alert(self):
        self.assertEqual(set(pages()), set(ALERTS))

    def test_each_says_what_it_means_how_to_look_what_to_do_and_when_it_is_harmless(self):
        for name, text in pages().items():
            with self.subTest(name):
                self.assertTrue(text.startswith(f"# {name}\n"))
                self.assertEqual(re.findall(r"(?m)^## (.+)$", FENCE.sub("", text)), HEADINGS)

    def test_each_says_who_raises_it_and_so_does_the_list(self):
        index = (RUNBOOKS / "README.md").read_text()
        for name, by in ALERTS.items():
            with self.subTest(name):
                *others, last = [WHO[who] for who in by.split()]
                said = " and ".join(filter(None, [", ".join(others), last]))
                self.assertIn(f"\nRaised by {said}.\n", pages()[name])
                [row] = re.findall(rf"(?m)^\| \[{name}\]\({name}\.md\) \|.*$", index)
                marks = ["yes" if who in by.split() else "" for who in WHO]
                self.assertEqual([cell.strip() for cell in row.split("|")[3:6]], marks)

    def test_links_lead_somewhere(self):
        for path in RUNBOOKS.glob("*.md"):
            for link in re.findall(r"\]\(([^)#]+)", path.read_text()):
                with self.subTest(f"{path.name}: {link}"):
                    self.assertTrue((RUNBOOKS / link).exists())

    def test_queries_are_sound_and_ask_for_what_is_exported(self):
        found = []
        for name, text in pages().items():
            for query in blocks(text, "promql"):
                with self.subTest(name):
                    self.assertEqual(promql.faults(query), [])
                found.append({"record": f"runbook:{name}:{len(found)}", "expr": query})
            for mentioned in re.findall(r"\bgatewright_\w+", FENCE.sub("", text)):
                with self.subTest(name):
                    self.assertIn(mentioned, METRICS)
        path = DIR / "runbooks.yaml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": found}]}))
        done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(len(found), len(ALERTS))

    def test_log_queries_ask_for_fields_of_the_decision_log(self):
        source = (ROOT / "authorizer/src/decision_log.rs").read_text()
        logged = set(re.findall(r"(?m)^ {12}(\w+) = ", source))
        for name, text in pages().items():
            for field in re.findall(r"\bfields\.(\w+)", text):
                with self.subTest(name):
                    self.assertIn(field, logged)

    def test_events_are_searched_by_kinds_that_there_are(self):
        for name, text in everything():
            for kind in re.findall(r"--kind (\S+?)[`\s]", text):
                with self.subTest(name):
                    self.assertIn(kind, EVENTS)

    def test_events_are_counted_by_fields_that_their_kind_has(self):
        source = (ROOT / "src/store/events/row.rs").read_text()
        self.assertLessEqual(ENVELOPE, set(re.findall(r'put\("(\w+)"', source)))
        counted = re.findall(r"""select\(\.kind == "(\w+)"\)\.(detail\.)?(\w+)'""", "".join(pages().values()))
        self.assertTrue(counted)
        for kind, detail, field in counted:
            with self.subTest(f"{kind} {field}"):
                self.assertIn(field, DETAILS[kind] if detail else ENVELOPE)
