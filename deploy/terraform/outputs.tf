output "job_queue" {
  description = "Queue for `aws batch submit-job --job-queue`."
  value       = aws_batch_job_queue.this.name
}

output "job_definition" {
  description = "Job definition for `aws batch submit-job --job-definition`."
  value       = aws_batch_job_definition.link.name
}

output "cluster" {
  description = "Cluster of the nightly reconcile."
  value       = aws_ecs_cluster.this.name
}

output "file_system_id" {
  description = "The volume that the input belongs on."
  value       = aws_efs_file_system.this.id
}

output "access_point_id" {
  description = "The access point through which the tasks see the volume as /data."
  value       = aws_efs_access_point.this.id
}

output "alarms_topic" {
  description = "The topic of all alarms."
  value       = aws_sns_topic.alarms.arn
}
