"""The stacks, deployed on an emulator with the real function, called with tokens of a running issuer.

The emulator caches and evaluates policies as API Gateway does, and runs the function as Lambda would. It doesn't put
`$context.authorizer.reason` into a gateway response, nor count what a metric filter finds. So the reason of a refusal
is read from the decision log here, and the filters' patterns are tried on its lines.
"""

import json
import unittest

from emulator import Aws, Issuer
from templates import matches, resources

ISSUER = AWS = None


def setUpModule():
    global ISSUER, AWS
    ISSUER = Issuer()
    unittest.addModuleCleanup(ISSUER.server.stop)
    AWS = Aws(ISSUER)
    unittest.addModuleCleanup(AWS.server.stop)


def forged(token):
    """The token with the first character of its signature changed."""
    head, payload, signature = token.split(".")
    return f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


class Guarded:
    """What holds for both kinds of API."""

    bad_token_status = None

    def setUp(self):
        self.before = len(AWS.decisions())

    def new_decisions(self):
        """Of each new line of the decision log: the decision, the reason."""
        lines = [json.loads(line)["fields"] for line in AWS.decisions()[self.before:]]
        return [(line["decision"], line.get("reason")) for line in lines]

    def test_a_token_with_the_scope_gets_through_and_the_api_learns_who_calls(self):
        status, _, body = self.api.call("GET", "/orders/7", ISSUER.token("reader"))
        self.assertEqual((status, body), (200, {"order": "7", "client": "reader", "scope": "orders:read"}))
        self.assertEqual(self.new_decisions(), [("allow", None)])

    def test_a_call_without_a_token_is_401_and_costs_no_call_of_the_function(self):
        status, _, _ = self.api.call("GET", "/orders/7")
        self.assertEqual(status, 401)
        self.assertEqual(self.new_decisions(), [])

    def test_a_forged_token_is_refused(self):
        status, _, _ = self.api.call("GET", "/orders/7", forged(ISSUER.token("reader")))
        self.assertEqual(status, self.bad_token_status)
        [(_, reason)] = self.new_decisions()
        self.assertEqual(reason, "signature_invalid")

    def test_what_is_no_token_is_refused(self):
        status, _, _ = self.api.call("GET", "/orders/7", "nonsense")
        self.assertEqual(status, self.bad_token_status)
        [(_, reason)] = self.new_decisions()
        self.assertEqual(reason, "token_malformed")

    def test_a_token_without_the_scope_is_403(self):
        status, _, _ = self.api.call("POST", "/orders", ISSUER.token("reader"))
        self.assertEqual(status, 403)
        self.assertEqual(self.new_decisions(), [("deny", "insufficient_scope")])

    def test_a_second_route_is_allowed_from_the_cache(self):
        token = ISSUER.token("writer")
        self.assertEqual(self.api.call("GET", "/orders/7", token)[0], 200)
        self.assertEqual(self.api.call("POST", "/orders", token)[0], 200)
        self.assertEqual(self.api.call("GET", "/orders/8", token)[0], 200)
        self.assertEqual(len(self.new_decisions()), 1)

    def test_a_second_route_is_refused_from_the_cache_of_an_allowed_one(self):
        token = ISSUER.token("reader")
        self.assertEqual(self.api.call("GET", "/orders/7", token)[0], 200)
        self.assertEqual(self.api.call("POST", "/orders", token)[0], 403)
        self.assertEqual(len(self.new_decisions()), 1)

    def test_a_second_route_is_allowed_from_the_cache_of_a_refused_one(self):
        token = ISSUER.token("reader")
        self.assertEqual(self.api.call("POST", "/orders", token)[0], 403)
        self.assertEqual(self.api.call("GET", "/orders/7", token)[0], 200)
        self.assertEqual(len(self.new_decisions()), 1)


