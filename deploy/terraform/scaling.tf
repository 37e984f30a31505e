# By what `watch` publishes (namespace Sluice) and by what ECS does.

locals {
  watched = { Cluster = var.name }
  service = { ClusterName = aws_ecs_cluster.this.name, ServiceName = aws_ecs_service.connect.name }

  # `silence` says what no figures at all mean.
  alarm = {
    failed-tasks = {
      why   = "Connectors or tasks have failed, or nothing watches them", namespace = "Sluice", metric = "FailedTasks", dimensions = local.watched
      above = 0, minutes = 3, silence = "breaching"
    }
    stalled = {
      why   = "Connectors have lag and commit nothing", namespace = "Sluice", metric = "StalledConnectors", dimensions = local.watched
      above = 0, minutes = 1, silence = "missing"
    }
    lag = {
      why   = "A connector is far behind", namespace = "Sluice", metric = "MostLag", dimensions = local.watched
      above = var.alarms.lag, minutes = 15, silence = "missing"
    }
    memory = {
      why   = "Workers are short of memory", namespace = "AWS/ECS", metric = "MemoryUtilization", dimensions = local.service
      above = var.alarms.memory_percent, minutes = 5, silence = "missing"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarm

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.why}: docs/operations.md of Sluice"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = each.value.silence
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
}

resource "aws_appautoscaling_target" "connect" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.connect.name}"
  min_capacity       = var.workers.min
  max_capacity       = var.workers.max
}

# Of two such policies, one is enough to add workers, and both have to agree before one is taken away.
resource "aws_appautoscaling_policy" "lag" {
  name               = "lag"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.connect.service_namespace
  scalable_dimension = aws_appautoscaling_target.connect.scalable_dimension
  resource_id        = aws_appautoscaling_target.connect.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.scaling.lag_per_worker
    scale_out_cooldown = 180
    scale_in_cooldown  = 900

    customized_metric_specification {
      namespace   = "Sluice"
      metric_name = "LagPerWorker"
      statistic   = "Average"
      unit        = "Count"

      dimensions {
        name  = "Cluster"
        value = var.name
      }
    }
  }
}

resource "aws_appautoscaling_policy" "cpu" {
  name               = "cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.connect.service_namespace
  scalable_dimension = aws_appautoscaling_target.connect.scalable_dimension
  resource_id        = aws_appautoscaling_target.connect.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.scaling.cpu_percent
    scale_out_cooldown = 180
    scale_in_cooldown  = 900

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
