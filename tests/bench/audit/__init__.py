"""The audit log: tampering found, honest logs left alone, durable appends a second, every file call that fails."""
