# What is unusual, and the 4xx of an API that never reach the function. The alarms that nobody should be without are in
# modules/authorizer.
#
# CloudWatch learns what is usual in two weeks. Of little, a little more is unusual too: so each such alarm consists of two,
# the signal (above the band) and a floor, and the one that notifies is both at once. A restart or a night without calls
# leaves no data, and no data is never an alarm here.

locals {
  runbooks = "https://github.com/gatewright/gatewright/blob/main/docs/runbooks"
  has_api  = var.api != null
  rest     = try(var.api.kind, "http") == "rest"
  api      = { id = try(var.api.id, "none"), stage = try(var.api.stage, "$default") }

  api_dimension = local.rest ? "ApiName" : "ApiId"
  four_xx       = local.rest ? "4XXError" : "4xx"
  five_xx       = local.rest ? "5XXError" : "5xx"
  of_api        = { (local.api_dimension) = local.api.id, Stage = local.api.stage }

  unusual_decisions = {
    denial_spike = {
      description = "Unusually many tokens are refused for this time of day. Run the saved query denials-by-reason, then gatewright explain with one of the requests."
      enough      = "Enough refused tokens to be unusual."
      runbook     = "denial_spike"
      namespace   = "Gatewright"
      metric      = "AuthnFailed"
      dimensions  = { service = "authorizer", function = var.function_name }
      stat        = "Sum"
      floor       = var.least_refused
    }
    authorizer_latency = {
      description = "Decisions take unusually long for this time of day. It waits for nothing but its issuers' keys, so see whether an issuer is slow."
      enough      = "Slow enough to be unusual."
      runbook     = "authorizer_latency"
      namespace   = "Gatewright"
      metric      = "Latency"
      dimensions  = { service = "authorizer", function = var.function_name }
      stat        = "p99"
      floor       = var.least_latency_ms
    }
  }
  unusual_api = {
    denial_spike_api = {
      description = "Unusually many calls of the API are answered 4xx for this time of day, among them those that never reach the authorizer. Compare with its own denials in the dashboard."
      enough      = "Enough 4xx to be unusual."
      runbook     = "denial_spike"
      namespace   = "AWS/ApiGateway"
      metric      = local.four_xx
      dimensions  = local.of_api
      stat        = "Sum"
      floor       = var.least_refused
    }
  }
  unusual = merge(local.unusual_decisions, { for name, alarm in local.unusual_api : name => alarm if local.has_api })
}

resource "aws_cloudwatch_metric_alarm" "signal" {
  for_each            = local.unusual
  alarm_name          = "${var.name}-${each.key}_signal"
  alarm_description   = "Above what is usual at this time. Notifies nobody by itself, see ${each.key}_unusual. ${local.runbooks}/${each.value.runbook}.md"
  comparison_operator = "GreaterThanUpperThreshold"
  threshold_metric_id = "usual"
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "usual"
    label       = "Usual"
    expression  = "ANOMALY_DETECTION_BAND(current, 4)"
    return_data = true
  }
  metric_query {
    id          = "current"
    return_data = true
    metric {
      namespace   = each.value.namespace
      metric_name = each.value.metric
      dimensions  = each.value.dimensions
      stat        = each.value.stat
      period      = 300
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "floor" {
  for_each            = local.unusual
  alarm_name          = "${var.name}-${each.key}_floor"
  alarm_description   = "${each.value.enough} Notifies nobody by itself, see ${each.key}_unusual. ${local.runbooks}/${each.value.runbook}.md"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.stat, "p") ? null : each.value.stat
  extended_statistic  = startswith(each.value.stat, "p") ? each.value.stat : null
  period              = 300
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.floor
  treat_missing_data  = "notBreaching"
}

resource "aws_cloudwatch_composite_alarm" "unusual" {
  for_each          = local.unusual
  alarm_name        = "${var.name}-${each.key}_unusual"
  alarm_description = "${each.value.description} ${local.runbooks}/${each.value.runbook}.md"
  alarm_actions     = var.alarm_topic_arns
  ok_actions        = var.alarm_topic_arns
  alarm_rule        = "ALARM(\"${aws_cloudwatch_metric_alarm.signal[each.key].alarm_name}\") AND ALARM(\"${aws_cloudwatch_metric_alarm.floor[each.key].alarm_name}\")"
}

resource "aws_cloudwatch_metric_alarm" "unknown_kid_flood" {
  alarm_name          = "${var.name}-unknown_kid_flood"
  alarm_description   = "Many tokens name keys that no issuer publishes. Compare their kid with the output of gatewright key list; if nobody who should get in is refused, limit the callers. ${local.runbooks}/unknown_kid_flood.md"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  namespace           = "Gatewright"
  metric_name         = "AuthnFailed"
  dimensions          = { service = "authorizer", function = var.function_name, reason = "key_unknown" }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.unknown_kids_per_five_minutes
  treat_missing_data  = "notBreaching"
}

# What the gateway refuses by itself, for want of a token or from its cache, reaches no function: only the API counts it.
resource "aws_cloudwatch_metric_alarm" "denial_spike_api" {
  count               = local.has_api ? 1 : 0
  alarm_name          = "${var.name}-denial_spike_api"
  alarm_description   = "Half of the API's calls are answered 4xx. If the authorizer's log shows no denials, callers send no token or the API's own answers are meant. ${local.runbooks}/denial_spike.md"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 50
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "share"
    label       = "4xx in percent"
    expression  = "IF(refused >= ${var.least_refused}, 100 * refused / calls, 0)"
    return_data = true
  }
  metric_query {
    id = "refused"
    metric {
      namespace   = "AWS/ApiGateway"
      metric_name = local.four_xx
      dimensions  = local.of_api
      stat        = "Sum"
      period      = 300
    }
  }
  metric_query {
    id = "calls"
    metric {
      namespace   = "AWS/ApiGateway"
      metric_name = "Count"
      dimensions  = local.of_api
      stat        = "Sum"
      period      = 300
    }
  }
}
