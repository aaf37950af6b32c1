variable "name" {
  description = "Prefix of all names."
  type        = string
  default     = "gatewright-monitoring"
}

variable "function_name" {
  description = "The output function_name of modules/authorizer."
  type        = string
}

variable "log_group" {
  description = "The output log_group of modules/authorizer."
  type        = string
}

variable "api" {
  description = "The API to watch: kind is rest or http; id is an HTTP API's id, or a REST API's name, as CloudWatch has it. Null: none."
  type = object({
    kind  = string
    id    = string
    stage = string
  })
  default = null

  validation {
    condition     = var.api == null || contains(["rest", "http"], try(var.api.kind, ""))
    error_message = "An API's kind is rest or http."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms notify. Empty: the alarms only change colour."
  type        = list(string)
  default     = []
}

variable "least_refused" {
  description = "Refused tokens, or 4xx, in five minutes below which nothing is unusual."
  type        = number
  default     = 20
}

variable "unknown_kids_per_five_minutes" {
  description = "Tokens with a key that no issuer publishes that raise an alarm."
  type        = number
  default     = 20
}

variable "least_latency_ms" {
  description = "p99 of a decision, in milliseconds, below which nothing is unusual."
  type        = number
  default     = 100
}
