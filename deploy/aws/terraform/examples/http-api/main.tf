# An HTTP API guarded by the authorizer, with a sample behind it.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.32"
    }
  }
}

module "authorizer" {
  source           = "../../modules/authorizer"
  name             = "${var.name}-authorizer"
  package          = var.package
  architecture     = var.architecture
  alarm_topic_arns = var.alarm_topic_arns
}

# What is unusual, a dashboard, saved queries: for some dollars a month.
module "monitoring" {
  count            = var.monitoring ? 1 : 0
  source           = "../../modules/monitoring"
  name             = "${var.name}-monitoring"
  function_name    = module.authorizer.function_name
  log_group        = module.authorizer.log_group
  api              = { kind = "http", id = aws_apigatewayv2_api.api.id, stage = aws_apigatewayv2_stage.default.name }
  alarm_topic_arns = var.alarm_topic_arns
}

module "orders" {
  source = "../../modules/orders"
  name   = "${var.name}-orders"
}

resource "aws_apigatewayv2_api" "api" {
  name          = var.name
  protocol_type = "HTTP"

  # An HTTP API answers the browser's preflight itself and puts these on refusals too.
  cors_configuration {
    allow_origins = [var.allowed_origin]
    allow_methods = ["GET", "POST"]
    allow_headers = ["authorization", "content-type"]
    max_age       = 600
  }
}

resource "aws_apigatewayv2_authorizer" "gatewright" {
  api_id                            = aws_apigatewayv2_api.api.id
  name                              = "gatewright"
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = module.authorizer.invoke_arn
  authorizer_payload_format_version = "2.0"

  # False, with http_v2 = "iam" in the policy file: a cached policy is evaluated again on every route, while a cached
  # simple answer of one route would let the caller into all the others.
  enable_simple_responses = false

  # The cache's key, and what must be there: a call without it gets 401 and the function isn't called.
  identity_sources = ["$request.header.Authorization"]

  # Seconds that an answer is cached, and so the longest that it outlives its token. 0 if a rule's condition looks at
  # the request.
  authorizer_result_ttl_in_seconds = 60
}

# The gateway may call the authorizer for this one authorizer of this one API.
resource "aws_lambda_permission" "authorizer" {
  function_name = module.authorizer.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.api.execution_arn}/authorizers/${aws_apigatewayv2_authorizer.gatewright.id}"
}

resource "aws_apigatewayv2_route" "orders" {
  for_each           = toset(["GET /orders/{id}", "POST /orders"])
  api_id             = aws_apigatewayv2_api.api.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.orders.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = aws_apigatewayv2_authorizer.gatewright.id
}

resource "aws_apigatewayv2_integration" "orders" {
  api_id                 = aws_apigatewayv2_api.api.id
  integration_type       = "AWS_PROXY"
  integration_uri        = module.orders.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_lambda_permission" "orders" {
  function_name = module.orders.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.api.execution_arn}/*"
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.api.id
  name        = "$default"
  auto_deploy = true

  # HTTP APIs have no X-Ray tracing and no error pages of your own: this says what callers were told, and why.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      request          = "$context.requestId"
      route            = "$context.routeKey"
      status           = "$context.status"
      error            = "$context.error.message"
      authorizer_error = "$context.authorizer.error"
      reason           = "$context.authorizer.reason"
      client           = "$context.authorizer.client_id"
    })
  }
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/gatewright/${var.name}-access"
  retention_in_days = 7
}

output "url" {
  description = "The guarded API."
  value       = aws_apigatewayv2_api.api.api_endpoint
}

output "log_group" {
  description = "One line of JSON for each decision of the authorizer."
  value       = module.authorizer.log_group
}
