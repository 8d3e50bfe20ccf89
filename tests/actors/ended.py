"""Rows that a test plants: an order that has ended, a case, a dead letter."""

ENDED = """
UPDATE fulfillment_order SET state = 'closed', resume_state = NULL, finished_at = now(), closed_reason = 'x'
"""
CASE = """INSERT INTO order_case (shop, case_id, kind, order_id, owner, due_at)
VALUES ('taobao/s1', '1', 'lost', %s, 'logistics', now()) RETURNING id"""
LETTER = """
INSERT INTO dead_letter (step, subject_id, lane, account, order_id, fulfillment_order_id, code, fingerprint, causes,
    attempts, crashes, owner, due_at)
VALUES ('route', 1, 'bulk', '', 1, 1, 'bug', 'f', '[]', 8, 0, 'engineering', now())
"""
