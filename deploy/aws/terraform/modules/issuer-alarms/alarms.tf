# Alarms for an issuer that runs on AWS and writes its metrics as EMF lines (metrics.format = "emf") to a log of CloudWatch:
# a container with the awslogs driver, or a machine with the CloudWatch agent.
#
# What is unusual consists of two, the signal (above the band) and a floor; the one that notifies is both at once.

locals {
  runbooks = "https://github.com/gatewright/gatewright/blob/main/docs/runbooks"

  unusual = {
    login_failures = {
      description = "Unusually many logins fail for this time of day. Find out who fails, from where, and whether one got in. gatewright events search --kind login_failed --since 30m"
      enough      = "Enough failed logins to be unusual."
      runbook     = "login_failures"
      namespace   = "Gatewright"
      metric      = "LoginFailed"
      dimensions  = { service = "issuer" }
      stat        = "Sum"
      floor       = var.least_login_failures
    }
  }

  # At least so many in five minutes.
  counted = {
    login_failures = {
      description = "Very many logins fail. Find out who fails, from where, and whether one got in. gatewright events search --kind login_failed --since 30m"
      metric      = "LoginFailed"
      least       = var.login_failures_per_five_minutes
    }
    refresh_replay = {
      description = "A spent refresh token came again, and all tokens of its login were ended. A stolen token or a broken client, so find out which. gatewright events search --kind refresh_replayed --since 24h"
      metric      = "RefreshReplayed"
      least       = 1
    }
    code_replay = {
      description = "An authorization code came again, and the tokens made from it were ended. It leaks, or the client redeems twice. gatewright events search --kind code_replayed --since 24h"
      metric      = "CodeReplayed"
      least       = 1
    }
    event_loss = {
      description = "Events were dropped, for the queue was full. Security events are never among them. See whether the database is slow."
      metric      = "EventsLost"
      least       = 1
    }
    database_trouble = {
      description = "Statements of the database fail, and callers get 503. See what gatewright doctor says."
      metric      = "DbErrors"
      least       = 5
    }
  }
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

resource "aws_cloudwatch_metric_alarm" "counted" {
  for_each            = local.counted
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description} ${local.runbooks}/${each.key}.md"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  namespace           = "Gatewright"
  metric_name         = each.value.metric
  dimensions          = { service = "issuer" }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.least
  treat_missing_data  = "notBreaching"
}

# One line a minute, with zeros, so that none means that it's down.
resource "aws_cloudwatch_metric_alarm" "target_down" {
  alarm_name          = "${var.name}-target_down"
  alarm_description   = "The issuer has written no metrics for five minutes. It's down, or its log doesn't reach CloudWatch. ${local.runbooks}/target_down.md"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  namespace           = "Gatewright"
  metric_name         = "HttpRequests"
  dimensions          = { service = "issuer" }
  statistic           = "SampleCount"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
}
