NAME = "pingshan"
COLUMNS = frozenset({"rec_id", "create_date", "verdict", "event_type", "street", "dispose_unit"})
