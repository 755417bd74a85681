"""What the offline server answers: by rules, or through a chat model. Pure but for the request to that model."""
