"""What a cleaning writes: findings, tables, and a report with pictures."""
