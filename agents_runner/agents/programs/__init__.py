"""Small shell programs that go along into the container."""
