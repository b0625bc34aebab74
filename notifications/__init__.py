"""How a message leaves: queued in an outbox, rendered, sent, and recorded. It knows no issue, no stage and no workflow."""
