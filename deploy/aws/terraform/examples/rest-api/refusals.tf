# What callers and browsers see when they are refused.

locals {
  cors = {
    "gatewayresponse.header.Access-Control-Allow-Origin" = "'${var.allowed_origin}'"
    "gatewayresponse.header.Vary"                        = "'Origin'"
  }

  # These come from the gateway, not from your API: without the headers a browser hides them from the page.
  refusals = {
    DEFAULT_4XX = {
      status  = null
      headers = {}
      body    = "{\"message\":$context.error.messageString,\"request\":\"$context.requestId\"}"
    }
    DEFAULT_5XX = {
      status  = null
      headers = {}
      body    = "{\"message\":$context.error.messageString,\"request\":\"$context.requestId\"}"
    }
    # The authorizer's error "Unauthorized", or no Authorization header: nothing more is known here.
    UNAUTHORIZED = {
      status  = "401"
      headers = { "gatewayresponse.header.WWW-Authenticate" = "'Bearer'" }
      body    = "{\"message\":\"Unauthorized\",\"request\":\"$context.requestId\"}"
    }
    # Why, in the authorizer's words. They're of the call that filled the cache, so empty if that was allowed.
    ACCESS_DENIED = {
      status  = "403"
      headers = {}
      body    = "{\"message\":\"Forbidden\",\"reason\":\"$context.authorizer.reason\",\"missing\":\"$context.authorizer.missing\",\"request\":\"$context.requestId\"}"
    }
  }

  # Browsers ask beforehand, without a token.
  preflight = {
    orders = aws_api_gateway_resource.orders.id
    order  = aws_api_gateway_resource.order.id
  }
  preflight_headers = {
    "method.response.header.Access-Control-Allow-Origin"  = "'${var.allowed_origin}'"
    "method.response.header.Access-Control-Allow-Methods" = "'GET,POST,OPTIONS'"
    "method.response.header.Access-Control-Allow-Headers" = "'Authorization,Content-Type'"
    "method.response.header.Access-Control-Max-Age"       = "'600'"
  }
}

resource "aws_api_gateway_gateway_response" "refusal" {
  for_each            = local.refusals
  rest_api_id         = aws_api_gateway_rest_api.api.id
  response_type       = each.key
  status_code         = each.value.status
  response_parameters = merge(local.cors, each.value.headers)
  response_templates  = { "application/json" = each.value.body }
}

resource "aws_api_gateway_method" "preflight" {
  for_each      = local.preflight
  rest_api_id   = aws_api_gateway_rest_api.api.id
  resource_id   = each.value
  http_method   = "OPTIONS"
  authorization = "NONE"
}

resource "aws_api_gateway_integration" "preflight" {
  for_each          = local.preflight
  rest_api_id       = aws_api_gateway_rest_api.api.id
  resource_id       = each.value
  http_method       = aws_api_gateway_method.preflight[each.key].http_method
  type              = "MOCK"
  request_templates = { "application/json" = "{\"statusCode\":200}" }
}

resource "aws_api_gateway_method_response" "preflight" {
  for_each            = local.preflight
  rest_api_id         = aws_api_gateway_rest_api.api.id
  resource_id         = each.value
  http_method         = aws_api_gateway_method.preflight[each.key].http_method
  status_code         = "200"
  response_parameters = { for name, value in local.preflight_headers : name => true }
}

resource "aws_api_gateway_integration_response" "preflight" {
  for_each            = local.preflight
  rest_api_id         = aws_api_gateway_rest_api.api.id
  resource_id         = each.value
  http_method         = aws_api_gateway_method_response.preflight[each.key].http_method
  status_code         = "200"
  response_parameters = local.preflight_headers
  depends_on          = [aws_api_gateway_integration.preflight]
}
