"""The use cases of cached images: planning, building, cleaning and refreshing them."""
