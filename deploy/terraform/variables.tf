variable "name" {
  description = "Name of everything, and the Connect cluster's group.id. One for each cluster in an account and region."
  type        = string
  default     = "sluice"
}

variable "image" {
  description = "The image of deploy/image, where ECS can pull it."
  type        = string
}

variable "vpc_id" {
  type = string
}

variable "subnet_ids" {
  description = "Private subnets from which Kafka, S3, DynamoDB, CloudWatch and the image can be reached, by NAT or by VPC endpoints."
  type        = list(string)
}

variable "bootstrap_servers" {
  description = "Kafka's brokers: host:port,host:port."
  type        = string
}

# What flows.

variable "streams" {
  description = "The connectors, one short entry each: connectors/main.tf says what may stand in it."
  type = map(object({
    topic  = optional(string)
    table  = optional(string)
    tasks  = optional(number)
    config = optional(map(string), {})
  }))
}

variable "defaults" {
  description = "Settings of all connectors, by their own names. A stream's own come before them."
  type        = map(string)
  default     = {}
}

variable "dead_letter_topic" {
  description = "The topic for bad records, with %s for the stream's name, such as %s-dead. With null, a bad record fails its task."
  type        = string
  default     = null
}

variable "table_root" {
  description = "Where tables are that are not named by a whole URI, such as s3://lake/streams."
  type        = string
}

variable "table_locations" {
  description = "Further places below which the workers may write, such as s3://other/lake. Each table has to be below one or table_root."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for uri in var.table_locations : can(regex("^s3a?://[^/]+/.", uri))])
    error_message = "A location is s3://bucket/prefix."
  }
}

variable "lock_table" {
  description = "The DynamoDB table of delta.commit.lock=dynamodb, for tables that Spark writes too; null where nobody needs it (docs/stores.md)."
  type = object({
    name   = optional(string, "delta_log")
    create = optional(bool, true)
  })
  default = null
}

variable "glue" {
  description = "Registers the tables in this database of the Glue catalog, by a crawler. Sluice itself does not use Glue."
  type = object({
    database = string
    schedule = optional(string, "cron(15 * * * ? *)")
  })
  default = null
}

variable "reapply" {
  description = "Change it to put all connectors again although nothing has changed."
  type        = string
  default     = ""
}

# How it runs.

variable "workers" {
  description = "How many, and how large: CPU units and MiB that Fargate has together. No more than there are tasks make sense."
  type = object({
    min    = optional(number, 2)
    max    = optional(number, 8)
    cpu    = optional(number, 2048)
    memory = optional(number, 8192)
    arm64  = optional(bool, false)
  })
  default = {}
}

variable "scaling" {
  description = "Workers are added above these, and taken away when both are well below."
  type = object({
    lag_per_worker = optional(number, 1000000)
    cpu_percent    = optional(number, 65)
  })
  default = {}
}

variable "worker_settings" {
  description = "Settings of the Connect worker by their own names, such as offset.flush.interval.ms."
  type        = map(string)
  default     = {}
}

variable "client_settings" {
  description = "Settings of all Kafka clients by their own names, such as security.protocol."
  type        = map(string)
  default     = {}
}

variable "environment" {
  description = "Further environment variables, such as KAFKA_OPTS."
  type        = map(string)
  default     = {}
}

variable "secrets" {
  description = "Environment variables from Secrets Manager or SSM, by ARN: CLIENT_SASL_JAAS_CONFIG, or SECRET_X for $${env:SECRET_X} in connectors."
  type        = map(string)
  default     = {}
}

variable "secret_kms_key_arns" {
  description = "Keys of one's own that the secrets are encrypted with."
  type        = list(string)
  default     = []
}

variable "bucket_kms_key_arns" {
  description = "Keys of one's own that the buckets are encrypted with."
  type        = list(string)
  default     = []
}

# Who is told.

variable "alarm_actions" {
  description = "ARNs of what alarms go to, such as an SNS topic."
  type        = list(string)
  default     = []
}

variable "alarms" {
  description = "When there is an alarm: a connector's lag in records, the workers' memory in percent, seconds without a commit."
  type = object({
    lag             = optional(number, 5000000)
    memory_percent  = optional(number, 90)
    stalled_seconds = optional(number, 900)
  })
  default = {}
}

variable "log_retention_days" {
  type    = number
  default = 30
}
