variable "name" {
  description = "Prefix of all names."
  type        = string
  default     = "gatewright-rest"
}

variable "package" {
  description = "The zip that deploy/aws/package made."
  type        = string
  default     = "../../../../../target/authorizer.zip"
}

variable "architecture" {
  description = "What bootstrap was built for; deploy/aws/package prints it."
  type        = string
  default     = "arm64"
}

variable "allowed_origin" {
  description = "The web origin whose scripts may call the API and read its refusals."
  type        = string
  default     = "https://app.example.com"
}

variable "alarm_topic_arns" {
  description = "SNS topics that the authorizer's alarms notify."
  type        = list(string)
  default     = []
}

variable "monitoring" {
  description = "Whether to watch it by more than the authorizer's own alarms: see modules/monitoring."
  type        = bool
  default     = false
}
