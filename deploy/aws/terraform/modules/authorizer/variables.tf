variable "name" {
  description = "Name of the function, and of what belongs to it."
  type        = string
  default     = "gatewright-authorizer"
}

variable "package" {
  description = "The zip that deploy/aws/package made."
  type        = string
}

variable "architecture" {
  description = "What bootstrap was built for; deploy/aws/package prints it. arm64 costs a fifth less."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Lambda has arm64 and x86_64: set the one that deploy/aws/package printed."
  }
}

variable "log_retention_days" {
  description = "How long decisions are kept."
  type        = number
  default     = 30
}

variable "reserved_concurrency" {
  description = "-1 shares the account's concurrency. A number keeps that much for the authorizer and lets it have no more; calls beyond it are throttled, which callers see as 500. 0 turns every guarded API off."
  type        = number
  default     = -1
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms notify. Empty: the alarms only change colour."
  type        = list(string)
  default     = []
}

variable "errors_per_five_minutes" {
  description = "Failed invocations, beyond refused tokens, that raise an alarm."
  type        = number
  default     = 5
}

variable "denied_percent" {
  description = "The share of refused calls that raises an alarm."
  type        = number
  default     = 50
}

variable "denied_least_calls" {
  description = "Calls in five minutes below which their share means nothing."
  type        = number
  default     = 20
}
