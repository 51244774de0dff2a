"""The widget's own API: sessions, messages, replies as they come, and what visitors think of them."""