class RestApi(Guarded, unittest.TestCase):
    bad_token_status = 401

    def setUp(self):
        self.api = AWS.rest
        super().setUp()

    def test_refusals_can_be_read_by_a_browser_and_name_the_request(self):
        for token, status in ((None, 401), ("nonsense", 401)):
            with self.subTest(token=token):
                got, headers, body = self.api.call("POST", "/orders", token)
                self.assertEqual((got, body["message"]), (status, "Unauthorized"))
                self.assertEqual(headers["access-control-allow-origin"], "https://app.example.com")
                self.assertEqual(headers["www-authenticate"], "Bearer")
                self.assertTrue(body["request"])
        got, headers, body = self.api.call("POST", "/orders", ISSUER.token("reader"))
        self.assertEqual((got, body["message"]), (403, "Forbidden"))
        self.assertEqual(headers["access-control-allow-origin"], "https://app.example.com")
        self.assertIn("reason", body)

    def test_the_preflight_needs_no_token(self):
        # What it says is checked in the template: the emulator doesn't take over what a MOCK integration answers.
        self.assertEqual(self.api.call("OPTIONS", "/orders", Origin="https://app.example.com")[0], 200)
        self.assertEqual(self.new_decisions(), [])


class HttpApi(Guarded, unittest.TestCase):
    bad_token_status = 403

    def setUp(self):
        self.api = AWS.http
        super().setUp()

    def test_the_preflight_needs_no_token(self):
        asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
        status, headers, _ = self.api.call("OPTIONS", "/orders", **asked)
        self.assertIn(status, (200, 204))
        self.assertEqual(headers["access-control-allow-origin"], "https://app.example.com")
        self.assertIn("authorization", headers["access-control-allow-headers"])
        self.assertEqual(self.new_decisions(), [])


class Operations(unittest.TestCase):
    def test_the_dashboards_are_of_what_was_deployed(self):
        AWS.stack("issuer-alarms")
        given = {
            "AuthorizerFunction": "orders-authorizer", "AuthorizerLogGroup": "/gatewright/orders", "Api": "orders",
            "ApiKind": "rest", "ApiStage": "live",
        }
        AWS.stack("monitoring", **given)
        for name in ("issuer-alarms", "monitoring"):
            with self.subTest(name):
                body = AWS.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
                self.assertNotIn("${", body)
                widgets = json.loads(body)["widgets"]
                [shown] = [widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm"]
                self.assertTrue(all(arn.startswith("arn:aws:cloudwatch:eu-central-1:") and f":alarm:{name}-" in arn for arn in shown), shown)
        self.assertIn('["AWS/ApiGateway", "4XXError", "ApiName", "orders", "Stage", "live"', body)
        there_are = {alarm["AlarmName"] for alarm in AWS.client("cloudwatch").describe_alarms()["MetricAlarms"]}
        self.assertLessEqual({"issuer-alarms-target_down", "monitoring-unknown_kid_flood"}, there_are)

    def test_the_filters_count_the_decisions_that_the_function_logs(self):
        for api in (AWS.rest, AWS.http):
            for token in (ISSUER.token("reader"), "nonsense"):
                api.call("POST", "/orders", token)
            api.call("GET", "/orders/7", ISSUER.token("reader"))
        lines = AWS.decisions()
        decided = [json.loads(line)["fields"]["decision"] for line in lines]
        self.assertEqual(set(decided), {"allow", "deny", "unauthorized"})
        wanted = {
            "Decisions": len(lines),
            "Denied": len(lines) - decided.count("allow"),
            "Unauthorized": decided.count("unauthorized"),
        }
        patterns = {name: made["FilterPattern"] for name, made in resources("authorizer", "AWS::Logs::MetricFilter").items()}
        counted = {name: sum(matches(pattern, line) for line in lines) for name, pattern in patterns.items()}
        self.assertEqual(counted, wanted)

    def test_no_token_is_in_the_log(self):
        token = ISSUER.token("reader")
        AWS.rest.call("GET", "/orders/7", token)
        AWS.http.call("GET", "/orders/7", token)
        events = AWS.client("logs").filter_log_events(logGroupName=AWS.authorizer["LogGroup"])["events"]
        text = "".join(event["message"] for event in events)
        for part in token.split("."):
            self.assertNotIn(part, text)

    def test_the_log_is_kept_for_a_month_and_the_alarms_are_set(self):
        [group] = AWS.client("logs").describe_log_groups(logGroupNamePrefix=AWS.authorizer["LogGroup"])["logGroups"]
        self.assertEqual(group["retentionInDays"], 30)
        # The two that the emulator takes.
        alarms = AWS.client("cloudwatch").describe_alarms(AlarmNamePrefix="authorizer-")["MetricAlarms"]
        self.assertEqual(sorted(alarm["MetricName"] for alarm in alarms), ["Duration", "Throttles"])
