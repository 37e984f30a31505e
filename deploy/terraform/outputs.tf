output "connectors" {
  description = "The settings of each connector."
  value       = module.connectors.connectors
}

output "connect_url" {
  description = "Connect's REST interface, from within the VPC and with the security group."
  value       = "http://${local.host}:8083"
}

output "security_group_id" {
  description = "Of workers, watch and function: Kafka has to let it in."
  value       = aws_security_group.this.id
}

output "worker_role_arn" {
  description = "Of the workers, for what else they may do, such as a bucket policy."
  value       = aws_iam_role.worker.arn
}
