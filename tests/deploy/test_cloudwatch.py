"""Alarms and dashboards in CloudWatch: of metrics that exist, with something to do, and the same by SAM and Terraform."""

import functools
import json
import re
import unittest

from names import engine, EMF, EMF_BY_REASON, EMF_DIMENSIONS, ROOT, RUNBOOKS, raised_by
from templates import resources, translated
from test_terraform import TERRAFORM, parsed

TEMPLATES = ["authorizer", "issuer-alarms", "monitoring"]
MODULES = {"authorizer": "authorizer", "issuer-alarms": "issuer-alarms", "monitoring": "monitoring"}

# What AWS counts by itself, of what we use, with its dimensions.
AWS = {
    "AWS/Lambda": ({"Errors", "Throttles", "Duration", "ConcurrentExecutions"}, {"FunctionName"}),
    "AWS/ApiGateway": ({"Count", "4XXError", "5XXError", "4xx", "5xx"}, {"ApiName", "ApiId", "Stage"}),
}
# Those that notify nobody by themselves.
HALVES = ("_signal", "_floor")


def text(value):
    """A value of a template as one text, its functions resolved to the names in them."""
    if isinstance(value, dict) and len(value) == 1:
        [(name, inner)] = value.items()
        if name == "Fn::If":
            return [text(each) for each in inner[1:]]
        return text(inner)
    return value


def alarms(template):
    """All alarms of a template by what follows the stack's name in theirs."""
    found = {}
    for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
        for logical, alarm in resources(template, kind).items():
            name = alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
            found[name] = alarm | {"logical": logical}
    return found


def rule_of(name):
    """The rule whose alarm it is: what comes after is where it looks, or how."""
    return re.sub(r"(_api)?(_unusual|_signal|_floor)?$", "", name)


def asked(alarm):
    """Each metric that an alarm asks for: namespace, name, dimensions."""
    metrics = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    if "MetricName" in alarm:
        metrics.append(alarm)
    for metric in metrics:
        dimensions = {}
        for dimension in metric.get("Dimensions", []):
            for name in listed(text(dimension["Name"])):
                dimensions[name] = dimension["Value"]
        for name in listed(text(metric["MetricName"])):
            yield text(metric["Namespace"]), name, dimensions


def listed(value):
    return value if isinstance(value, list) else [value]


def fault(namespace, name, dimensions, made=()):
    """What is wrong with a metric: nobody makes it, or not by these dimensions."""
    if namespace in AWS:
        names, of = AWS[namespace]
        return None if name in names and set(dimensions) <= of else f"{namespace} has no {name} by {sorted(dimensions)}"
    if namespace == "Gatewright":
        service = dimensions.get("service")
        more = EMF_DIMENSIONS.get(service, set()) - (set() if name in EMF_BY_REASON else {"reason"})
        if name in EMF.get(service, ()) and set(dimensions) <= {"service"} | more:
            return None
    elif (namespace, name) in made:
        return None
    return f"nothing makes {name} in {namespace} by {dimensions}"


@functools.cache
def body(template):
    """A dashboard's text as the template has it, and what is put into it."""
    [dashboard] = resources(template, "AWS::CloudWatch::Dashboard").values()
    return dashboard["DashboardBody"]["Fn::Sub"]


def filled(template):
    source, given = body(template)
    values = set(given) | set(translated(template)["Parameters"])
    missing = set(re.findall(r"\$\{(\w+)\}", source)) - values
    if missing:
        raise AssertionError(f"the dashboard of {template} names {missing}, which nobody gives")
    for name in values:
        source = source.replace(f"${{{name}}}", {"FourXx": "4xx", "FiveXx": "5xx", "ApiDimension": "ApiId"}.get(name, f"some{name}"))
    return json.loads(source)


def every():
    return [(template, name, alarm) for template in TEMPLATES for name, alarm in alarms(template).items()]


