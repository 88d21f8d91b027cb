"""A report as it is handed to people and programs: Markdown, HTML, CSV, JSON."""
