"""What the commands print: everything that becomes text or JSON for somebody outside."""
