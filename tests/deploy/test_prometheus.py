"""Prometheus' rules and Alertmanager's routes: sound, of names that exist, and each alert tried on its incident."""

import json
import os
import pathlib
import re
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import yaml

import promql
from names import ROOT, RUNBOOKS, engine, raised_by

PROMETHEUS = ROOT / "deploy/prometheus"
DIR = pathlib.Path(os.environ["DEPLOY_DIR"])


def alerts():
    return [rule for rule in promql.rules() if "alert" in rule]


def fired():
    """The alerts that the rules' tests expect to fire: name, severity and sign."""
    tests = yaml.safe_load((PROMETHEUS / "rules.test.yaml").read_text())["tests"]
    labels = [sample["labels"] for test in tests for each in test["promql_expr_test"] for sample in each["exp_samples"]]
    labels = [dict(re.findall(r'(\w+)="(\w+)"', text)) for text in labels if "alertname" in text]
    return {(each["alertname"], each["severity"], each.get("sign")) for each in labels}


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PROMETHEUS)
    return done.returncode, done.stdout


class Rules(unittest.TestCase):
    def test_the_configuration_and_its_rules_are_sound(self):
        status, said = run("promtool", "check", "config", "--lint-fatal", "prometheus.yaml")
        self.assertEqual(status, 0, said)

    def test_each_alert_fires_on_its_incident_and_not_on_normal_load(self):
        for path in sorted(PROMETHEUS.glob("*.test.yaml")):
            with self.subTest(path.name):
                status, said = run("promtool", "test", "rules", path.name)
                self.assertEqual(status, 0, said)

    def test_every_alert_has_an_incident_among_the_tests(self):
        there_are = {(alert["alert"], alert["labels"]["severity"], alert["labels"].get("sign")) for alert in alerts()}
        self.assertEqual(fired(), there_are)

    def test_the_alerts_are_those_that_prometheus_should_raise(self):
        self.assertEqual({alert["alert"] for alert in alerts()}, raised_by("prometheus"))

    def test_the_rules_ask_only_for_what_is_exported(self):
        for rule in promql.rules():
            with self.subTest(rule.get("alert") or rule["record"]):
                self.assertEqual(promql.faults(rule["expr"]), [])

    def test_what_means_the_same_as_the_issuers_own_rule_has_its_limit(self):
        limits = engine()
        self.assertEqual(set(limits), raised_by("issuer"))
        # What counts over another time, or something else, isn't here: an issuer counts by account, client and address.
        same = {
            "refresh_replay": r"> 0$", "code_replay": r"> 0$", "event_loss": r"> 0$", "admin_new_device": r"> 0$",
            "clock_skew": rf">= {limits['clock_skew'][0]}$",
            "client_secret_guessing": rf">= {limits['client_secret_guessing'][0]} \+ ",
        }
        for name, limit in same.items():
            with self.subTest(name):
                if limit == r"> 0$":
                    # increase() makes fractions: any sign of one is one.
                    self.assertEqual(limits[name][0], 1)
                self.assertTrue(any(re.search(limit, rule["expr"]) for rule in alerts() if rule["alert"] == name))
        self.assertEqual(limits["client_secret_guessing"][1], 15 * 60)

    def test_unusual_is_as_many_times_what_is_usual_as_for_the_issuer(self):
        settings = (ROOT / "src/config/alerts.rs").read_text()
        [times] = re.findall(r"unusual_times: (\d+),", settings)
        compared = [rule["expr"] for rule in alerts() if ":usual15m" in rule["expr"]]
        self.assertGreater(len(compared), 4)
        for expr in compared:
            self.assertIn(f"+ {times} * (gatewright:", expr)

    def test_every_alert_says_what_how_much_and_what_to_do(self):
        for alert in alerts():
            with self.subTest(alert["alert"]):
                notes = alert["annotations"]
                self.assertEqual(set(notes), {"summary", "description", "action", "runbook_url"})
                self.assertEqual(notes["runbook_url"], f"{RUNBOOKS}{alert['alert']}.md")
                self.assertIn(alert["labels"]["severity"], ("page", "ticket"))


def receiver(*labels):
    command = ["amtool", "config", "routes", "test", "--config.file", "alertmanager.yaml", *labels]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROMETHEUS).stdout.strip()


