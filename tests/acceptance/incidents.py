NAME = "incidents"
COLUMNS = frozenset({"case_id", "timestamp", "status", "sub_status", "line"})
