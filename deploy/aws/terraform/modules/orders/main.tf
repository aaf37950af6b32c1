# A sample to stand behind the examples' APIs, to be replaced by yours. It trusts the context that the authorizer passed
# on, and nothing that the caller could have written.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.32"
    }
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.4"
    }
  }
}

variable "name" {
  description = "Name of the function."
  type        = string
}

data "archive_file" "orders" {
  type        = "zip"
  output_path = "${path.root}/.terraform/${var.name}.zip"
  source {
    filename = "index.py"
    content  = file("${path.module}/index.py")
  }
}

resource "aws_lambda_function" "orders" {
  function_name    = var.name
  filename         = data.archive_file.orders.output_path
  source_code_hash = data.archive_file.orders.output_base64sha256
  handler          = "index.handler"
  runtime          = "python3.13"
  role             = aws_iam_role.orders.arn

  logging_config {
    log_group  = aws_cloudwatch_log_group.orders.name
    log_format = "Text"
  }
}

resource "aws_cloudwatch_log_group" "orders" {
  name              = "/gatewright/${var.name}"
  retention_in_days = 7
}

resource "aws_iam_role" "orders" {
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

data "aws_iam_policy_document" "log" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.orders.arn}:*"]
  }
}

resource "aws_iam_role_policy" "log" {
  name   = "log"
  role   = aws_iam_role.orders.id
  policy = data.aws_iam_policy_document.log.json
}

output "function_name" {
  description = "For the permission that lets an API call it."
  value       = aws_lambda_function.orders.function_name
}

output "invoke_arn" {
  description = "The URI of an API's integration."
  value       = aws_lambda_function.orders.invoke_arn
}
