class ToolFailed(Exception):
    """The tool could not do its work; the message is shown to the agent. Nothing left the server."""
