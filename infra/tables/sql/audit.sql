-- Who did what, and why.

-- name: record_acts
INSERT INTO audit (who, verb, object, reason, facts)
SELECT %(who)s, r.verb, r.object, %(reason)s, r.facts
FROM json_to_recordset(%(rows)s::json) AS r(verb text, object text, facts jsonb);
