"""The SAM templates, read and translated as CloudFormation would translate them."""

import functools
import json
import logging
import os
import pathlib
import re

os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"

from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

logging.getLogger("samtranslator").setLevel(logging.ERROR)

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAM = ROOT / "deploy/aws/sam"
NAMES = ["authorizer", "http-api", "issuer-alarms", "monitoring", "rest-api"]

# Where `sam deploy` would have uploaded the package.
PACKAGE = {"Bucket": "packages", "Key": "authorizer.zip"}


class NoManagedPolicies:
    """The templates name none, so there is none to load from AWS."""

    def load(self):
        return {}


@functools.cache
def translated(name):
    """The CloudFormation that a SAM template stands for."""
    template = yaml_parse((SAM / f"{name}.yaml").read_text())
    for resource in template["Resources"].values():
        if "CodeUri" in resource["Properties"]:
            resource["Properties"]["CodeUri"] = PACKAGE
    return json.loads(json.dumps(transform(template, {}, NoManagedPolicies())))


def resources(name, kind):
    """The properties of a template's resources of one type, by name."""
    found = translated(name)["Resources"].items()
    return {key: value["Properties"] for key, value in found if value["Type"] == kind}


def only(name, kind):
    [properties] = resources(name, kind).values()
    return properties


def matches(pattern, line):
    """A CloudWatch Logs pattern of the kind `{ ($.a = "x") && ... }` on one line of a log."""
    try:
        document = json.loads(line)
    except ValueError:
        return False

    def holds(comparison):
        value = document
        for step in comparison[1].split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return str(value == comparison[2])

    expression = pattern.strip().removeprefix("{").removesuffix("}")
    expression = re.sub(r'\$\.([\w.]+) = "([^"]*)"', holds, expression)
    expression = expression.replace("&&", " and ").replace("||", " or ")
    if not re.fullmatch(r"(True|False|and|or|[() ])+", expression):
        raise ValueError(f"the test can't read the pattern {pattern}: keep to =, &&, || and parentheses, or extend it")
    return eval(expression)  # nothing but the words above
