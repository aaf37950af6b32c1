"""Says which order was asked for, and by whom, as the authorizer told the gateway."""

import json


def handler(event, context):
    caller = event["requestContext"]["authorizer"]
    caller = caller.get("lambda", caller)  # an HTTP API's payload 2.0 puts it one level down
    order = (event.get("pathParameters") or {}).get("id")
    body = {"order": order, "client": caller["client_id"], "scope": caller["scope"]}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
