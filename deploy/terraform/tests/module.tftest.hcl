# terraform test: needs the providers' schemas and no account.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
}

mock_provider "archive" {}

variables {
  image             = "sluice-connect:0.1.0"
  vpc_id            = "vpc-1"
  subnet_ids        = ["subnet-1"]
  bootstrap_servers = "kafka:9092"
  table_root        = "s3://lake/streams/"
  streams           = { orders = {} }
}

run "no_more_rights_than_needed" {
  command = plan

  variables {
    table_locations = ["s3://lake/more", "s3a://other/t"]
    streams         = { orders = {}, far = { table = "s3a://other/t" } }
    secrets = {
      CLIENT_SASL_JAAS_CONFIG = "arn:aws:secretsmanager:eu-central-1:1:secret:jaas-AbCdEf:key::"
      SECRET_X                = "arn:aws:ssm:eu-central-1:1:parameter/x"
    }
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.worker.policy).Statement == jsondecode(jsonencode([
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = ["arn:aws:s3:::lake/more/*", "arn:aws:s3:::lake/streams/*", "arn:aws:s3:::other/t/*"]
      },
      {
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = ["arn:aws:s3:::lake"]
        Condition = { StringLike = { "s3:prefix" = ["more", "more/*", "streams", "streams/*"] } }
      },
      {
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = ["arn:aws:s3:::other"]
        Condition = { StringLike = { "s3:prefix" = ["t", "t/*"] } }
      },
    ]))
    error_message = "the workers may reach the tables and nothing else"
  }
  assert {
    condition = jsondecode(aws_iam_role_policy.secrets[0].policy).Statement[0].Resource == [
      "arn:aws:secretsmanager:eu-central-1:1:secret:jaas-AbCdEf", "arn:aws:ssm:eu-central-1:1:parameter/x"
    ]
    error_message = "ECS may read the secrets that are named, whatever key of them"
  }
  assert {
    condition     = length(aws_dynamodb_table.lock) == 0 && length(aws_glue_crawler.this) == 0
    error_message = "no lock table and no crawler unless asked for"
  }
}

run "the_lock_table_is_sparks" {
  command = plan

  variables {
    lock_table = {}
  }

  assert {
    condition = (
      aws_dynamodb_table.lock[0].name == "delta_log" && aws_dynamodb_table.lock[0].hash_key == "tablePath"
      && aws_dynamodb_table.lock[0].range_key == "fileName" && aws_dynamodb_table.lock[0].ttl[0].attribute_name == "expireTime"
    )
    error_message = "keys and expiry are those of docs/dynamodb-lock.md"
  }
  assert {
    condition = (
      output.connectors.orders["delta.commit.lock"] == "dynamodb" && output.connectors.orders["delta.dynamodb.table"] == "delta_log"
    )
    error_message = "all connectors use it"
  }
}

run "a_table_outside_fails_the_plan" {
  command = plan

  variables {
    streams = { orders = { table = "s3://lake/streams-of-others/orders" } }
  }

  expect_failures = [aws_iam_role_policy.worker]
}

run "everything_together" {
  variables {
    lock_table      = {}
    glue            = { database = "lake" }
    client_settings = { "security.protocol" = "SASL_SSL" }
    worker_settings = { "offset.flush.interval.ms" = "10000" }
    environment     = { KAFKA_OPTS = "-Dx=y" }
    secrets = {
      CLIENT_SASL_JAAS_CONFIG = "arn:aws:secretsmanager:eu-central-1:1:secret:jaas-AbCdEf"
      SECRET_X                = "arn:aws:ssm:eu-central-1:1:parameter/x"
    }
  }

  assert {
    condition = {
      for each in jsondecode(aws_ecs_task_definition.connect.container_definitions)[0].environment : each.name => each.value
      } == {
      CLIENT_SECURITY_PROTOCOL                 = "SASL_SSL"
      CONNECT_BOOTSTRAP_SERVERS                = "kafka:9092"
      CONNECT_GROUP_ID                         = "sluice"
      CONNECT_OFFSET_FLUSH_INTERVAL_MS         = "10000"
      CONNECT_SCHEDULED_REBALANCE_MAX_DELAY_MS = "10000"
      KAFKA_OPTS                               = "-Dx=y"
    }
    error_message = "settings become the image's variables"
  }
  assert {
    condition     = [for each in jsondecode(aws_ecs_task_definition.watch.container_definitions)[0].secrets : each.name] == ["CLIENT_SASL_JAAS_CONFIG"]
    error_message = "watch gets the secrets of Kafka's clients and no others"
  }
  assert {
    condition     = jsondecode(aws_lambda_invocation.apply.input).connectors == output.connectors
    error_message = "what is put are the rendered connectors"
  }
  assert {
    condition     = toset([for name, alarm in aws_cloudwatch_metric_alarm.this : alarm.metric_name]) == toset(["FailedTasks", "StalledConnectors", "MostLag", "MemoryUtilization"])
    error_message = "four alarms"
  }
}
