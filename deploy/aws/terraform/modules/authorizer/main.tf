# The function, its role and its log. One serves any number of REST and HTTP APIs.

locals {
  # Fetching an issuer's keys takes 1.5 s at most; an HTTP API gives its authorizer 10 s, and then it's a 500.
  timeout_s = 5
}

resource "aws_lambda_function" "authorizer" {
  function_name                  = var.name
  description                    = "Verifies access tokens and answers with what they may call"
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  handler                        = "bootstrap"
  runtime                        = "provided.al2023"
  architectures                  = [var.architecture]
  memory_size                    = 256
  timeout                        = local.timeout_s
  role                           = aws_iam_role.authorizer.arn
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = {
      GATEWRIGHT_POLICY = "policy.toml" # beside bootstrap in the package, where the function starts
    }
  }

  tracing_config {
    mode = "Active"
  }

  logging_config {
    log_group             = aws_cloudwatch_log_group.decisions.name
    log_format            = "JSON"
    application_log_level = "INFO" # decisions are INFO: any higher level loses them and their alarms
    system_log_level      = "WARN" # without START, END and REPORT; their figures are metrics anyway
  }

  depends_on = [aws_iam_role_policy.log_and_trace]
}

resource "aws_cloudwatch_log_group" "decisions" {
  name              = "/gatewright/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "authorizer" {
  name_prefix        = "${var.name}-"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

# No more than the function does: write to its own log and send traces. It calls no AWS service.
data "aws_iam_policy_document" "log_and_trace" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.decisions.arn}:*"]
  }
  statement {
    actions   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    resources = ["*"] # these two know no resources
  }
}

resource "aws_iam_role_policy" "log_and_trace" {
  name   = "log-and-trace"
  role   = aws_iam_role.authorizer.id
  policy = data.aws_iam_policy_document.log_and_trace.json
}
