"""The API server: which one, as whom, and how it is reached."""
