"""The Terraform module and its examples: they parse, refer to what exists, and say what the SAM templates say.

Terraform itself is asked for the format where it's installed. Its `validate` needs the provider, which is not at hand
here, so arguments that don't exist are found by `terraform validate` at your side.
"""

import pathlib
import re
import shutil
import subprocess
import unittest

import hcl2

from templates import ROOT, only, resources

TERRAFORM = ROOT / "deploy/aws/terraform"
FOLDERS = [
    "examples/http-api", "examples/rest-api", "modules/authorizer", "modules/issuer-alarms", "modules/monitoring", "modules/orders",
]


def plain(value):
    """A parsed value with its quotes gone."""
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"')
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items() if not key.startswith("__")}
    return value


def parsed(folder):
    """All blocks of one folder, by kind."""
    blocks = {}
    for path in sorted((TERRAFORM / folder).glob("*.tf")):
        with path.open() as file:
            for kind, found in plain(hcl2.load(file)).items():
                blocks.setdefault(kind, []).extend(found)
    return blocks


def named(blocks, kind):
    """Blocks with one label: variables, modules, outputs."""
    return {name: body for block in blocks.get(kind, []) for name, body in block.items()}


def declared(folder):
    """The addresses that expressions of a folder may begin with."""
    blocks = parsed(folder)
    addresses = {f"var.{name}" for name in named(blocks, "variable")}
    addresses |= {f"local.{name}" for block in blocks.get("locals", []) for name in block}
    for kind, prefix in (("resource", ""), ("data", "data.")):
        for block in blocks.get(kind, []):
            addresses |= {f"{prefix}{type_}.{name}" for type_, inner in block.items() for name in inner}
    for name, module in named(blocks, "module").items():
        outputs = named(parsed(pathlib.Path(folder) / module["source"]), "output")
        addresses |= {f"module.{name}.{output}" for output in outputs}
    return addresses


def resource(folder, kind, name):
    [found] = [b[kind][name] for b in parsed(folder)["resource"] if kind in b and name in b[kind]]
    return found


REFERENCE = re.compile(r"(?<![\w.$\"-])(var\.\w+|local\.\w+|module\.\w+\.\w+|data\.\w+\.\w+|aws_\w+\.\w+)")


