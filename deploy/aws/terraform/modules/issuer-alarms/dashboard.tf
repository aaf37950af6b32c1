data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

resource "aws_cloudwatch_dashboard" "issuer" {
  dashboard_name = var.name
  dashboard_body = templatefile("${path.module}/dashboard.json.tftpl", {
    Partition = data.aws_partition.current.partition
    Region    = data.aws_region.current.name
    Account   = data.aws_caller_identity.current.account_id
    Name      = var.name
  })
}
