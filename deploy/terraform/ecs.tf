# The workers, and the task that watches them.

locals {
  host = "connect.${aws_service_discovery_private_dns_namespace.this.name}"

  clients = { for setting, value in var.client_settings : "CLIENT_${upper(replace(setting, ".", "_"))}" => value }

  watch_environment = merge(local.clients, {
    CONNECT_BOOTSTRAP_SERVERS = var.bootstrap_servers
    CONNECT_GROUP_ID          = var.name
  })
  worker_environment = merge(
    local.watch_environment,
    # ECS starts a worker before it stops one, so waiting for one to come back would only keep tasks from running.
    { CONNECT_SCHEDULED_REBALANCE_MAX_DELAY_MS = "10000" },
    { for setting, value in var.worker_settings : "CONNECT_${upper(replace(setting, ".", "_"))}" => value },
    var.environment,
  )

  secrets       = [for variable, arn in var.secrets : { name = variable, valueFrom = arn }]
  watch_secrets = [for secret in local.secrets : secret if startswith(secret.name, "CLIENT_")]
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(["connect", "watch"])

  name              = "/ecs/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
}

# Connect's REST interface asks nobody who they are: only what is in this group reaches it.
resource "aws_security_group" "this" {
  name        = var.name
  description = "Workers of ${var.name}, and what talks to them"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "rest" {
  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = 8083
  to_port                      = 8083
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.this.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  name = "${var.name}.internal"
  vpc  = var.vpc_id
}

resource "aws_service_discovery_service" "connect" {
  name = "connect"

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.this.id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}

resource "aws_ecs_task_definition" "connect" {
  family                   = "${var.name}-connect"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.workers.cpu
  memory                   = var.workers.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.worker.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.workers.arm64 ? "ARM64" : "X86_64"
  }

  container_definitions = jsonencode([{
    name      = "connect"
    image     = var.image
    essential = true
    # By this limit the JVM and Sluice know what there is.
    memory       = var.workers.memory
    stopTimeout  = 60
    portMappings = [{ containerPort = 8083, protocol = "tcp" }]
    environment  = [for name, value in local.worker_environment : { name = name, value = value }]
    secrets      = local.secrets
    healthCheck = {
      command     = ["CMD", "/opt/sluice/healthcheck"]
      interval    = 15
      timeout     = 10
      retries     = 4
      startPeriod = 120
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this["connect"].name
        awslogs-region        = local.region
        awslogs-stream-prefix = "connect"
      }
    }
  }])
}

resource "aws_ecs_service" "connect" {
  name                               = "connect"
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.connect.arn
  launch_type                        = "FARGATE"
  desired_count                      = var.workers.min
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  # Connectors are put when the workers are there.
  wait_for_steady_state = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = var.subnet_ids
    security_groups = [aws_security_group.this.id]
  }

  service_registries {
    registry_arn = aws_service_discovery_service.connect.arn
  }

  lifecycle {
    # It belongs to the auto-scaling.
    ignore_changes = [desired_count]
  }

  # Without these its tasks could not start, or not work.
  depends_on = [
    aws_iam_role_policy_attachment.execution,
    aws_iam_role_policy.secrets,
    aws_iam_role_policy.worker,
    aws_vpc_security_group_ingress_rule.rest,
    aws_vpc_security_group_egress_rule.all,
  ]
}

# Looks at Connect and at Kafka's consumer groups once a minute and prints figures; CloudWatch makes metrics of what it prints.
resource "aws_ecs_task_definition" "watch" {
  family                   = "${var.name}-watch"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 512
  memory                   = 1024
  execution_role_arn       = aws_iam_role.execution.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.workers.arm64 ? "ARM64" : "X86_64"
  }

  container_definitions = jsonencode([{
    name       = "watch"
    image      = var.image
    essential  = true
    entryPoint = ["/opt/sluice/watch"]
    environment = [
      for name, value in merge(local.watch_environment, {
        WATCH_CONNECT               = "${local.host}:8083"
        WATCH_STALLED_AFTER_SECONDS = tostring(var.alarms.stalled_seconds)
      }) : { name = name, value = value }
    ]
    secrets = local.watch_secrets
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this["watch"].name
        awslogs-region        = local.region
        awslogs-stream-prefix = "watch"
      }
    }
  }])
}

resource "aws_ecs_service" "watch" {
  name            = "watch"
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.watch.arn
  launch_type     = "FARGATE"
  desired_count   = 1

  network_configuration {
    subnets         = var.subnet_ids
    security_groups = [aws_security_group.this.id]
  }

  depends_on = [aws_ecs_service.connect]
}