class Alarms(unittest.TestCase):
    def test_they_are_those_of_the_rules_that_cloudwatch_should_raise(self):
        self.assertEqual({rule_of(name) for template in TEMPLATES for name in alarms(template)}, raised_by("cloudwatch"))

    def test_each_says_what_to_do_and_where_to_read_on(self):
        for _, name, alarm in every():
            with self.subTest(name):
                self.assertTrue(alarm["AlarmDescription"].rstrip().endswith(f" {RUNBOOKS}{rule_of(name)}.md"), alarm["AlarmDescription"])
                self.assertLess(len(alarm["AlarmDescription"]), 1024)
                self.assertGreater(len(alarm["AlarmDescription"].split()), 8)

    def test_each_notifies_the_topic_or_is_half_of_one_that_does(self):
        topic = {"Fn::If": ["Notified", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
        for template, name, alarm in every():
            with self.subTest(name):
                if name.endswith(HALVES):
                    whole = alarms(template)[name.rsplit("_", 1)[0] + "_unusual"]
                    self.assertIn(f'ALARM("${{{alarm["logical"]}}}")', whole["AlarmRule"]["Fn::Sub"])
                    self.assertNotIn("AlarmActions", alarm)
                else:
                    self.assertEqual((alarm["AlarmActions"], alarm["OKActions"]), (topic, topic))

    def test_each_knows_what_no_data_means(self):
        for _, name, alarm in every():
            with self.subTest(name):
                if not name.endswith("_unusual"):
                    self.assertEqual(alarm["TreatMissingData"], "breaching" if name == "target_down" else "notBreaching")

    def test_each_asks_for_metrics_that_exist(self):
        made = {
            (text(transformation["MetricNamespace"]), transformation["MetricName"])
            for each in resources("authorizer", "AWS::Logs::MetricFilter").values()
            for transformation in each["MetricTransformations"]
        }
        for _, name, alarm in every():
            with self.subTest(name):
                found = list(asked(alarm))
                self.assertTrue(found or name.endswith("_unusual"))
                for metric in found:
                    self.assertIsNone(fault(*metric, made=made))

    def test_an_authorizers_are_of_its_own_function(self):
        for _, name, alarm in every():
            for namespace, metric, dimensions in asked(alarm):
                if namespace == "Gatewright" and dimensions["service"] == "authorizer":
                    with self.subTest(f"{name} {metric}"):
                        self.assertEqual(dimensions["function"], {"Ref": "AuthorizerFunction"})

    def test_what_lines_of_emf_count_no_filter_counts_again(self):
        for logical, each in resources("authorizer", "AWS::Logs::MetricFilter").items():
            for transformation in each["MetricTransformations"]:
                with self.subTest(logical):
                    self.assertEqual(transformation["MetricNamespace"], {"Fn::Sub": "Gatewright/${AWS::StackName}"})
                    # And of the lines it counts only those of the decision log, which no line of EMF is.
                    self.assertIn('$.target = "gatewright::decision"', each["FilterPattern"])

    def test_a_flood_of_unknown_keys_is_one_from_the_same_number_on_as_for_the_issuer(self):
        limit, window_s = engine()["unknown_kid_flood"]
        alarm = alarms("monitoring")["unknown_kid_flood"]
        default = translated("monitoring")["Parameters"]["UnknownKidsPerFiveMinutes"]["Default"]
        self.assertEqual((default, alarm["Period"], alarm["EvaluationPeriods"]), (limit, window_s, 1))
        variables = (TERRAFORM / "modules/monitoring/variables.tf").read_text()
        [declared] = re.findall(r'(?s)variable "unknown_kids_per_five_minutes" \{.*?default += (\d+)', variables)
        self.assertEqual(int(declared), limit)

    def test_what_is_unusual_is_learned_and_has_a_floor(self):
        for template in TEMPLATES:
            found = alarms(template)
            for name in [name for name in found if name.endswith("_unusual")]:
                with self.subTest(name):
                    signal, floor = (found[name.removesuffix("unusual") + half] for half in ("signal", "floor"))
                    self.assertEqual(signal["ComparisonOperator"], "GreaterThanUpperThreshold")
                    [band] = [query for query in signal["Metrics"] if query["Id"] == signal["ThresholdMetricId"]]
                    self.assertRegex(band["Expression"], r"^ANOMALY_DETECTION_BAND\(current, \d\)$")
                    self.assertEqual(list(asked(signal)), list(asked(floor)))
                    self.assertEqual(
                        [signal[part] for part in ("EvaluationPeriods", "DatapointsToAlarm")],
                        [floor[part] for part in ("EvaluationPeriods", "DatapointsToAlarm")],
                    )

    def test_the_figures_that_matter_have_an_alarm_each(self):
        watched = {metric[1] for template in TEMPLATES for alarm in alarms(template).values() for metric in asked(alarm)}
        self.assertLessEqual(
            {
                "AuthnFailed", "Latency", "Errors", "Throttles", "Duration", "4XXError", "4xx",
                "LoginFailed", "RefreshReplayed", "CodeReplayed", "EventsLost", "DbErrors",
            },
            watched,
        )


class Dashboards(unittest.TestCase):
    def test_their_bodies_are_json_of_widgets_side_by_side(self):
        for template in ("issuer-alarms", "monitoring"):
            taken = set()
            for widget in filled(template)["widgets"]:
                with self.subTest(f"{template} {widget['properties'].get('title')}"):
                    self.assertIn(widget["type"], ("text", "alarm", "metric", "log"))
                    self.assertLessEqual(widget["x"] + widget["width"], 24)
                    squares = {
                        (x, y)
                        for x in range(widget["x"], widget["x"] + widget["width"])
                        for y in range(widget["y"], widget["y"] + widget["height"])
                    }
                    self.assertEqual(taken & squares, set())
                    taken |= squares
                    if widget["type"] != "text":
                        self.assertTrue(widget["properties"]["title"])
                    if widget["type"] in ("metric", "log"):
                        self.assertEqual(widget["properties"]["region"], "someRegion")

    def test_they_show_metrics_that_exist_and_all_of_ours(self):
        for template, service in (("issuer-alarms", "issuer"), ("monitoring", "authorizer")):
            shown = set()
            for widget in filled(template)["widgets"]:
                ids = set()
                for metric in widget["properties"].get("metrics", []):
                    options = metric[-1] if isinstance(metric[-1], dict) else {}
                    with self.subTest(f"{template} {metric}"):
                        if "id" in options:
                            self.assertRegex(options["id"], r"^[a-z]\w*$")
                            self.assertNotIn(options["id"], ids)
                            ids.add(options["id"])
                        if "expression" in options:
                            words = re.sub(r"'[^']*'", "", options["expression"])
                            self.assertLessEqual(set(re.findall(r"\b[a-z]\w*", words)), ids)
                            for name in re.findall(r'MetricName=\(?((?:"\w+"(?: OR )?)+)', options["expression"]):
                                self.assertLessEqual(set(re.findall(r'"(\w+)"', name)), EMF_BY_REASON)
                            continue
                        namespace, name, *pairs = [part for part in metric if not isinstance(part, dict)]
                        self.assertIsNone(fault(namespace, name, dict(zip(pairs[::2], pairs[1::2]))))
                        if namespace == "Gatewright":
                            shown.add(name)
            with self.subTest(template):
                # An issuer counts decisions too when it judges its own tokens; they're shown by the authorizer's.
                self.assertEqual(shown, EMF[service] - (EMF["authorizer"] if service == "issuer" else set()))

    def test_their_alarms_are_those_that_are_always_there(self):
        for template in ("issuer-alarms", "monitoring"):
            always = {name for name, alarm in alarms(template).items() if "Condition" not in translated(template)["Resources"][alarm["logical"]]}
            shown = [arn.rsplit("someName-", 1)[1] for w in filled(template)["widgets"] for arn in w["properties"].get("alarms", [])]
            with self.subTest(template):
                self.assertTrue(shown)
                self.assertLessEqual(set(shown), {name for name in always if not name.endswith(HALVES)})

    def test_terraforms_are_the_same(self):
        for template in ("issuer-alarms", "monitoring"):
            with self.subTest(template):
                file = TERRAFORM / "modules" / MODULES[template] / "dashboard.json.tftpl"
                self.assertEqual(file.read_text(), body(template)[0])
                text = (file.parent / "dashboard.tf").read_text()
                given = set(re.findall(r"(?m)^    (\w+) += ", text.split("templatefile(")[1].split("})")[0]))
                self.assertEqual(given, set(re.findall(r"\$\{(\w+)\}", body(template)[0])))


class SavedQueries(unittest.TestCase):
    def queries(self):
        found = resources("monitoring", "AWS::Logs::QueryDefinition").values()
        return {query["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}/"): query["QueryString"] for query in found}

    def test_they_ask_for_fields_of_the_decision_log(self):
        source = (ROOT / "authorizer/src/decision_log.rs").read_text()
        logged = set(re.findall(r"(?m)^ {12}(\w+) = ", source))
        for name, query in self.queries().items():
            with self.subTest(name):
                self.assertLessEqual(set(re.findall(r"\bfields\.(\w+)", query)), logged)

    def test_each_but_the_one_for_a_request_is_of_a_runbook(self):
        runbooks = "".join(path.read_text() for path in (ROOT / "docs/runbooks").glob("*.md"))
        for name, query in self.queries().items():
            if name != "one-request":
                with self.subTest(name):
                    self.assertIn(query, runbooks)

    def test_terraforms_are_the_same(self):
        text = (TERRAFORM / "modules/monitoring/dashboard.tf").read_text()
        found = dict(re.findall(r"(?s)([\w-]+) += <<-EOT\n(.*?)\n    EOT", text))
        found = {name: re.sub(r"(?m)^ {6}", "", query) for name, query in found.items()}
        self.assertEqual(found, self.queries())


def terraform_alarms(module):
    """By its name without the prefix, each alarm of a module: the description, where it isn't made up of others."""
    found, maps = {}, {}
    blocks = parsed(f"modules/{module}")
    for block in blocks.get("locals", []):
        for name, value in block.items():
            if name.startswith("unusual") and isinstance(value, dict) or name == "counted":
                maps.setdefault("counted" if name == "counted" else "unusual", {}).update(value)
    for block in blocks["resource"]:
        for kind in ("aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm"):
            for alarm in block.get(kind, {}).values():
                name = alarm["alarm_name"].removeprefix("${var.name}-")
                if "each.key" not in name:
                    found[name] = alarm
                    continue
                for key, each in maps[alarm["for_each"].strip("${}").removeprefix("local.")].items():
                    found[name.replace("${each.key}", key)] = alarm | {"each": each}
    return found


class Terraform(unittest.TestCase):
    def test_its_alarms_are_those_of_the_templates(self):
        for template, module in MODULES.items():
            with self.subTest(template):
                self.assertEqual(set(terraform_alarms(module)), set(alarms(template)))

    def test_they_say_the_same_and_treat_missing_data_alike(self):
        for template, module in MODULES.items():
            for name, alarm in terraform_alarms(module).items():
                wanted = alarms(template)[name]
                with self.subTest(f"{module} {name}"):
                    self.assertEqual(alarm.get("treat_missing_data"), wanted.get("TreatMissingData"))
                    self.assertEqual("alarm_actions" in alarm, "AlarmActions" in wanted)
                    each = alarm.get("each", {})
                    said = alarm["alarm_description"].replace("${local.runbooks}/", RUNBOOKS)
                    said = said.replace("${each.key}", name.removesuffix("_signal").removesuffix("_floor"))
                    said = re.sub(r"\$\{each\.value\.(\w+)\}", lambda part: each[part[1]], said)
                    if module != "authorizer":
                        self.assertEqual(said, " ".join(wanted["AlarmDescription"].split()))
                    self.assertTrue(said.endswith(f"{RUNBOOKS}{rule_of(name)}.md"))

    def test_they_ask_for_the_same_metrics(self):
        for template in ("issuer-alarms", "monitoring"):
            for name, alarm in terraform_alarms(MODULES[template]).items():
                if name.endswith("_unusual") or "each" not in alarm:
                    continue
                with self.subTest(name):
                    wanted = {metric for _, metric, _ in asked(alarms(template)[name])}
                    metric = alarm["each"]["metric"]
                    found = {"4XXError", "4xx"} if metric == "${local.four_xx}" else {metric}
                    self.assertEqual(found, wanted)
