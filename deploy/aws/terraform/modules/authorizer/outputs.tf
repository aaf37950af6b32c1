output "function_name" {
  description = "For the permission that lets an API call it."
  value       = aws_lambda_function.authorizer.function_name
}

output "invoke_arn" {
  description = "The authorizer_uri of an API's authorizer."
  value       = aws_lambda_function.authorizer.invoke_arn
}

output "log_group" {
  description = "One line of JSON for each decision."
  value       = aws_cloudwatch_log_group.decisions.name
}
