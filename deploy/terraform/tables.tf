# The lock table, as Spark's S3DynamoDBLogStore and Sluice keep it (docs/dynamodb-lock.md), and the tables' names in Glue.

locals {
  lock_table_name = var.lock_table == null ? null : var.lock_table.name
  create_lock     = var.lock_table == null ? false : var.lock_table.create
  lock_table_arn = (
    var.lock_table == null ? null : local.create_lock ? aws_dynamodb_table.lock[0].arn : data.aws_dynamodb_table.lock[0].arn
  )
}

resource "aws_dynamodb_table" "lock" {
  count = local.create_lock ? 1 : 0

  name                        = local.lock_table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "tablePath"
  range_key                   = "fileName"
  deletion_protection_enabled = true

  attribute {
    name = "tablePath"
    type = "S"
  }

  attribute {
    name = "fileName"
    type = "S"
  }

  ttl {
    attribute_name = "expireTime"
    enabled        = true
  }
}

data "aws_dynamodb_table" "lock" {
  count = var.lock_table == null || local.create_lock ? 0 : 1

  name = local.lock_table_name
}

resource "aws_glue_catalog_database" "this" {
  count = var.glue == null ? 0 : 1

  name = var.glue.database
}

# Finds the columns of each table, so that Athena and others have it by name. It reads the tables and writes nothing into them.
resource "aws_glue_crawler" "this" {
  count = var.glue == null ? 0 : 1

  name          = var.name
  database_name = aws_glue_catalog_database.this[0].name
  role          = aws_iam_role.crawler[0].arn
  schedule      = var.glue.schedule

  delta_target {
    delta_tables              = [for uri in values(module.connectors.tables) : replace(uri, "s3a://", "s3://")]
    create_native_delta_table = true
    write_manifest            = false
  }

  schema_change_policy {
    update_behavior = "UPDATE_IN_DATABASE"
    delete_behavior = "LOG"
  }
}

resource "aws_iam_role" "crawler" {
  count = var.glue == null ? 0 : 1

  name               = "${var.name}-crawler"
  assume_role_policy = local.assume_role["glue"]
}

resource "aws_iam_role_policy_attachment" "crawler" {
  count = var.glue == null ? 0 : 1

  role       = aws_iam_role.crawler[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSGlueServiceRole"
}

resource "aws_iam_role_policy" "crawler" {
  count = var.glue == null ? 0 : 1

  name = "tables"
  role = aws_iam_role.crawler[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [for place in local.below : "${local.s3}${place}*"]
      }],
      length(var.bucket_kms_key_arns) == 0 ? [] : [{
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = var.bucket_kms_key_arns
      }],
    )
  })
}
