# Streams in, settings of connectors out. No provider, no resources: it can be used and tested alone.

variable "streams" {
  description = "One entry for each connector; its name is the key, and the topic's and the table's where nothing else is said."
  type = map(object({
    topic  = optional(string)          # several with commas
    table  = optional(string)          # below table_root, or a whole URI
    tasks  = optional(number)          # tasks.max
    config = optional(map(string), {}) # settings by their own names; null takes a default away
  }))

  validation {
    condition     = alltrue([for name in keys(var.streams) : can(regex("^[A-Za-z0-9._-]+$", name))])
    error_message = "A stream's name may have letters, digits, points, dashes and underscores."
  }
}

variable "table_root" {
  description = "Where tables are that are not named by a whole URI, such as s3://lake/streams."
  type        = string
}

variable "defaults" {
  description = "Settings of all connectors. A stream's own come before them."
  type        = map(string)
  default     = {}
}

variable "dead_letter_topic" {
  description = "The topic for bad records, with %s for the stream's name, such as %s-dead. With null, a bad record fails its task."
  type        = string
  default     = null
}

locals {
  bytes = "org.apache.kafka.connect.converters.ByteArrayConverter"

  common = merge(
    {
      "connector.class"         = "io.sluice.connect.DeltaSinkConnector"
      "tasks.max"               = "1"
      "key.converter"           = local.bytes
      "value.converter"         = local.bytes
      "header.converter"        = local.bytes
      "delta.input.mode"        = "raw"
      "delta.table.auto.create" = "true"
      "delta.schema.evolution"  = "add"
    },
    var.dead_letter_topic == null ? {} : {
      "errors.tolerance"                              = "all"
      "errors.deadletterqueue.context.headers.enable" = "true"
    },
    var.defaults,
  )

  tables = {
    for name, stream in var.streams : name => strcontains(coalesce(stream.table, name), "://") ? stream.table : join("/", [
      trimsuffix(var.table_root, "/"), coalesce(stream.table, name)
    ])
  }

  connectors = {
    for name, stream in var.streams : name => {
      for setting, value in merge(
        local.common,
        { "topics" = coalesce(stream.topic, name), "delta.table.uri" = local.tables[name] },
        stream.tasks == null ? {} : { "tasks.max" = tostring(stream.tasks) },
        var.dead_letter_topic == null ? {} : { "errors.deadletterqueue.topic.name" = format(var.dead_letter_topic, name) },
        stream.config,
      ) : setting => value if value != null
    }
  }

  # What Sluice knows, as `cargo xtask generate` writes it. Without that file Connect alone refuses a misspelt setting, when it is put.
  schema_file = "${path.module}/../../../docs/connect-config.schema.json"
  known       = fileexists(local.schema_file) ? keys(jsondecode(file(local.schema_file)).properties.config.properties) : null
  unknown = local.known == null ? [] : sort(distinct(flatten([
    for name, connector in local.connectors : [
      for setting in keys(connector) : "${name}: ${setting}"
      if startswith(setting, "delta.") && !startswith(setting, "delta.tables.") && !contains(local.known, setting)
    ]
  ])))
}

output "connectors" {
  description = "The settings of each connector, as PUT /connectors/NAME/config takes them."
  value       = local.connectors

  precondition {
    condition     = length(local.unknown) == 0
    error_message = "Sluice has no such settings: ${join(", ", local.unknown)}."
  }
}

output "tables" {
  description = "The table of each stream."
  value       = { for name, connector in local.connectors : name => connector["delta.table.uri"] }
}
