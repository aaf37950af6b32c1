# What an operator is woken for. Calls answered from the gateway's cache make no line, and so aren't counted.

locals {
  runbooks  = "https://github.com/gatewright/gatewright/blob/main/docs/runbooks"
  namespace = "Gatewright/${var.name}"

  # Each call is one line of JSON; these count its decisions.
  filters = {
    Decisions    = "{ $.target = \"gatewright::decision\" }"
    Denied       = "{ ($.target = \"gatewright::decision\") && (($.fields.decision = \"deny\") || ($.fields.decision = \"unauthorized\")) }"
    Unauthorized = "{ ($.target = \"gatewright::decision\") && ($.fields.decision = \"unauthorized\") }"
  }
}

resource "aws_cloudwatch_log_metric_filter" "decision" {
  for_each       = local.filters
  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.decisions.name
  pattern        = each.value

  metric_transformation {
    namespace     = local.namespace
    name          = each.key
    value         = "1"
    default_value = "0"
    unit          = "Count"
  }
}

# On REST a refused token is the error "Unauthorized", and Lambda counts it among the function's errors. What is left
# when those are taken off is trouble: a fault (keys_unavailable), a crash, a time-out, a policy that doesn't load.
resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-authorizer_faults"
  alarm_description   = "The authorizer fails, and callers get 500. Look for fields.decision = \"fault\" in its log; if there is none, it doesn't start, or runs out of time. ${local.runbooks}/authorizer_faults.md"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.errors_per_five_minutes
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "failures"
    label       = "Failures beyond refused tokens"
    expression  = "errors - FILL(unauthorized, 0)"
    return_data = true
  }
  metric_query {
    id = "errors"
    metric {
      namespace   = "AWS/Lambda"
      metric_name = "Errors"
      dimensions  = { FunctionName = aws_lambda_function.authorizer.function_name }
      stat        = "Sum"
      period      = 300
    }
  }
  metric_query {
    id = "unauthorized"
    metric {
      namespace   = local.namespace
      metric_name = "Unauthorized"
      stat        = "Sum"
      period      = 300
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "throttles" {
  alarm_name          = "${var.name}-authorizer_throttles"
  alarm_description   = "Lambda turns calls of the authorizer away, and callers get 500. Raise its reserved concurrency, or the account's. ${local.runbooks}/authorizer_throttles.md"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = aws_lambda_function.authorizer.function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
}

resource "aws_cloudwatch_metric_alarm" "duration" {
  alarm_name          = "${var.name}-authorizer_latency"
  alarm_description   = "The authorizer gets near its time-out. It waits for nothing but its issuers' keys: is an issuer slow? ${local.runbooks}/authorizer_latency.md"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  namespace           = "AWS/Lambda"
  metric_name         = "Duration"
  dimensions          = { FunctionName = aws_lambda_function.authorizer.function_name }
  extended_statistic  = "p99"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.timeout_s * 800 # ms, four fifths of the time-out
  treat_missing_data  = "notBreaching"
}

resource "aws_cloudwatch_metric_alarm" "denied" {
  alarm_name          = "${var.name}-denial_spike"
  alarm_description   = "An unusual share of calls is refused. Count them by fields.reason and fields.client in the authorizer's log. ${local.runbooks}/denial_spike.md"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.denied_percent
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "share"
    label       = "Refused calls in percent"
    expression  = "IF(decisions >= ${var.denied_least_calls}, 100 * denied / decisions, 0)"
    return_data = true
  }
  metric_query {
    id = "decisions"
    metric {
      namespace   = local.namespace
      metric_name = "Decisions"
      stat        = "Sum"
      period      = 300
    }
  }
  metric_query {
    id = "denied"
    metric {
      namespace   = local.namespace
      metric_name = "Denied"
      stat        = "Sum"
      period      = 300
    }
  }
}
