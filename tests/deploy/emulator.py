"""A running issuer, and AWS as far as the emulator ministack goes, with the templates deployed on it."""

import base64
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.request

import boto3

from templates import PACKAGE, ROOT, only, translated

DIR = pathlib.Path(os.environ["DEPLOY_DIR"])
GATEWRIGHT = os.environ["DEPLOY_GATEWRIGHT"]
AUDIENCE = "https://api.example.com"
ORIGIN = translated("rest-api")["Parameters"]["AllowedOrigin"]["Default"]
SERVICES = "apigateway,lambda,iam,sts,logs,cloudwatch,monitoring,cloudformation,s3,ssm"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


UNKNOWN = {"AWS::CloudWatch::CompositeAlarm", "AWS::Logs::QueryDefinition", "AWS::XRay::Group"}


def is_beyond_the_emulator(resource):
    """A type that it doesn't know, or an alarm on a formula."""
    return resource["Type"] in UNKNOWN or resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]


class Server:
    """A process of ours that listens on loopback, until it's stopped."""

    def __init__(self, name, command, environment, health):
        self.log = DIR / f"{name}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment, cwd=DIR, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self.answers(health):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{name} doesn't start; its log:\n{self.log.read_text()}")

    @staticmethod
    def answers(url):
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Issuer:
    """`gatewright serve`, with a machine that may read and one that may also write."""

    def __init__(self):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = os.environ | {
            "GATEWRIGHT_DATABASE_URL": f"sqlite://{DIR}/gatewright.db",
            "GATEWRIGHT_ISSUER": self.url,
            "GATEWRIGHT_LISTEN": f"127.0.0.1:{port}",
        }
        self.server = Server("issuer", [GATEWRIGHT, "serve"], self.environment, f"{self.url}/health/ready")
        self.secrets = {}
        for client, scope in (("reader", "orders:read"), ("writer", "orders:read orders:write")):
            made = subprocess.run(
                [GATEWRIGHT, "client", "create", client, "--type", "confidential", "--grant", "client_credentials",
                 "--scope", scope, "--audience", AUDIENCE, "--json"],
                env=self.environment, check=True, capture_output=True, text=True)
            self.secrets[client] = json.loads(made.stdout)["client_secret"]

    def token(self, client):
        """A new access token, with all that its client may have."""
        basic = base64.b64encode(f"{client}:{self.secrets[client]}".encode()).decode()
        request = urllib.request.Request(f"{self.url}/token", b"grant_type=client_credentials", {"authorization": f"Basic {basic}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["access_token"]


class Aws:
    """The emulator, with the package uploaded and the three stacks made from the translated templates.

    Its CloudFormation falls short of AWS's in three things. It refuses alarms on a formula and knows no composite alarms,
    saved queries and trace groups, so those are left out (the linter has checked them). It doesn't read the gateway responses in a REST API's body, nor an HTTP
    API's CORS settings, so these are put by API calls, as the translated templates have them.
    """

    def __init__(self, issuer):
        self.port = free_port()
        scratch = DIR / "scratch"
        scratch.mkdir()
        # Without these it listens on every address, and keeps files outside our folder.
        environment = os.environ | {
            "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port), "LAMBDA_EXECUTOR": "local", "IOT_MTLS_ENABLED": "0",
            "SERVICES": SERVICES, "TMPDIR": str(scratch), "HOME": str(scratch),
        }
        program = str(pathlib.Path(sys.executable).with_name("ministack"))
        self.server = Server("ministack", [program], environment, f"http://127.0.0.1:{self.port}/_ministack/health")
        try:
            self.deploy(issuer)
        except BaseException:
            self.server.stop()
            print(self.server.log.read_text()[-4000:], file=sys.stderr)
            raise

    def client(self, service):
        return boto3.client(service, endpoint_url=f"http://127.0.0.1:{self.port}", region_name="eu-central-1",
                            aws_access_key_id="test", aws_secret_access_key="test")

    def deploy(self, issuer):
        policy = (ROOT / "deploy/aws/policy.toml").read_text().replace("https://login.example.com", issuer.url)
        (DIR / "policy.toml").write_text(policy)
        package = subprocess.run(
            [ROOT / "deploy/aws/package", "--bootstrap", os.environ["DEPLOY_BOOTSTRAP"], "--policy", DIR / "policy.toml",
             "--gatewright", GATEWRIGHT, "--out", DIR / "authorizer.zip"],
            check=True, stdout=subprocess.PIPE, text=True)
        architecture = re.search(r"for (\w+)$", package.stdout.strip())[1]

        self.client("s3").create_bucket(Bucket=PACKAGE["Bucket"], CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.client("s3").upload_file(str(DIR / "authorizer.zip"), PACKAGE["Bucket"], PACKAGE["Key"])
        self.authorizer = self.stack("authorizer", Architecture=architecture)
        self.rest = Api(self, self.stack("rest-api", AuthorizerArn=self.authorizer["AuthorizerArn"])["Url"])
        self.http = Api(self, self.stack("http-api", AuthorizerArn=self.authorizer["AuthorizerArn"])["Url"])
        self.put_gateway_responses()
        self.put_cors()

    def stack(self, name, **parameters):
        """Makes a stack; its outputs."""
        template = translated(name)
        kept = {key: made for key, made in template["Resources"].items() if not is_beyond_the_emulator(made)}
        formation = self.client("cloudformation")
        formation.create_stack(
            StackName=name, TemplateBody=json.dumps(template | {"Resources": kept}), Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()])
        deadline = time.monotonic() + 60
        while True:
            [stack] = formation.describe_stacks(StackName=name)["Stacks"]
            if stack["StackStatus"] == "CREATE_COMPLETE":
                return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
            if stack["StackStatus"] != "CREATE_IN_PROGRESS" or time.monotonic() > deadline:
                events = formation.describe_stack_events(StackName=name)["StackEvents"]
                failed = [event.get("ResourceStatusReason") for event in events if "FAILED" in event["ResourceStatus"]]
                raise RuntimeError(f"the stack {name} is {stack['StackStatus']}: {failed}")

    def put_gateway_responses(self):
        gateway = self.client("apigateway")
        answers = only("rest-api", "AWS::ApiGateway::RestApi")["Body"]["x-amazon-apigateway-gateway-responses"]
        for kind, answer in answers.items():
            headers = {
                name: value if isinstance(value, str) else value["Fn::Sub"].replace("${AllowedOrigin}", ORIGIN)
                for name, value in answer["responseParameters"].items()
            }
            status = {"statusCode": answer["statusCode"]} if "statusCode" in answer else {}
            gateway.put_gateway_response(restApiId=self.rest.id, responseType=kind, responseParameters=headers,
                                         responseTemplates=answer["responseTemplates"], **status)
        gateway.create_deployment(restApiId=self.rest.id, stageName="live")

    def put_cors(self):
        cors = dict(only("http-api", "AWS::ApiGatewayV2::Api")["CorsConfiguration"])
        if cors["AllowOrigins"] != [{"Ref": "AllowedOrigin"}]:
            raise RuntimeError("the template's AllowOrigins isn't its parameter any more: resolve it here as it is now")
        cors["AllowOrigins"] = [ORIGIN]
        self.client("apigatewayv2").update_api(ApiId=self.http.id, CorsConfiguration=cors)

    def decisions(self):
        """The log's lines of JSON that are decisions, oldest first."""
        events = self.client("logs").filter_log_events(logGroupName=self.authorizer["LogGroup"])["events"]
        lines = [line for event in events for line in event["message"].splitlines()]
        return [line for line in lines if '"gatewright::decision"' in line]


class Api:
    """A deployed API, called by its own host name at the emulator's port."""

    def __init__(self, aws, url):
        self.port = aws.port
        self.id, self.base = re.fullmatch(r"https?://(\w+)\.execute-api\.[^/]+(/live)?", url).groups(default="")

    def call(self, method, path, token=None, **headers):
        """The status, headers and JSON body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers["Host"] = f"{self.id}.execute-api.localhost:{self.port}"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connection.request(method, self.base + path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(body or b"null")