class Terraform(unittest.TestCase):
    def test_every_reference_resolves(self):
        for folder in FOLDERS:
            addresses = declared(folder)
            for path in (TERRAFORM / folder).glob("*.tf"):
                text = re.sub(r"(?m)^\s*#.*$", "", path.read_text())
                references = set(REFERENCE.findall(text))
                with self.subTest(path.relative_to(TERRAFORM)):
                    self.assertEqual(references - addresses, set())

    def test_every_variable_is_used(self):
        for folder in FOLDERS:
            text = "".join(path.read_text() for path in (TERRAFORM / folder).glob("*.tf"))
            for name in named(parsed(folder), "variable"):
                with self.subTest(f"{folder} {name}"):
                    self.assertIn(f"var.{name}", text)

    def test_modules_are_given_variables_that_they_have_and_all_that_they_need(self):
        for folder in FOLDERS:
            for name, module in named(parsed(folder), "module").items():
                variables = named(parsed(pathlib.Path(folder) / module["source"]), "variable")
                given = set(module) - {"source", "count"}
                needed = {key for key, variable in variables.items() if "default" not in variable}
                with self.subTest(f"{folder} {name}"):
                    self.assertLessEqual(needed, given)
                    self.assertLessEqual(given, set(variables))

    def test_the_format_is_terraforms(self):
        terraform = shutil.which("terraform")
        if terraform is None:
            self.skipTest("terraform is not installed")
        found = subprocess.run([terraform, "fmt", "-check", "-recursive", str(TERRAFORM)], capture_output=True, text=True)
        self.assertEqual((found.returncode, found.stdout), (0, ""))

    def test_the_http_api_sends_payload_2_and_caches_policies_by_the_authorization_header_for_a_minute(self):
        authorizer = resource("examples/http-api", "aws_apigatewayv2_authorizer", "gatewright")
        sam = only("http-api", "AWS::ApiGatewayV2::Authorizer")
        self.assertEqual(authorizer["authorizer_payload_format_version"], "2.0")
        self.assertIs(authorizer["enable_simple_responses"], False)
        self.assertEqual(authorizer["identity_sources"], sam["IdentitySource"])
        self.assertEqual(authorizer["authorizer_result_ttl_in_seconds"], 60)

    def test_the_rest_api_caches_by_the_authorization_header_for_a_minute(self):
        authorizer = resource("examples/rest-api", "aws_api_gateway_authorizer", "gatewright")
        self.assertEqual(authorizer["type"], "REQUEST")
        self.assertEqual(authorizer["identity_source"], "method.request.header.Authorization")
        self.assertEqual(authorizer["authorizer_result_ttl_in_seconds"], 60)

    def test_every_route_but_the_preflight_is_guarded(self):
        route = resource("examples/http-api", "aws_apigatewayv2_route", "orders")
        self.assertEqual(route["authorization_type"], "CUSTOM")
        self.assertEqual(route["authorizer_id"], "${aws_apigatewayv2_authorizer.gatewright.id}")
        method = resource("examples/rest-api", "aws_api_gateway_method", "orders")
        self.assertEqual(method["authorization"], "CUSTOM")
        self.assertEqual(method["authorizer_id"], "${aws_api_gateway_authorizer.gatewright.id}")
        preflight = resource("examples/rest-api", "aws_api_gateway_method", "preflight")
        self.assertEqual((preflight["http_method"], preflight["authorization"]), ("OPTIONS", "NONE"))

    def test_the_rest_api_refuses_in_the_same_words_as_the_sam_template(self):
        text = (TERRAFORM / "examples/rest-api/refusals.tf").read_text().replace('\\"', '"')
        answers = only("rest-api", "AWS::ApiGateway::RestApi")["Body"]["x-amazon-apigateway-gateway-responses"]
        for kind, answer in answers.items():
            with self.subTest(kind):
                self.assertIn(f"{kind} = {{", text)
                self.assertIn(answer["responseTemplates"]["application/json"], text)
                for header in answer["responseParameters"]:
                    self.assertIn(f'"{header}"', text)

    def test_a_change_of_anything_that_a_rest_deployment_copies_makes_a_new_one(self):
        deployment = resource("examples/rest-api", "aws_api_gateway_deployment", "live")
        triggers = str(deployment["triggers"])
        copied = {"resource", "authorizer", "method", "integration", "method_response", "integration_response", "gateway_response"}
        for block in parsed("examples/rest-api")["resource"]:
            for kind, inner in block.items():
                if kind.removeprefix("aws_api_gateway_") in copied:
                    for name in inner:
                        self.assertIn(f"{kind}.{name}", triggers)

    def test_the_function_is_set_as_by_the_sam_template(self):
        function = resource("modules/authorizer", "aws_lambda_function", "authorizer")
        sam = only("authorizer", "AWS::Lambda::Function")
        self.assertEqual((function["runtime"], function["handler"]), (sam["Runtime"], sam["Handler"]))
        self.assertEqual(function["architectures"], ["${var.architecture}"])
        self.assertEqual(function["memory_size"], sam["MemorySize"])
        self.assertEqual(function["environment"][0]["variables"], sam["Environment"]["Variables"])
        self.assertEqual(function["tracing_config"], [{"mode": "Active"}])
        self.assertEqual(function["logging_config"][0]["application_log_level"], "INFO")
        [timeout] = [block["timeout_s"] for block in parsed("modules/authorizer")["locals"] if "timeout_s" in block]
        self.assertEqual(timeout, sam["Timeout"])
        validation = named(parsed("modules/authorizer"), "variable")["architecture"]["validation"][0]
        self.assertIn('["arm64", "x86_64"]', validation["condition"])

    def test_the_role_may_do_what_the_sam_templates_role_may(self):
        [document] = [b["aws_iam_policy_document"]["log_and_trace"] for b in parsed("modules/authorizer")["data"]
                      if "log_and_trace" in b["aws_iam_policy_document"]]
        [policy] = only("authorizer", "AWS::IAM::Role")["Policies"]
        wanted = [statement["Action"] for statement in policy["PolicyDocument"]["Statement"]]
        self.assertEqual([statement["actions"] for statement in document["statement"]], wanted)

    def test_decisions_are_counted_and_alarms_raised_as_by_the_sam_template(self):
        [filters] = [block["filters"] for block in parsed("modules/authorizer")["locals"] if "filters" in block]
        sam = resources("authorizer", "AWS::Logs::MetricFilter")
        self.assertEqual(filters, {name: made["FilterPattern"] for name, made in sam.items()})
        alarms = [name for block in parsed("modules/authorizer")["resource"] for name in block.get("aws_cloudwatch_metric_alarm", {})]
        wanted = [name.removesuffix("Alarm").lower() for name in resources("authorizer", "AWS::CloudWatch::Alarm")]
        self.assertEqual(sorted(alarms), sorted(wanted))
