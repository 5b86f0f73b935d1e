"""The front against a bare ASGI application (the floor) and a plain BentoML service (the rival)."""
