"""The SAM templates: sound, and set as the authorizer needs them."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

from templates import NAMES, SAM, only, resources, translated

DIR = pathlib.Path(os.environ["DEPLOY_DIR"])
AUTHORIZATION = "method.request.header.Authorization"


def lint(path):
    program = pathlib.Path(sys.executable).with_name("cfn-lint")
    command = [program, "--regions", "eu-central-1", "us-east-1", "--", path]
    return subprocess.run(command, capture_output=True, text=True)


class Sound(unittest.TestCase):
    def test_the_templates_as_they_are_written_have_no_finding(self):
        for name in NAMES:
            with self.subTest(name):
                found = lint(SAM / f"{name}.yaml")
                self.assertEqual((found.returncode, found.stdout), (0, ""), found.stderr)

    def test_the_templates_as_they_are_deployed_have_no_finding(self):
        for name in NAMES:
            with self.subTest(name):
                path = DIR / f"{name}.json"
                path.write_text(json.dumps(translated(name), indent=1))
                found = lint(path)
                self.assertEqual((found.returncode, found.stdout), (0, ""), found.stderr)


class TheRestApi(unittest.TestCase):
    def setUp(self):
        self.body = only("rest-api", "AWS::ApiGateway::RestApi")["Body"]

    def test_caches_by_the_authorization_header_for_a_minute(self):
        schemes = self.body["components"]["securitySchemes"]
        authorizer = schemes["Gatewright"]["x-amazon-apigateway-authorizer"]
        self.assertEqual(authorizer["type"], "request")
        self.assertEqual(authorizer["identitySource"], AUTHORIZATION)
        self.assertEqual(authorizer["authorizerResultTtlInSeconds"], 60)

    def test_guards_every_operation_but_the_preflight(self):
        for path, operations in self.body["paths"].items():
            for method, operation in operations.items():
                with self.subTest(f"{method} {path}"):
                    expected = None if method == "options" else [{"Gatewright": []}]
                    self.assertEqual(operation.get("security"), expected)

    def test_lets_a_browser_ask_beforehand(self):
        for path, operations in self.body["paths"].items():
            with self.subTest(path):
                answer = operations["options"]["x-amazon-apigateway-integration"]["responses"]["default"]["responseParameters"]
                self.assertEqual(answer["method.response.header.Access-Control-Allow-Origin"], {"Fn::Sub": "'${AllowedOrigin}'"})
                self.assertIn("Authorization", answer["method.response.header.Access-Control-Allow-Headers"])

    def test_tells_the_reason_and_lets_a_browser_read_it(self):
        answers = self.body["x-amazon-apigateway-gateway-responses"]
        self.assertEqual(set(answers), {"DEFAULT_4XX", "DEFAULT_5XX", "UNAUTHORIZED", "ACCESS_DENIED"})
        for kind, answer in answers.items():
            with self.subTest(kind):
                self.assertIn("gatewayresponse.header.Access-Control-Allow-Origin", answer["responseParameters"])
        denied = json.loads(answers["ACCESS_DENIED"]["responseTemplates"]["application/json"])
        self.assertEqual(denied["reason"], "$context.authorizer.reason")
        self.assertEqual(denied["missing"], "$context.authorizer.missing")
        self.assertEqual(answers["UNAUTHORIZED"]["responseParameters"]["gatewayresponse.header.WWW-Authenticate"], "'Bearer'")

    def test_is_traced_and_may_call_the_authorizer(self):
        self.assertTrue(only("rest-api", "AWS::ApiGateway::Stage")["TracingEnabled"])
        permission = resources("rest-api", "AWS::Lambda::Permission")["ApiGatewrightAuthorizerPermission"]
        self.assertEqual(permission["FunctionName"], {"Ref": "AuthorizerArn"})
        self.assertIn("${__ApiId__}/authorizers/", permission["SourceArn"]["Fn::Sub"][0])


class TheHttpApi(unittest.TestCase):
    def test_sends_payload_2_and_caches_policies_by_the_authorization_header_for_a_minute(self):
        authorizer = only("http-api", "AWS::ApiGatewayV2::Authorizer")
        self.assertEqual(authorizer["AuthorizerPayloadFormatVersion"], "2.0")
        self.assertIs(authorizer["EnableSimpleResponses"], False)
        self.assertEqual(authorizer["IdentitySource"], ["$request.header.Authorization"])
        self.assertEqual(authorizer["AuthorizerResultTtlInSeconds"], 60)

    def test_guards_every_route(self):
        routes = resources("http-api", "AWS::ApiGatewayV2::Route")
        self.assertEqual(len(routes), 2)
        for route in routes.values():
            self.assertEqual((route["AuthorizationType"], route["AuthorizerId"]), ("CUSTOM", {"Ref": "Gatewright"}))

    def test_lets_one_authorizer_of_one_api_call_the_function(self):
        permission = resources("http-api", "AWS::Lambda::Permission")["AuthorizerPermission"]
        self.assertTrue(permission["SourceArn"]["Fn::Sub"].endswith("${Api}/authorizers/${Gatewright}"))


class TheFunction(unittest.TestCase):
    def test_runs_bootstrap_for_either_architecture_with_the_policy_beside_it(self):
        function = only("authorizer", "AWS::Lambda::Function")
        self.assertEqual((function["Runtime"], function["Handler"]), ("provided.al2023", "bootstrap"))
        self.assertEqual(function["Architectures"], [{"Ref": "Architecture"}])
        self.assertEqual(translated("authorizer")["Parameters"]["Architecture"]["AllowedValues"], ["arm64", "x86_64"])
        self.assertEqual(function["Environment"]["Variables"], {"GATEWRIGHT_POLICY": "policy.toml"})
        self.assertEqual(function["TracingConfig"], {"Mode": "Active"})
        self.assertEqual(function["LoggingConfig"]["ApplicationLogLevel"], "INFO")
        self.assertLess(function["Timeout"], 10)

    def test_may_write_its_log_and_traces_and_nothing_else(self):
        [policy] = only("authorizer", "AWS::IAM::Role")["Policies"]
        log, traces = policy["PolicyDocument"]["Statement"]
        self.assertEqual(log["Resource"], {"Fn::GetAtt": ["Log", "Arn"]})
        self.assertEqual(log["Action"], ["logs:CreateLogStream", "logs:PutLogEvents"])
        self.assertEqual(traces["Action"], ["xray:PutTraceSegments", "xray:PutTelemetryRecords"])
        self.assertNotIn("ManagedPolicyArns", only("authorizer", "AWS::IAM::Role"))

    def test_warns_of_errors_throttles_slowness_and_refusals_from_metrics_that_exist(self):
        alarms = resources("authorizer", "AWS::CloudWatch::Alarm")
        self.assertEqual(set(alarms), {"ErrorsAlarm", "ThrottlesAlarm", "DurationAlarm", "DeniedAlarm"})
        filters = resources("authorizer", "AWS::Logs::MetricFilter").values()
        made = {(str(t["MetricNamespace"]), t["MetricName"]) for f in filters for t in f["MetricTransformations"]}
        used = {
            (str(query["MetricStat"]["Metric"]["Namespace"]), query["MetricStat"]["Metric"]["MetricName"])
            for alarm in alarms.values()
            for query in alarm.get("Metrics", [])
            if "MetricStat" in query
        }
        self.assertEqual(used - made, {("AWS/Lambda", "Errors")})
        timeout = only("authorizer", "AWS::Lambda::Function")["Timeout"]
        self.assertEqual(alarms["DurationAlarm"]["Threshold"], timeout * 1000 * 4 / 5)
