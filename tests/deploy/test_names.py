"""The names that are checked against are those of the documentation, which is made of the code."""

import re
import unittest

from names import EMF, METRICS, ROOT

METRICS_PAGE = ROOT / "docs/metrics.md"


class Names(unittest.TestCase):
    def setUp(self):
        self.page = METRICS_PAGE.read_text()

    def test_metrics_their_types_and_labels_are_those_of_the_page(self):
        rows = re.findall(r"(?m)^\| `(gatewright_\w+)` \| (\w+) \| ([^|]*) \|", self.page)
        told = {name: " ".join([kind, *re.findall(r"`(\w+)`", labels)]) for name, kind, labels in rows}
        self.assertEqual(told, METRICS)

    def test_metrics_of_cloudwatch_are_those_of_the_page(self):
        told = set()
        for cells in re.findall(r"(?m)^\| ((?:`[A-Z]\w+`(?:, )?)+) \|", self.page.partition("## CloudWatch")[2]):
            told |= set(re.findall(r"`(\w+)`", cells))
        self.assertEqual(told, EMF["issuer"] | EMF["authorizer"])
