variable "name" {
  description = "Name of everything that the module creates; one for each pool."
  type        = string
  default     = "cognito-link"
}

variable "user_pool_id" {
  description = "The user pool, such as us-east-1_AbCdEfGhI. It must be in the account and Region of the provider."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+_[0-9A-Za-z]+$", var.user_pool_id))
    error_message = "A pool ID looks like us-east-1_AbCdEfGhI."
  }
}

variable "image" {
  description = "Image of cognito-link, by digest. deploy/Dockerfile builds one."
  type        = string
}

variable "vpc_id" {
  description = "The VPC that the tasks run in."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of that VPC with a way out to HTTPS: a NAT gateway, or interface endpoints. At most one for each zone."
  type        = list(string)
}

variable "input" {
  description = "The file of pairs on the volume."
  type        = string
  default     = "/data/people.csv"
}

variable "apply" {
  description = "Whether the nightly reconcile links what is missing. Without it, it only reads and reports."
  type        = bool
  default     = false
}

variable "schedule" {
  description = "When reconcile runs, in UTC."
  type        = string
  default     = "cron(15 3 * * ? *)"
}

variable "schedule_enabled" {
  description = "Whether the schedule is on. Turn it on once the input is on the volume."
  type        = bool
  default     = false
}

variable "rate" {
  description = "Writes per second of all tasks together; the quota of an account is 25."
  type        = number
  default     = 20
}

variable "log_retention_days" {
  description = "Days for which logs are kept. They contain no personal data."
  type        = number
  default     = 365
}

variable "alarm_email" {
  description = "Address that gets the alarms; it must confirm once. Empty: subscribe to the topic yourself."
  type        = string
  default     = ""
}
