# What the workers may do: the tables' prefixes and the lock table, nothing else. docs/stores.md has the same rights.

locals {
  # Bucket and prefix of each location.
  locations = {
    for uri in distinct(concat([var.table_root], var.table_locations)) : uri => regex("^s3a?://(?P<bucket>[^/]+)/(?P<prefix>.*[^/])/?$", uri)
  }
  below = [for place in values(local.locations) : "${place.bucket}/${place.prefix}/"]
  outside = [
    for name, uri in module.connectors.tables : name
    if !anytrue([for place in local.below : startswith("${replace(replace(uri, "s3a://", ""), "s3://", "")}/", place)])
  ]
  prefixes = { for place in values(local.locations) : place.bucket => place.prefix... }

  s3 = "arn:${data.aws_partition.current.partition}:s3:::"
  assume_role = { for service in ["ecs-tasks", "lambda", "glue"] : service => jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "${service}.amazonaws.com" }
    }]
  }) }

  worker_statements = concat(
    [{
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
      Resource = [for place in local.below : "${local.s3}${place}*"]
    }],
    [for bucket, prefixes in local.prefixes : {
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = ["${local.s3}${bucket}"]
      Condition = { StringLike = { "s3:prefix" = flatten([for prefix in prefixes : [prefix, "${prefix}/*"]]) } }
    }],
    length(var.bucket_kms_key_arns) == 0 ? [] : [{
      Effect   = "Allow"
      Action   = ["kms:GenerateDataKey", "kms:Decrypt"]
      Resource = var.bucket_kms_key_arns
    }],
    var.lock_table == null ? [] : [{
      Effect   = "Allow"
      Action   = ["dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      Resource = [local.lock_table_arn]
    }],
  )

  # An ARN of Secrets Manager may name a key and a version behind the secret.
  secret_arns = distinct([for arn in values(var.secrets) : join(":", slice(split(":", arn), 0, min(7, length(split(":", arn)))))])
}

resource "aws_iam_role" "worker" {
  name               = "${var.name}-worker"
  assume_role_policy = local.assume_role["ecs-tasks"]
}

resource "aws_iam_role_policy" "worker" {
  name   = "tables"
  role   = aws_iam_role.worker.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.worker_statements })

  lifecycle {
    precondition {
      condition     = length(local.outside) == 0
      error_message = "Tables that are below neither table_root nor one of table_locations: ${join(", ", local.outside)}."
    }
  }
}

# What ECS needs to start the containers: the image, the logs, the secrets.
resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = local.assume_role["ecs-tasks"]
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "secrets" {
  count = length(var.secrets) == 0 ? 0 : 1

  name = "secrets"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "ssm:GetParameters"]
        Resource = local.secret_arns
      }],
      length(var.secret_kms_key_arns) == 0 ? [] : [{
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = var.secret_kms_key_arns
      }],
    )
  })
}
