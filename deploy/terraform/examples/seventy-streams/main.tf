# terraform init && terraform apply, with an account, a VPC and a Kafka cluster of your own in the place of these.

provider "aws" {
  region = "eu-central-1"
}

module "sluice" {
  source = "../.."

  name              = "lake"
  image             = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sluice-connect:0.1.0"
  vpc_id            = "vpc-0123456789abcdef0"
  subnet_ids        = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  bootstrap_servers = "kafka-1.example.com:9096,kafka-2.example.com:9096"

  client_settings = {
    "security.protocol" = "SASL_SSL"
    "sasl.mechanism"    = "SCRAM-SHA-512"
  }
  secrets = {
    CLIENT_SASL_JAAS_CONFIG  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_sluice-AbCdEf:jaas::"
    SECRET_REGISTRY_PASSWORD = "arn:aws:ssm:eu-central-1:123456789012:parameter/sluice/registry-password"
  }

  table_root        = "s3://my-lake/streams"
  table_locations   = ["s3://risk-lake/fraud-scores"]
  lock_table        = {}
  dead_letter_topic = "%s-dead"
  streams           = local.streams

  workers       = { min = 3, max = 12, cpu = 4096, memory = 16384 }
  alarm_actions = ["arn:aws:sns:eu-central-1:123456789012:on-call"]
}

output "connectors" {
  value = module.sluice.connectors
}
