"""What a result looks like: pictures and pages."""
