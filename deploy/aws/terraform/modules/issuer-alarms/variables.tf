variable "name" {
  description = "Prefix of all names."
  type        = string
  default     = "gatewright-issuer"
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms notify. Empty: the alarms only change colour."
  type        = list(string)
  default     = []
}

variable "login_failures_per_five_minutes" {
  description = "Failed logins that raise an alarm whatever is usual."
  type        = number
  default     = 100
}

variable "least_login_failures" {
  description = "Failed logins in five minutes below which nothing is unusual."
  type        = number
  default     = 15
}
