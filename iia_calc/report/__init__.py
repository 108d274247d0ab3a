"""What a result looks like: pictures, pages and the supporting information of a paper."""
