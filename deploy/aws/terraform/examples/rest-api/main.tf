# A REST API guarded by the authorizer, with a sample behind it.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.32"
    }
  }
}

locals {
  # Each with the resource that it belongs to.
  routes = {
    read  = { method = "GET", resource = aws_api_gateway_resource.order.id }
    write = { method = "POST", resource = aws_api_gateway_resource.orders.id }
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
  api              = { kind = "rest", id = aws_api_gateway_rest_api.api.name, stage = aws_api_gateway_stage.live.stage_name }
  alarm_topic_arns = var.alarm_topic_arns
}

module "orders" {
  source = "../../modules/orders"
  name   = "${var.name}-orders"
}

resource "aws_api_gateway_rest_api" "api" {
  name = var.name
  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_authorizer" "gatewright" {
  rest_api_id    = aws_api_gateway_rest_api.api.id
  name           = "gatewright"
  authorizer_uri = module.authorizer.invoke_arn

  # REQUEST, for a TOKEN event has neither the caller's address nor the request's id, which conditions and the decision
  # log need. With TOKEN you could turn junk away by identity_validation_expression, without a call.
  type = "REQUEST"

  # The cache's key, and what must be there: a call without it gets 401 and the function isn't called.
  identity_source = "method.request.header.Authorization"

  # Seconds that an answer is cached, and so the longest that it outlives its token. Safe on every route, for the answer
  # covers all that the token may call. 0 if a rule's condition looks at the request.
  authorizer_result_ttl_in_seconds = 60
}

# The gateway may call the authorizer for this one authorizer of this one API.
resource "aws_lambda_permission" "authorizer" {
  function_name = module.authorizer.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.api.execution_arn}/authorizers/${aws_api_gateway_authorizer.gatewright.id}"
}

resource "aws_api_gateway_resource" "orders" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  parent_id   = aws_api_gateway_rest_api.api.root_resource_id
  path_part   = "orders"
}

resource "aws_api_gateway_resource" "order" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  parent_id   = aws_api_gateway_resource.orders.id
  path_part   = "{id}"
}

resource "aws_api_gateway_method" "orders" {
  for_each      = local.routes
  rest_api_id   = aws_api_gateway_rest_api.api.id
  resource_id   = each.value.resource
  http_method   = each.value.method
  authorization = "CUSTOM"
  authorizer_id = aws_api_gateway_authorizer.gatewright.id
}

resource "aws_api_gateway_integration" "orders" {
  for_each                = local.routes
  rest_api_id             = aws_api_gateway_rest_api.api.id
  resource_id             = each.value.resource
  http_method             = aws_api_gateway_method.orders[each.key].http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = module.orders.invoke_arn
}

resource "aws_lambda_permission" "orders" {
  function_name = module.orders.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.api.execution_arn}/*"
}

# A deployment is a copy: without the trigger, later changes of what it lists would never go live.
resource "aws_api_gateway_deployment" "live" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  triggers = {
    redeployment = sha1(jsonencode([
      aws_api_gateway_resource.orders, aws_api_gateway_resource.order,
      aws_api_gateway_authorizer.gatewright,
      aws_api_gateway_method.orders, aws_api_gateway_integration.orders,
      aws_api_gateway_method.preflight, aws_api_gateway_integration.preflight,
      aws_api_gateway_method_response.preflight, aws_api_gateway_integration_response.preflight,
      aws_api_gateway_gateway_response.refusal,
    ]))
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "live" {
  rest_api_id          = aws_api_gateway_rest_api.api.id
  deployment_id        = aws_api_gateway_deployment.live.id
  stage_name           = "live"
  xray_tracing_enabled = true
}

output "url" {
  description = "The guarded API."
  value       = aws_api_gateway_stage.live.invoke_url
}

output "log_group" {
  description = "One line of JSON for each decision of the authorizer."
  value       = module.authorizer.log_group
}
