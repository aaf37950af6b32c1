# To look at it: a dashboard, the questions of the runbooks saved in Logs Insights, and a group of traces.

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

resource "aws_cloudwatch_dashboard" "authorizer" {
  dashboard_name = var.name
  dashboard_body = templatefile("${path.module}/dashboard.json.tftpl", {
    Partition          = data.aws_partition.current.partition
    Region             = data.aws_region.current.name
    Account            = data.aws_caller_identity.current.account_id
    Name               = var.name
    AuthorizerFunction = var.function_name
    AuthorizerLogGroup = var.log_group
    ApiDimension       = local.api_dimension
    Api                = local.api.id
    ApiStage           = local.api.stage
    FourXx             = local.four_xx
    FiveXx             = local.five_xx
  })
}

locals {
  queries = {
    denials-by-reason = <<-EOT
      filter fields.decision in ["deny", "unauthorized"]
      | stats count(*) as calls by fields.reason, fields.client, fields.route
      | sort calls desc
      | limit 20
    EOT
    faults            = <<-EOT
      filter fields.decision = "fault" or @message like /doesn't start|Task timed out|Runtime\./
      | stats count(*) as calls, latest(@message) as last by fields.reason
    EOT
    unknown-kids      = <<-EOT
      filter fields.reason = "key_unknown"
      | stats count(*) as calls by fields.api, fields.route, bin(5m)
      | sort calls desc
    EOT
    slow-decisions    = <<-EOT
      filter ispresent(fields.us)
      | stats count(*) as calls, pct(fields.us, 50) / 1000 as p50_ms, pct(fields.us, 99) / 1000 as p99_ms by fields.jwks, fields.cold
    EOT
    one-request       = <<-EOT
      fields @timestamp, fields.decision, fields.reason, fields.rule, fields.client, fields.method, fields.route, fields.trace_id
      | filter fields.request_id = "REQUEST_ID" or fields.trace_id = "TRACE_ID"
      | sort @timestamp
    EOT
  }
}

resource "aws_cloudwatch_query_definition" "runbook" {
  for_each        = local.queries
  name            = "${var.name}/${each.key}"
  log_group_names = [var.log_group]
  query_string    = each.value
}

# Insights open by themselves when faults of these traces rise.
resource "aws_xray_group" "authorizer" {
  group_name        = var.name
  filter_expression = "service(\"${var.function_name}\") AND (fault = true OR throttle = true OR responsetime > 1)"

  insights_configuration {
    insights_enabled      = true
    notifications_enabled = false
  }
}