class Alertmanager(unittest.TestCase):
    def test_the_configuration_is_sound(self):
        status, said = run("amtool", "check-config", "alertmanager.yaml")
        self.assertEqual(status, 0, said)

    def test_pages_go_to_who_is_on_call_and_the_rest_becomes_a_ticket(self):
        receivers = {"page": "on-call", "ticket": "tickets"}
        for name, severity in sorted({(alert["alert"], alert["labels"]["severity"]) for alert in alerts()}):
            with self.subTest(f"{name} {severity}"):
                self.assertEqual(receiver(f"alertname={name}", f"severity={severity}", "job=gatewright"), receivers[severity])

    def test_messages_say_what_how_much_since_when_and_what_to_do(self):
        receivers = yaml.safe_load((PROMETHEUS / "alertmanager.yaml").read_text())["receivers"]
        [email] = [config for receiver in receivers for config in receiver.get("email_configs", [])]
        notes = alerts()[0]["annotations"]
        alert = {"status": "firing", "labels": {}, "annotations": notes, "startsAt": "2026-11-26T10:00:00Z"}
        told, nothing = DIR / "told.json", DIR / "nothing.tmpl"
        told.write_text(json.dumps({"status": "firing", "alerts": [alert], "commonAnnotations": notes}))
        nothing.write_text("")
        command = ["amtool", "template", "render", f"--template.glob={nothing}", f"--template.data={told}"]
        said = {
            part: subprocess.run([*command, f"--template.text={text}"], capture_output=True, text=True, check=True).stdout
            for part, text in (("subject", email["headers"]["Subject"]), ("text", email["text"]))
        }
        self.assertEqual(said["subject"], f"[firing] {notes['summary']}")
        for note in notes.values():
            self.assertIn(note, said["text"])
        self.assertIn("Since 2026-11-26 10:00 UTC.", said["text"])

    def test_only_what_pages_can_silence(self):
        paging = {alert["alert"] for alert in alerts() if alert["labels"]["severity"] == "page"}
        only_tickets = {alert["alert"] for alert in alerts()} - paging
        for rule in yaml.safe_load((PROMETHEUS / "alertmanager.yaml").read_text())["inhibit_rules"]:
            with self.subTest(str(rule["source_matchers"])):
                named = re.findall(r"\w+", str([m for m in rule["source_matchers"] if m.startswith("alertname")]))
                self.assertEqual(only_tickets & set(named), set())
                self.assertIn("job", rule["equal"])
                mixed = [name for name in named if name in paging and any(
                    alert["alert"] == name and alert["labels"]["severity"] == "ticket" for alert in alerts())]
                self.assertTrue(not mixed or 'severity="page"' in rule["source_matchers"], mixed)


class Silencing(unittest.TestCase):
    """A real Alertmanager with the very configuration: who silences whom."""

    def setUp(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.log = (DIR / "alertmanager.log").open("w")
        self.addCleanup(self.log.close)
        server = subprocess.Popen(
            [
                "prometheus-alertmanager", "--config.file=alertmanager.yaml", f"--storage.path={DIR / 'alertmanager'}",
                f"--web.listen-address={self.address}", "--cluster.listen-address=",
            ],
            cwd=PROMETHEUS, stdout=self.log, stderr=subprocess.STDOUT,
        )
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

    def ask(self, body=None):
        request = urllib.request.Request(f"http://{self.address}/api/v2/alerts", headers={"Content-Type": "application/json"})
        if body is not None:
            request.data = json.dumps(body).encode()
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return json.loads(answer.read() or "null")
            except urllib.error.HTTPError as error:
                raise AssertionError(error.read()) from error
            except OSError:
                if time.monotonic() > deadline:
                    raise AssertionError((DIR / "alertmanager.log").read_text()) from None
                time.sleep(0.05)

    def silenced(self, *labels, expected):
        """Which of the alerts are silenced by others, once the inhibitor has seen them all."""
        self.ask([{"labels": each} for each in labels])
        deadline = time.monotonic() + 10
        while True:
            found = self.ask()
            got = {(a["labels"]["alertname"], a["labels"]["job"]) for a in found if a["status"]["inhibitedBy"]}
            if (len(found) == len(labels) and got == expected) or time.monotonic() > deadline:
                return got
            time.sleep(0.05)

    def test_the_cause_silences_its_consequences_in_its_own_installation(self):
        raised = [
            ("password_spraying", "page", "one"), ("login_failures", "page", "one"), ("login_failures_address", "ticket", "one"),
            ("login_failures", "page", "two"), ("login_failures_account", "ticket", "two"),
            ("disk_trouble", "page", "three"), ("database_trouble", "page", "three"), ("event_loss", "ticket", "three"),
            ("unknown_kid_flood", "ticket", "four"), ("denial_spike", "page", "four"), ("admin_new_device", "page", "one"),
            ("refresh_replay", "ticket", "one"),
        ]
        expected = {
            ("login_failures", "one"), ("login_failures_address", "one"), ("login_failures_account", "two"),
            ("database_trouble", "three"), ("event_loss", "three"),
        }
        labels = [dict(zip(("alertname", "severity", "job"), each)) for each in raised]
        self.assertEqual(self.silenced(*labels, expected=expected), expected)
