-- Who did what, and why.

-- name: record_acts
INSERT INTO audit (who, role, source, request_id, verb, object, reason, before, after, facts)
SELECT %(who)s, %(role)s, %(source)s, %(request_id)s::uuid, r.verb, r.object, %(reason)s, r.before, r.after, r.facts
FROM json_to_recordset(%(rows)s::json) AS r(verb text, object text, before jsonb, after jsonb, facts jsonb);
