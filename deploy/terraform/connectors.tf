# From streams to connectors. A function in the VPC puts them by Connect's REST interface: README.md says why.

module "connectors" {
  source = "./connectors"

  streams           = var.streams
  table_root        = var.table_root
  dead_letter_topic = var.dead_letter_topic
  defaults = merge(
    { "delta.s3.region" = local.region },
    var.lock_table == null ? {} : {
      "delta.commit.lock"    = "dynamodb"
      "delta.dynamodb.table" = local.lock_table_name
    },
    var.defaults,
  )
}

data "archive_file" "apply" {
  type        = "zip"
  source_file = "${path.module}/apply_connectors.py"
  output_path = "${path.root}/.terraform/apply_connectors-${var.name}.zip"
}

resource "aws_cloudwatch_log_group" "apply" {
  name              = "/aws/lambda/${var.name}-apply-connectors"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "apply" {
  name               = "${var.name}-apply-connectors"
  assume_role_policy = local.assume_role["lambda"]
}

# Its log, and a network interface in the VPC.
resource "aws_iam_role_policy_attachment" "apply" {
  role       = aws_iam_role.apply.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
}

resource "aws_lambda_function" "apply" {
  function_name    = "${var.name}-apply-connectors"
  role             = aws_iam_role.apply.arn
  runtime          = "python3.13"
  handler          = "apply_connectors.handler"
  filename         = data.archive_file.apply.output_path
  source_code_hash = data.archive_file.apply.output_base64sha256
  timeout          = 900

  environment {
    variables = {
      CONNECT_URL = "http://${local.host}:8083"
    }
  }

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = [aws_security_group.this.id]
  }

  depends_on = [aws_cloudwatch_log_group.apply, aws_iam_role_policy_attachment.apply]
}

# Called when its input changes. After an error it is not in the state, so the next apply calls it again; with the scope CRUD an
# update that failed would count as done.
resource "aws_lambda_invocation" "apply" {
  function_name = aws_lambda_function.apply.function_name
  input = jsonencode({
    connectors = module.connectors.connectors
    reapply    = var.reapply
  })

  depends_on = [aws_ecs_service.connect]
}
