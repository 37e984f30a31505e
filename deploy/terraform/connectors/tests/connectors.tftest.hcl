# terraform test

variables {
  table_root = "s3://lake/streams/"
}

run "a_name_is_enough" {
  command = plan

  variables {
    streams = { orders = {} }
  }

  assert {
    condition     = output.connectors.orders["topics"] == "orders" && output.tables.orders == "s3://lake/streams/orders"
    error_message = "topic and table are called after the stream"
  }
  assert {
    condition     = output.connectors.orders["connector.class"] == "io.sluice.connect.DeltaSinkConnector"
    error_message = "the defaults are there"
  }
  assert {
    condition     = !contains(keys(output.connectors.orders), "errors.tolerance")
    error_message = "no dead-letter queue unless one is asked for"
  }
}

run "the_nearer_setting_counts" {
  command = plan

  variables {
    defaults          = { "delta.commit.interval.ms" = "30000", "tasks.max" = "2" }
    dead_letter_topic = "%s-dead"
    streams = {
      plain = {}
      other = {
        topic = "topic.of.other"
        table = "s3a://elsewhere/table"
        tasks = 7
        config = {
          "delta.commit.interval.ms" = "1000"
          "delta.schema.evolution"   = null
        }
      }
      below = { table = "deeper/table" }
    }
  }

  assert {
    condition = (
      output.connectors.plain["delta.commit.interval.ms"] == "30000" && output.connectors.plain["tasks.max"] == "2"
      && output.connectors.plain["errors.deadletterqueue.topic.name"] == "plain-dead"
    )
    error_message = "defaults count where the stream says nothing"
  }
  assert {
    condition = (
      output.connectors.other["topics"] == "topic.of.other" && output.connectors.other["tasks.max"] == "7"
      && output.connectors.other["delta.commit.interval.ms"] == "1000"
      && output.tables.other == "s3a://elsewhere/table"
    )
    error_message = "what a stream says comes before the defaults"
  }
  assert {
    condition     = !contains(keys(output.connectors.other), "delta.schema.evolution")
    error_message = "null takes a default away"
  }
  assert {
    condition     = output.tables.below == "s3://lake/streams/deeper/table"
    error_message = "a table that is not a URI is below table_root"
  }
}

run "a_misspelt_setting_fails_the_plan" {
  command = plan

  variables {
    streams = { orders = { config = { "delta.commit.intervall.ms" = "1000" } } }
  }

  expect_failures = [output.connectors]
}

run "a_name_that_is_no_name_fails_the_plan" {
  command = plan

  variables {
    streams = { "or ders" = {} }
  }

  expect_failures = [var.streams]
}
