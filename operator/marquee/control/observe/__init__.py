"""What is: caches of resources and children, put together as a `Snapshot`."""
